//! The fused executor against the f64 interpreter, and the promises about bits.

use std::sync::Arc;

use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::cox_nll::Ties;
use osteon_kernels::ops::sgd::Sgd;
use osteon_kernels::simd::Level;
use osteon_models::cohort::{Cohort, Rows, patient_key};
use osteon_models::deepsurv::{Batch, L2Scope, Optimizer, Problem, Role, Spec, Training, op_list};
use osteon_models::graph::{Inputs, Values};

const FEATURES: usize = 5;

struct Patients {
    x: Vec<f64>,
    time: Vec<f64>,
    event: Vec<bool>,
    keys: Vec<u64>,
}

/// Patients with tied times and a risk that depends on the first feature.
fn patients(n: usize, seed: u64) -> Patients {
    let mut s = Stream::new(seed, Purpose::Synthetic, 9);
    let x: Vec<f64> = (0..n * FEATURES).map(|_| s.normal()).collect();
    let time = (0..n).map(|i| (20.0 * (1.0 - s.uniform()) * (-0.5 * x[i * FEATURES]).exp()).ceil()).collect();
    let event = (0..n).map(|_| s.uniform() < 0.6).collect();
    Patients { x, time, event, keys: (0..n).map(|i| patient_key(&format!("p{seed}-{i}"))).collect() }
}

impl Patients {
    fn cohort(&self) -> Arc<Cohort> {
        let rows = Rows {
            x: &self.x,
            features: FEATURES,
            time: &self.time,
            event: &self.event,
            entry: None,
            strata: None,
            keys: &self.keys,
        };
        Arc::new(Cohort::new(rows).expect("valid outcome"))
    }
}

fn spec(batch_norm: bool, activation: Activation) -> Spec {
    Spec {
        inputs: FEATURES,
        hidden: vec![13, 7],
        activation,
        dropout: 0.25,
        batch_norm,
        l2: 0.0,
        l2_scope: L2Scope::All,
        ties: Ties::Efron,
    }
}

fn training(optimizer: Optimizer) -> Training {
    Training { optimizer, learning_rate_decay: 0.0, batch_size: None, proximal_mu: 0.0 }
}

fn plain_sgd() -> Optimizer {
    Optimizer::Sgd(Sgd { learning_rate: 1.0, momentum: 0.0, nesterov: false })
}

fn problem(cohort: &Arc<Cohort>, seed: u64) -> Problem {
    Problem { cohort: cohort.clone(), seed, weights: None, scaling: None }
}

/// One interpreted step at the initial parameters: loss and gradient by tensor name.
fn interpreted(
    spec: &Spec,
    p: &Patients,
    cohort: &Cohort,
    weights: Option<&[f64]>,
    params: &[f64],
    seed: u64,
) -> (f64, Vec<f64>) {
    let graph = op_list(spec);
    let layout = osteon_models::deepsurv::Layout::new(spec);
    let mut values: Values = vec![None; graph.slots().len()];
    let rows: Vec<usize> = cohort.order().order().iter().map(|&r| r as usize).collect();
    values[0] =
        Some(rows.iter().flat_map(|&r| p.x[r * FEATURES..(r + 1) * FEATURES].iter().copied()).collect());
    for t in layout.tensors().iter().filter(|t| t.role == Role::Trainable) {
        values[graph.find(&t.name).expect("slot")] = Some(params[t.range()].to_vec());
    }
    let keys: Vec<u64> = cohort.to_risk_order(&p.keys);
    graph.interpret(Inputs { order: cohort.order(), weights, keys: &keys, seed, step: 0 }, &mut values);
    let mut gradient = vec![0.0; layout.trainable()];
    for &(slot, g) in graph.gradients() {
        let t = layout.tensors().iter().find(|t| t.name == graph.slots()[slot].name).expect("tensor");
        gradient[t.range()].copy_from_slice(values[g].as_ref().expect("gradient"));
    }
    let loss = graph.nodes().iter().find(|n| n.outputs.len() == 2 && n.inputs.len() == 1).expect("loss");
    (values[loss.outputs[0]].as_ref().expect("loss value")[0], gradient)
}

/// The gradient as the fused executor sees it: one plain SGD step of rate 1.
fn fused_step(
    spec: &Spec,
    cohort: &Arc<Cohort>,
    weights: Option<Vec<f32>>,
    level: Level,
) -> (f64, Vec<f64>, Vec<f32>) {
    let problem = Problem { weights, ..problem(cohort, 3) };
    let mut batch = Batch::new(spec.clone(), training(plain_sgd()), vec![problem]).at_level(level);
    let before: Vec<f32> = batch.params(0).to_vec();
    let loss = batch.train(&[0], 1)[0][0];
    let n = batch.layout().trainable();
    let gradient =
        before[..n].iter().zip(batch.params(0)).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
    (loss, gradient, before)
}

#[test]
fn fused_step_equals_the_op_list() {
    let p = patients(700, 1);
    let cohort = p.cohort();
    let mut stream = Stream::new(5, Purpose::Bootstrap, 0);
    let weights: Vec<f32> = (0..700).map(|_| stream.below(3) as f32).collect();
    let wide: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    for batch_norm in [false, true] {
        for activation in [Activation::Selu, Activation::Relu, Activation::Tanh] {
            for weights in [None, Some(&weights)] {
                let spec = spec(batch_norm, activation);
                let (loss, gradient, before) = fused_step(&spec, &cohort, weights.cloned(), Level::current());
                let params: Vec<f64> = before.iter().map(|&x| f64::from(x)).collect();
                let wide = weights.map(|_| wide.as_slice());
                let (want_loss, want) = interpreted(&spec, &p, &cohort, wide, &params, 3);
                assert!((loss - want_loss).abs() < 1e-6 * want_loss.abs(), "loss {loss} {want_loss}");
                let size = want.iter().map(|g| g * g).sum::<f64>().sqrt();
                let error = want.iter().zip(&gradient).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                // The step is read off f32 parameters, whose spacing limits what can be seen.
                assert!(error < 2e-5 * size, "{activation:?} {batch_norm}: {error:e} of {size:e}");
            }
        }
    }
}

#[test]
fn the_op_list_has_the_gradient_of_its_loss() {
    let p = patients(60, 2);
    let cohort = p.cohort();
    for batch_norm in [false, true] {
        let spec = spec(batch_norm, Activation::Tanh);
        let layout = osteon_models::deepsurv::Layout::new(&spec);
        let params: Vec<f64> = layout.initial(4).iter().map(|&x| f64::from(x)).collect();
        let (_, gradient) = interpreted(&spec, &p, &cohort, None, &params, 3);
        for i in (0..layout.trainable()).step_by(7) {
            let at = |delta: f64| {
                let mut moved = params.clone();
                moved[i] += delta;
                interpreted(&spec, &p, &cohort, None, &moved, 3).0
            };
            let central = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((central - gradient[i]).abs() < 1e-8, "{i}: {central} {}", gradient[i]);
        }
    }
}

fn trained(
    cohort: &Arc<Cohort>,
    seeds: &[u64],
    batch_size: Option<usize>,
    level: Level,
    threads: usize,
) -> Vec<Vec<u32>> {
    let adam = Optimizer::Adam(Adam::new(0.01));
    let training = Training { batch_size, ..training(adam) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
    pool.install(|| {
        let problems = seeds.iter().map(|&s| problem(cohort, s)).collect();
        let mut batch = Batch::new(spec(true, Activation::Selu), training, problems).at_level(level);
        let all: Vec<usize> = (0..seeds.len()).collect();
        batch.train(&all, 2);
        batch.train(&all, 1);
        all.iter().map(|&b| batch.params(b).iter().map(|x| x.to_bits()).collect()).collect()
    })
}

#[test]
fn bits_do_not_depend_on_threads_level_or_neighbours() {
    let cohort = patients(1100, 3).cohort();
    for batch_size in [None, Some(256)] {
        let base = trained(&cohort, &[1, 2, 3], batch_size, Level::Portable, 1);
        for level in Level::available() {
            for threads in [1, 2, 4] {
                let other = trained(&cohort, &[1, 2, 3], batch_size, level, threads);
                assert!(base == other, "{} with {threads} threads, batch {batch_size:?}", level.name());
            }
        }
        assert!(trained(&cohort, &[2], batch_size, Level::current(), 4)[0] == base[1]);
    }
}

#[test]
fn training_lowers_the_loss_and_predicts_as_it_trained() {
    let p = patients(500, 4);
    let cohort = p.cohort();
    let adam = Optimizer::Adam(Adam::new(0.01));
    let still = Spec { dropout: 0.0, ..spec(false, Activation::Selu) };
    let mut batch = Batch::new(still, training(adam), vec![problem(&cohort, 1)]);
    let losses = batch.train(&[0], 40).remove(0);
    assert!(losses[39] < losses[0] - 0.05, "{losses:?}");
    // Rows in table order, one by one or together, score as in the cohort, bit for bit.
    let rows: Vec<f32> = p.x.iter().map(|&x| x as f32).collect();
    let together = batch.predict(0, &rows);
    let in_cohort = cohort.to_rows(&batch.scores(0, &cohort));
    let alone = batch.predict(0, &rows[7 * FEATURES..8 * FEATURES])[0];
    assert_eq!(
        together.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        in_cohort.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    );
    assert_eq!(alone.to_bits(), together[7].to_bits());
    // A risk score that ranks: patients who die early score higher than those who live long.
    let mean = |late: bool| {
        let chosen: Vec<f64> =
            (0..500).filter(|&i| (p.time[i] > 10.0) == late).map(|i| f64::from(together[i])).collect();
        chosen.iter().sum::<f64>() / chosen.len() as f64
    };
    assert!(mean(false) > mean(true) + 0.2);
}

#[test]
fn weight_zero_is_absent() {
    let p = patients(300, 5);
    let cohort = p.cohort();
    let keep: Vec<usize> = (0..300).filter(|i| i % 3 != 0).collect();
    let part = Patients {
        x: keep.iter().flat_map(|&i| p.x[i * FEATURES..(i + 1) * FEATURES].iter().copied()).collect(),
        time: keep.iter().map(|&i| p.time[i]).collect(),
        event: keep.iter().map(|&i| p.event[i]).collect(),
        keys: keep.iter().map(|&i| p.keys[i]).collect(),
    };
    let weights: Vec<f32> = (0..300).map(|i| if i % 3 == 0 { 0.0 } else { 1.0 }).collect();
    for batch_norm in [false, true] {
        let spec = spec(batch_norm, Activation::Selu);
        let whole = fused_step(&spec, &cohort, Some(cohort.to_risk_order(&weights)), Level::current());
        let alone = fused_step(&spec, &part.cohort(), None, Level::current());
        assert!((whole.0 - alone.0).abs() < 1e-6);
        let error = whole.1.iter().zip(&alone.1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < 2e-6, "{error:e}");
    }
}

#[test]
fn a_cohort_without_events_or_patients_moves_nothing() {
    let mut p = patients(40, 6);
    p.event.fill(false);
    let (loss, gradient, _) = fused_step(&spec(false, Activation::Selu), &p.cohort(), None, Level::current());
    assert_eq!(loss, 0.0);
    assert!(gradient.iter().all(|&g| g == 0.0));
    let none = patients(0, 7).cohort();
    let (loss, gradient, _) = fused_step(&spec(false, Activation::Selu), &none, None, Level::current());
    assert_eq!(loss, 0.0);
    assert!(gradient.iter().all(|&g| g == 0.0));
}

#[test]
fn optimizer_state_survives_a_copy() {
    let cohort = patients(200, 8).cohort();
    let fresh = || {
        Batch::new(
            spec(false, Activation::Selu),
            training(Optimizer::Adam(Adam::new(0.01))),
            vec![problem(&cohort, 1)],
        )
    };
    let mut whole = fresh();
    whole.train(&[0], 6);
    let mut first = fresh();
    first.train(&[0], 3);
    let mut second = fresh();
    second.set_params(0, first.params(0));
    let (moments, counters) = first.optimizer_state(0);
    second.set_optimizer_state(0, moments, counters);
    second.train(&[0], 3);
    assert_eq!(whole.params(0), second.params(0));
}
