//! Each server rule against its formula written out in f64, and the table of the documentation.

use std::collections::BTreeMap;

use osteon_core::Failure;

use super::*;
use crate::{Comm, ParamScale, ParamSum, TensorSpec};

fn build(name: &str, options: &[(&str, f64)]) -> Result<Box<dyn Strategy>, FederateError> {
    strategy(name, &options.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect())
}

/// Parameters, the last of which no gradient moves.
const SHAPE: Shape = Shape { groups: 2, params: 3, trainable: 2 };
const WEIGHTS: [u64; 3] = [7, 2, 11];

/// What site `k` sends in round `t` from the global model: a made-up pull, different in every place.
fn local(global: &[f32], k: usize, t: usize) -> Vec<f32> {
    let pull = |(i, w): (usize, &f32)| 0.8 * w + 0.2 * ((5 * k + 3 * i + t) as f32).sin();
    global.iter().enumerate().map(pull).collect()
}

/// Five rounds of a strategy on one rank; the global models after each.
fn rounds(mut strategy: Box<dyn Strategy>) -> Vec<Vec<f32>> {
    strategy.begin(SHAPE);
    let comm = Comm::solo();
    let mut global = vec![0.5f32; 6];
    let mut sum = ParamSum::<f32>::new(ParamScale::choose(20), &TensorSpec::layout([("w", vec![3])]), 2);
    let step = |t| {
        sum.clear();
        for (k, &weight) in WEIGHTS.iter().enumerate() {
            for (g, params) in local(&global, k, t).chunks(3).enumerate() {
                sum.add(g, "s", weight, params);
            }
        }
        let mean = sum.finish(&comm).expect("finite parameters");
        strategy.step(&Centre::Mean(mean), &mut global);
        global.clone()
    };
    (0..5).map(step).collect()
}

/// The same with the server's rule `step(delta, moments)` in plain f64.
fn reference(start: [f64; 2], step: impl Fn(f64, &mut [f64; 2]) -> f64) -> Vec<Vec<f64>> {
    let (mut global, mut state) = ([0.5f64; 6], [start; 6]);
    let total: f64 = WEIGHTS.iter().map(|&w| w as f64).sum();
    let round = |t| {
        let seen: Vec<f32> = global.iter().map(|&x| x as f32).collect();
        let sites: Vec<Vec<f32>> = (0..3).map(|k| local(&seen, k, t)).collect();
        for i in 0..6 {
            let mean = (0..3).map(|k| WEIGHTS[k] as f64 * f64::from(sites[k][i])).sum::<f64>() / total;
            if i % 3 == 2 {
                global[i] = mean;
            } else {
                global[i] += step(mean - global[i], &mut state[i]);
            }
        }
        global.to_vec()
    };
    (0..5).map(round).collect()
}

fn close(found: &[Vec<f32>], expected: &[Vec<f64>]) {
    for (t, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (i, (&x, &y)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(x) - y).abs() < 2e-6, "round {t}, parameter {i}: {x} is not {y}");
        }
    }
}

const SERVER: [(&str, f64); 2] = [("server_learning_rate", 0.3), ("server_momentum", 0.8)];

#[test]
fn fedavgm_is_momentum_on_the_server() {
    let found = rounds(build("fedavgm", &SERVER).expect("a strategy"));
    close(
        &found,
        &reference([0.0, 0.0], |delta, s| {
            s[0] = 0.8 * s[0] + delta;
            0.3 * s[0]
        }),
    );
    // Without momentum, at full rate, it is the mean.
    let plain = [("server_learning_rate", 1.0), ("server_momentum", 0.0)];
    close(&rounds(build("fedavgm", &plain).expect("a strategy")), &reference([0.0; 2], |delta, _| delta));
    close(&rounds(build("fedavg", &[]).expect("a strategy")), &reference([0.0; 2], |delta, _| delta));
}

/// Algorithm 2 of Reddi et al. with the second moment of one of its three rules.
fn adaptive(name: &str, options: &[(&str, f64)], second: fn(f64, f64) -> f64) {
    let options: Vec<(&str, f64)> =
        SERVER.iter().chain(options).chain(&[("server_tau", 0.05)]).copied().collect();
    let found = rounds(build(name, &options).expect("a strategy"));
    close(
        &found,
        &reference([0.0, 0.05 * 0.05], |delta, s| {
            s[0] = 0.8 * s[0] + 0.2 * delta;
            s[1] = second(s[1], delta * delta);
            0.3 * s[0] / (s[1].sqrt() + 0.05)
        }),
    );
}

#[test]
fn the_adaptive_rules_are_those_of_reddi() {
    adaptive("fedadagrad", &[], |v, d2| v + d2);
    adaptive("fedadam", &[("server_beta2", 0.9)], |v, d2| 0.9 * v + 0.1 * d2);
    adaptive("fedyogi", &[("server_beta2", 0.9)], |v, d2| {
        let sign = if v > d2 {
            1.0
        } else if v < d2 {
            -1.0
        } else {
            0.0
        };
        v - 0.1 * d2 * sign
    });
}

#[test]
fn median_and_trimmed_mean_are_those_of_sorted_values() {
    let median = build("median", &[]).expect("a strategy");
    let of = |s: &dyn Strategy, x: &[i64]| s.each().expect("a rule")(x);
    assert_eq!(of(&*median, &[-5, 1, 900]), 1.0);
    assert_eq!(of(&*median, &[-5, 1, 4, 900]), 2.5);
    assert_eq!(of(&*median, &[7]), 7.0);
    let near_the_limit = (1i64 << 62) - 1;
    assert_eq!(of(&*median, &[near_the_limit, near_the_limit]), near_the_limit as f64);
    let trimmed = build("trimmed_mean", &[("trim", 0.2)]).expect("a strategy");
    assert_eq!(of(&*trimmed, &[-1000, 1, 2, 6, 900]), 3.0);
    // A fifth of four sites is none.
    assert_eq!(of(&*trimmed, &[-3, 1, 2, 8]), 2.0);
    assert!(build("trimmed_mean", &[("trim", 0.5)]).is_err());
}

#[test]
fn a_state_of_another_strategy_is_refused() {
    for from in REGISTRY {
        let mut saved = build(from.name, &[]).expect("a strategy");
        saved.begin(SHAPE);
        for to in REGISTRY {
            let mut other = build(to.name, &[]).expect("a strategy");
            other.begin(SHAPE);
            let fits = other.restore(&saved.state()).is_ok();
            let names = |s: &dyn Strategy| s.state().iter().map(|t| t.name.clone()).collect::<Vec<_>>();
            assert_eq!(fits, names(&*saved) == names(&*other), "{} to {}", from.name, to.name);
        }
    }
}

#[test]
fn every_strategy_builds_from_its_defaults() {
    for entry in REGISTRY {
        let built = build(entry.name, &[]).expect("defaults are legal");
        assert_eq!(built.each().is_some(), entry.sends == Sends::Each, "{}", entry.name);
        assert_eq!(built.control().is_some(), entry.sends == Sends::SumAndControl, "{}", entry.name);
        for key in entry.keys {
            assert!((key.range.0..=key.range.1).contains(&key.default), "{}.{}", entry.name, key.name);
        }
    }
}

#[test]
fn the_nearest_name_is_offered() {
    let hint = |r: Result<Box<dyn Strategy>, FederateError>| r.err().and_then(|e| e.hint());
    assert_eq!(hint(build("fedpox", &[])).as_deref(), Some("did you mean 'fedprox'?"));
    assert_eq!(hint(build("fedprox", &[("nu", 1.0)])), None);
    assert!(build("fedavg", &[("mu", 1.0)]).is_err());
}

#[test]
fn mu_reaches_the_sites_and_has_a_range() {
    let mu = |v| build("fedprox", &[("mu", v)]).map(|s| s.proximal_mu());
    assert_eq!(mu(0.25).ok(), Some(0.25));
    assert!(mu(-1.0).is_err() && mu(f64::NAN).is_err());
    assert_eq!(build("fedavg", &[]).map(|s| s.proximal_mu()).ok(), Some(0.0));
}

/// The table of `docs/strategies.md`, as the registry has it.
fn table() -> String {
    let mut out = String::from(
        "| strategy | what it does | sends per round | keys (default) | masks |\n|---|---|---|---|---|\n",
    );
    for e in REGISTRY {
        let key = |k: &Key| format!("`{}` ({})", k.name, k.default);
        let keys: Vec<String> = e.keys.iter().map(key).collect();
        let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        let masks = if e.sends.maskable() { "yes" } else { "no" };
        let about = e.about.replace('|', "\\|");
        out += &format!("| `{}` | {about} | {} | {keys} | {masks} |\n", e.name, e.sends.describe());
    }
    out
}

#[test]
fn the_documented_table_is_that_of_the_registry() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/strategies.md");
    let text = std::fs::read_to_string(path).expect("docs/strategies.md");
    assert!(text.contains(&table()), "the table should read:\n{}", table());
    let known: BTreeMap<_, _> = REGISTRY.iter().map(|e| (e.name, ())).collect();
    assert_eq!(known.len(), REGISTRY.len(), "a name is taken twice");
}
