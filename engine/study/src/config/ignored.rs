//! Keys that were set but have no effect in the chosen arm, model or strategy.

use osteon_federate::strategies::{Sends, entry};
use toml::{Table, Value};

use super::{Arm, Interval, ModelKind, Optimizer, SiteSource, Strategy, Study};

/// Keys, and why they have no effect.
type Silent = (&'static [&'static str], String);

const GRADIENT: &[&str] = &[
    "train.epochs",
    "train.optimizer",
    "train.momentum",
    "train.nesterov",
    "train.learning_rate",
    "train.lr_decay",
    "train.batch",
    "train.seeds",
    "train.checkpoint_every",
    "train.record_every",
];
const NETWORK: &[&str] =
    &["model.hidden", "model.activation", "model.dropout", "model.batch_norm", "model.l2", "model.l2_scope"];
const COLUMNS: &[&str] = &["data.features", "model.hidden", "model.activation", "model.batch_norm"];
const ROUNDS: &[&str] = &[
    "federation.rounds",
    "federation.local_epochs",
    "federation.strategy",
    "federation.mu",
    "federation.server_learning_rate",
    "federation.server_momentum",
    "federation.server_beta2",
    "federation.server_tau",
    "federation.trim",
    "federation.weights",
    "federation.fraction",
    "federation.local_state",
    "federation.exact",
    "federation.time_bins",
    "federation.min_count",
    "federation.exact_reveals",
    "federation.scale_bits",
    "federation.round_deadline_s",
    "federation.checkpoint_every",
    "federation.on_site_failure",
    "federation.secure",
];
const AVERAGING: &[&str] = &[
    "federation.local_epochs",
    "federation.strategy",
    "federation.mu",
    "federation.server_learning_rate",
    "federation.server_momentum",
    "federation.server_beta2",
    "federation.server_tau",
    "federation.trim",
    "federation.weights",
    "federation.fraction",
    "federation.local_state",
    "federation.scale_bits",
];
/// Every option of some strategy.
const OPTIONS: &[&[&str]] = &[
    &["federation.mu"],
    &["federation.server_learning_rate"],
    &["federation.server_momentum"],
    &["federation.server_beta2"],
    &["federation.server_tau"],
    &["federation.trim"],
];

/// One warning per key that was set to something else than its default and is not used. Values
/// equal to the default are not worth a word, and the resolved study of a run has them all.
pub(super) fn warnings(study: &Study, given: &Table) -> Vec<String> {
    let defaults = Table::try_from(Study::default()).unwrap_or_default();
    let mut seen = Vec::new();
    let mut out = Vec::new();
    for (keys, why) in silent(study) {
        for &key in keys {
            let set = value(given, key).is_some_and(|v| !same(v, value(&defaults, key)));
            if set && !seen.contains(&key) {
                seen.push(key);
                out.push(format!("{key} is ignored with {why}"));
            }
        }
    }
    out
}

fn silent(study: &Study) -> Vec<Silent> {
    let (arm, fed) = (study.train.arm, &study.federation);
    let kind = study.model.kind;
    let cox = kind == ModelKind::Cox;
    let quoted = format!("train.arm = \"{}\"", arm.name());
    let mut out: Vec<Silent> = Vec::new();
    if arm != Arm::Federated {
        out.push((ROUNDS, quoted.clone()));
    } else {
        out.push((&["train.epochs", "train.checkpoint_every", "train.record_every"], quoted.clone()));
        if fed.exact {
            out.push((AVERAGING, "federation.exact = true".to_owned()));
        }
    }
    let files = matches!(fed.site, Some(SiteSource::Files(_)));
    if arm == Arm::Central && !files {
        out.push((&["federation.sites", "federation.site"], quoted.clone()));
    }
    if arm != Arm::Isolated {
        out.push((&["train.site"], quoted));
    }
    if cox {
        out.push((NETWORK, "model.kind = \"cox\"".to_owned()));
        out.push((GRADIENT, "model.kind = \"cox\"".to_owned()));
        out.push((
            &["federation.rounds", "federation.checkpoint_every"],
            "model.kind = \"cox\", which is fitted by Newton's method".to_owned(),
        ));
    } else {
        let named = format!("model.kind = \"{}\"", kind.name());
        out.push((&["model.ridge", "model.robust"], named.clone()));
        if kind == ModelKind::Abmil {
            out.push((COLUMNS, named));
        }
    }
    if kind != ModelKind::Abmil {
        let named = format!("model.kind = \"{}\"", kind.name());
        out.push((&["model.tile_features", "model.attention"], named));
    }
    if study.train.optimizer == Optimizer::Adam {
        out.push((&["train.momentum", "train.nesterov"], "train.optimizer = \"adam\"".to_owned()));
    }
    strategy(fed.strategy, &mut out);
    if study.split.folds > 0 {
        out.push((&["split.test"], "split.folds > 0".to_owned()));
    }
    if study.evaluation.ci == Interval::Normal {
        out.push((&["evaluation.resamples"], "evaluation.ci = \"normal\"".to_owned()));
    }
    out
}

/// The options of other strategies, as their registry has them.
fn strategy(strategy: Strategy, out: &mut Vec<Silent>) {
    let Ok(entry) = entry(strategy.name()) else { return };
    for &keys in OPTIONS {
        let used = entry.keys.iter().any(|k| keys[0].strip_prefix("federation.") == Some(k.name));
        if !used {
            out.push((keys, format!("federation.strategy = \"{}\"", entry.name)));
        }
    }
    // A median has no weights, but a site of weight 0 is absent from it.
    if entry.sends == Sends::Each {
        out.push((&["federation.weights"], format!("federation.strategy = \"{}\"", entry.name)));
    }
}

fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, key) = key.split_once('.')?;
    table.get(section)?.get(key)
}

fn same(given: &Value, default: Option<&Value>) -> bool {
    match (given, default) {
        // A whole number written for a fraction.
        (Value::Integer(i), Some(Value::Float(f))) => *i as f64 == *f,
        (given, Some(default)) => given == default,
        (_, None) => false,
    }
}
