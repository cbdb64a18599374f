//! `federation.exact`: what the pooled patients would give, however they are spread.

use std::sync::Arc;

use osteon_core::rng::{Purpose, Stream};
use osteon_core::{ExactSum, Here, Reduce};
use osteon_federate::CommReduce;
use osteon_federate::comm::threads;
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::cox_nll::Ties;
use osteon_kernels::ops::sgd::Sgd;
use osteon_models::cohort::{Cohort, Rows, patient_key};
use osteon_models::cox::likelihood::Likelihood;
use osteon_models::cox::risk_sets::{Outcome, RiskSets};
use osteon_models::cox::{self, CoxFit, Options};
use osteon_models::deepsurv::{
    Batch, L2Scope, Layout, Optimizer, Problem, Role, SharedOutcome, Spec, Training, op_list,
};
use osteon_models::exact::sums::{Part, risk_sums};
use osteon_models::exact::{self, Cells, Grouping, SharedTimes};
use osteon_models::graph::{Inputs, Values};

use crate::r_survival::{Reference, Study};

/// Patients of a study, some of its rows.
#[derive(Clone, Default)]
struct Table {
    x: Vec<f64>,
    features: usize,
    time: Vec<f64>,
    event: Vec<bool>,
    keys: Vec<u64>,
}

impl Table {
    fn rows(&self, rows: &[usize]) -> Self {
        let f = self.features;
        Self {
            x: rows.iter().flat_map(|&i| self.x[i * f..(i + 1) * f].iter().copied()).collect(),
            features: f,
            time: rows.iter().map(|&i| self.time[i]).collect(),
            event: rows.iter().map(|&i| self.event[i]).collect(),
            keys: rows.iter().map(|&i| self.keys[i]).collect(),
        }
    }

    fn outcome(&self) -> Outcome<'_> {
        Outcome { time: &self.time, event: &self.event, entry: None, strata: None, weights: None }
    }

    fn cohort(&self) -> Arc<Cohort> {
        let rows = Rows {
            x: &self.x,
            features: self.features,
            time: &self.time,
            event: &self.event,
            entry: None,
            strata: None,
            keys: &self.keys,
        };
        Arc::new(Cohort::new(rows).expect("an outcome"))
    }

    /// Deals the rows to so many places; the seed names the spread. Places may stay empty.
    fn spread(&self, places: usize, seed: u64) -> Vec<Self> {
        let mut s = Stream::new(seed, Purpose::Split, 0);
        let mut rows = vec![Vec::new(); places];
        for i in 0..self.time.len() {
            let at = s.below(places as u64).min(s.below(places as u64)) as usize;
            rows[at].push(i);
        }
        rows.iter().map(|r| self.rows(r)).collect()
    }
}

fn names(f: usize) -> Vec<String> {
    (0..f).map(|j| format!("x{j}")).collect()
}

/// The linear model of tables at as many ranks, which all have the same bits.
fn linear(tables: &[Table], ties: Ties, grouping: &Grouping) -> CoxFit {
    let fits = threads::spawn(tables.len(), |comm| {
        let table = &tables[comm.rank()];
        let names = names(table.features);
        let cohort = cox::Cohort {
            x: &table.x,
            names: &names,
            time: &table.time,
            event: &table.event,
            entry: None,
            strata: None,
            weights: None,
        };
        let options = Options { ties, ..Options::default() };
        exact::fit(&cohort, &options, grouping, &CommReduce(&comm)).expect("a fit").0
    });
    assert!(fits.iter().all(|f| *f == fits[0]));
    fits[0].clone()
}

#[test]
fn linear_coefficients_are_those_of_r_for_any_spread() {
    let Some(references) = Reference::read_all() else { return };
    for r in references {
        let study = Study::read(&r.study).expect("data");
        let keys = (0..study.time.len() as u64).collect();
        let Study { x, features, time, event, .. } = study;
        let all = Table { x, features, time, event, keys };
        let ties = if r.ties == "efron" { Ties::Efron } else { Ties::Breslow };
        let whole = linear(std::slice::from_ref(&all), ties, &Grouping::default());
        let close = |what: &str, found: &[f64], relative: f64| {
            for (f, e) in found.iter().zip(r.values(what)) {
                assert!((f - e).abs() <= relative * e.abs(), "{} {} {what}: {f} {e}", r.study, r.ties);
            }
        };
        close("coef", &whole.coefficients, 1e-8);
        close("se", &whole.se, 1e-8);
        close("loglik", &[whole.log_likelihood], 1e-12);
        close("loglik0", &[whole.log_likelihood_null], 1e-12);
        for (places, seed) in [(2, 1), (3, 2), (4, 3)] {
            assert_eq!(linear(&all.spread(places, seed), ties, &Grouping::default()), whole, "{places}");
        }
    }
}

/// A cohort whose times are in whole days, and whose risks a network of [`spec`] gives with the
/// standard deviation `sd`.
fn drawn(n: usize, sd: f64) -> (Table, Vec<f64>) {
    let mut s = Stream::new(11, Purpose::Synthetic, 0);
    let f = 5;
    let x: Vec<f64> = (0..n * f).map(|_| s.normal()).collect();
    let time: Vec<f64> = (0..n)
        .map(|i| (600.0 * -(1.0 - s.uniform()).ln() * (-0.5 * x[i * f]).exp()).ceil().min(2000.0))
        .collect();
    let event = (0..n).map(|_| s.uniform() < 0.5).collect();
    let keys = (0..n).map(|i| patient_key(&format!("p{i}"))).collect();
    let table = Table { x, features: f, time, event, keys };
    let spec = spec(0.0);
    let layout = Layout::new(&spec);
    let mut params: Vec<f64> = layout.initial(4).iter().map(|&p| f64::from(p)).collect();
    let scores = |params: &[f64]| {
        let params: Vec<f32> = params.iter().map(|&p| p as f32).collect();
        let x: Vec<f32> = table.x.iter().map(|&x| x as f32).collect();
        osteon_models::deepsurv::predict(&spec, &params, &x)
    };
    let scores = scores(&params);
    let mean = scores.iter().map(|&h| f64::from(h)).sum::<f64>() / n as f64;
    let var = scores.iter().map(|&h| (f64::from(h) - mean).powi(2)).sum::<f64>() / n as f64;
    let output = layout.tensors().iter().find(|t| t.name == "output.weight").expect("the output layer");
    params[output.range()].iter_mut().for_each(|w| *w = f64::from((*w * sd / var.sqrt()) as f32));
    (table, params)
}

fn spec(dropout: f64) -> Spec {
    Spec {
        inputs: 5,
        hidden: vec![16, 8],
        activation: Activation::Selu,
        dropout,
        batch_norm: false,
        l2: 0.0,
        l2_scope: L2Scope::All,
        ties: Ties::Efron,
    }
}

/// From a cohort, ties and scores to loss and gradient.
type LossOf<'l> = dyn FnMut(&Cohort, Ties, &[f64]) -> (f64, Vec<f64>) + 'l;

/// Loss and gradient by the op list in f64, with `loss` at its cut point.
fn interpreted(table: &Table, spec: &Spec, params: &[f64], loss: Option<&mut LossOf<'_>>) -> (f64, Vec<f64>) {
    let cohort = table.cohort();
    let (graph, layout) = (op_list(spec), Layout::new(spec));
    let mut values: Values = vec![None; graph.slots().len()];
    let order = cohort.order().order().iter().map(|&r| r as usize);
    let sorted = order.flat_map(|r| table.x[r * 5..(r + 1) * 5].iter().copied());
    values[graph.find("x").expect("the input")] = Some(sorted.collect());
    for t in layout.tensors().iter().filter(|t| t.role == Role::Trainable) {
        values[graph.find(&t.name).expect("a slot")] = Some(params[t.range()].to_vec());
    }
    let keys = cohort.to_risk_order(&table.keys);
    let inputs = Inputs { order: cohort.order(), weights: None, keys: &keys, seed: 3, step: 0 };
    match loss {
        None => graph.interpret(inputs, &mut values),
        Some(loss) => graph.interpret_cut(inputs, &mut values, &mut |ties, score| loss(&cohort, ties, score)),
    }
    let mut gradient = vec![0.0; params.len()];
    for &(slot, from) in graph.gradients() {
        let name = &graph.slots()[slot].name;
        let tensor = layout.tensors().iter().find(|t| t.name == *name).expect("a tensor");
        gradient[tensor.range()].copy_from_slice(values[from].as_ref().expect("a gradient"));
    }
    let cox = graph.nodes().iter().find(|n| matches!(n.step, osteon_models::graph::Step::CoxNll(_)));
    let loss = values[cox.expect("a loss").outputs[0]].as_ref().expect("a loss")[0];
    (loss, gradient)
}

/// Loss and gradient over the tables of as many ranks.
fn summed(tables: &[Table], spec: &Spec, params: &[f64]) -> (f64, Vec<f64>) {
    let ends = threads::spawn(tables.len(), |comm| {
        let (table, reduce) = (&tables[comm.rank()], CommReduce(&comm));
        let times = SharedTimes::agree(&table.outcome(), &Grouping::default(), &reduce).expect("events");
        let mut loss = |cohort: &Cohort, ties: Ties, score: &[f64]| {
            let (time, event) = (cohort.to_risk_order(&table.time), cohort.to_risk_order(&table.event));
            let outcome = Outcome { time: &time, event: &event, entry: None, strata: None, weights: None };
            let sets = RiskSets::new(&outcome, times.times.clone());
            let log_risk: Vec<f64> = sets.rows.iter().map(|&r| score[r as usize]).collect();
            // The greatest log-risk over the ranks, as the maximum of keys.
            let mut most = [log_risk.iter().map(|&h| osteon_core::reduce::key(h)).max().unwrap_or(0)];
            reduce.max(&mut most).expect("ranks");
            let shift = osteon_core::reduce::number(most[0]);
            let risk: Vec<f64> = log_risk.iter().map(|h| (h - shift).exp()).collect();
            let (sets, weight) = (&sets, vec![1.0; risk.len()]);
            let part =
                Part { sets, weight: &weight, x: &[], features: 0, log_risk: &log_risk, risk: &risk, shift };
            let sums = risk_sums(&[part], ties, false, &reduce).expect("sums").remove(0);
            let likelihood = Likelihood::from_sums(&sums, ties).expect("numbers");
            let events: f64 = sums.w.iter().sum();
            let mut gradient = vec![0.0; score.len()];
            for (p, expected) in likelihood.expected_events(sets, &risk).iter().enumerate() {
                let seen = f64::from(u8::from(sets.event[p]));
                gradient[sets.rows[p] as usize] = (expected - seen) / events;
            }
            (-likelihood.value / events, gradient)
        };
        let (loss, gradient) = interpreted(table, spec, params, Some(&mut loss));
        let mut sums = vec![ExactSum::new(); gradient.len()];
        sums.iter_mut().zip(gradient).for_each(|(sum, g)| sum.add(g));
        reduce.sum(&mut sums).expect("ranks");
        (loss, sums.iter().map(|s| s.value().expect("a number")).collect::<Vec<f64>>())
    });
    ends[0].clone()
}

#[test]
fn loss_and_gradient_over_five_sites_are_the_pooled_ones_in_f64() {
    for sd in [1.0, 5.0] {
        let (all, params) = drawn(20_000, sd);
        let spec = spec(0.2);
        let (loss, gradient) = interpreted(&all, &spec, &params, None);
        let (loss_sum, gradient_sum) = summed(&all.spread(5, 1), &spec, &params);
        assert!(((loss_sum - loss) / loss).abs() < 1e-10, "sd {sd}: {loss_sum} {loss}");
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let away = gradient.iter().zip(&gradient_sum).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 1e-3 && away / norm < 1e-10, "sd {sd}: {away:e} of {norm:e}");
    }
}

/// Plain descent by the f32 executor over ranks.
fn descended(tables: &[Table], params: &[f64], training: &Training, epochs: u64) -> Vec<f32> {
    let params: Vec<f32> = params.iter().map(|&p| p as f32).collect();
    let ends = threads::spawn(tables.len(), |comm| {
        let (table, reduce) = (&tables[comm.rank()], CommReduce(&comm));
        let mut batch = network(table, training);
        let grouping = Grouping::default();
        let times = SharedTimes::agree(&table.outcome(), &grouping, &reduce).expect("events");
        let cohort = batch.problems()[0].cohort.clone();
        let outcome = SharedOutcome::new(&cohort, &table.outcome(), &times, &reduce).expect("ranks");
        batch.set_params(0, &params);
        batch.train_shared(&outcome, epochs, &reduce).expect("trained");
        batch.params(0).to_vec()
    });
    assert!(ends.iter().all(|e| *e == ends[0]));
    ends[0].clone()
}

fn network(table: &Table, training: &Training) -> Batch {
    let problem = Problem { cohort: table.cohort(), seed: 3, weights: None };
    Batch::new(spec(0.2), training.clone(), vec![problem])
}

fn descent(learning_rate: f64, batch_size: Option<usize>) -> Training {
    let optimizer = Optimizer::Sgd(Sgd { learning_rate, momentum: 0.0, nesterov: false });
    Training { optimizer, learning_rate_decay: 0.0, batch_size, proximal_mu: 0.0 }
}

#[test]
fn a_step_has_the_same_bits_for_any_spread_and_is_the_pooled_one_to_f32() {
    for sd in [1.0, 5.0] {
        let (all, params) = drawn(3_000, sd);
        let step = descent(1.0, None);
        let one = descended(std::slice::from_ref(&all), &params, &step, 1);
        for (places, seed) in [(2, 1), (4, 2), (5, 3)] {
            assert_eq!(descended(&all.spread(places, seed), &params, &step, 1), one, "{places} places");
        }
        let mut pooled = network(&all, &step);
        let before: Vec<f32> = params.iter().map(|&p| p as f32).collect();
        pooled.set_params(0, &before);
        pooled.train(&[0], 1);
        let norm = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let (moved, away) = (norm(pooled.params(0), &before), norm(pooled.params(0), &one));
        assert!(moved > 1e-3 && away / moved < 2e-5, "sd {sd}: {away:e} of {moved:e}");
    }
}

#[test]
fn mini_batches_are_agreed_on_by_patient() {
    let (all, params) = drawn(900, 1.0);
    let (batches, full) = (descent(0.02, Some(128)), descent(0.02, None));
    let one = descended(std::slice::from_ref(&all), &params, &batches, 2);
    assert_eq!(descended(&all.spread(3, 5), &params, &batches, 2), one);
    assert_ne!(descended(std::slice::from_ref(&all), &params, &full, 2), one);
}

/// What all sites see of a linear model at coefficients 0: per event time the number at risk and
/// their summed features.
fn seen(table: &Table, grouping: &Grouping) -> Vec<(f64, f64, Vec<f64>)> {
    let outcome = table.outcome();
    let times = SharedTimes::agree(&outcome, grouping, &Here).expect("events");
    let (time, _) = times.group(&outcome);
    let sets = RiskSets::new(&Outcome { time: &time, ..outcome }, times.times.clone());
    let f = table.features;
    let x: Vec<f64> = sets.rows.iter().flat_map(|&r| table.x[r as usize * f..][..f].to_vec()).collect();
    let n = sets.rows.len();
    let (ones, zeros) = (vec![1.0; n], vec![0.0; n]);
    let part =
        Part { sets: &sets, weight: &ones, x: &x, features: f, log_risk: &zeros, risk: &ones, shift: 0.0 };
    let sums = risk_sums(&[part], Ties::Efron, false, &Here).expect("sums").remove(0);
    let s1 = sums.s1.chunks(f).map(<[f64]>::to_vec);
    sets.times.iter().zip(&sums.s0).zip(s1).map(|((t, &s0), s1)| (t.time, s0, s1)).collect()
}

#[test]
fn two_runs_that_differ_by_a_patient_show_that_patient() {
    let (all, _) = drawn(400, 1.0);
    // A patient who has the event alone on some day.
    let alone = |i: &usize| all.event[*i] && all.time.iter().filter(|t| **t == all.time[*i]).count() == 1;
    let victim = (0..400).find(alone).expect("a patient");
    let x = &all.x[victim * 5..(victim + 1) * 5];
    let others = all.rows(&(0..400).filter(|&i| i != victim).collect::<Vec<_>>());
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);

    // With single event times: the one time that is gone is the patient's, and the first risk set
    // differs by the patient's features.
    let (with, without) = (seen(&all, &Grouping::default()), seen(&others, &Grouping::default()));
    let gone: Vec<f64> = with.iter().map(|k| k.0).filter(|t| without.iter().all(|k| k.0 != *t)).collect();
    assert_eq!(gone, [all.time[victim]]);
    let first: Vec<f64> = with[0].2.iter().zip(&without[0].2).map(|(a, b)| a - b).collect();
    assert!(close(&first, x), "{first:?} {x:?}");
    // No second run is needed: neighbouring risk sets differ by whoever leaves between them.
    let at = with.iter().position(|k| k.0 == all.time[victim]).expect("the time");
    let leavers = (0..400).filter(|&i| all.time[i] >= with[at].0 && all.time[i] < with[at + 1].0).count();
    assert_eq!(with[at].1 - with[at + 1].1, leavers as f64);

    // In bins the time is that of the bin, and neighbouring risk sets differ by many patients. Two
    // runs that differ by one patient still show the features of that patient.
    let grouping = Grouping { cells: Cells::Equal(40), min_count: 20, common: false };
    let (with, without) = (seen(&all, &grouping), seen(&others, &grouping));
    assert!(with.iter().all(|k| k.0 != all.time[victim]) && with.len() < 20);
    assert!(with.windows(2).all(|w| w[0].1 - w[1].1 >= 20.0));
    let first: Vec<f64> = with[0].2.iter().zip(&without[0].2).map(|(a, b)| a - b).collect();
    assert!(close(&first, x), "{first:?} {x:?}");
}
