//! The network over bags against a plain f64 one, and the promises about bits.

use std::sync::Arc;

use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::attention_pool::{BLOCK, Shape};
use osteon_kernels::ops::cox_nll::{Ties, reference};
use osteon_kernels::ops::pool::Rows as Tiles;
use osteon_kernels::ops::sgd::Sgd;
use osteon_models::abmil::{Bags, Batch, EmptyBag, Layout, Spec, attention, predict};
use osteon_models::cohort::{Cohort, Rows, patient_key};
use osteon_models::deepsurv::{L2Scope, Optimizer, Problem, Training};

const SHAPE: Shape = Shape { inputs: 11, hidden: 9, attention: 5 };
const PATIENTS: usize = 14;

/// Tiles in memory; bag 3 is larger than a block. Some tiles, more in the first patients, are of another kind.
struct Memory(Vec<Vec<f32>>);

impl Bags for Memory {
    type Error = EmptyBag;

    fn visit(&self, bag: usize, visit: &mut dyn FnMut(Tiles)) -> Result<(), EmptyBag> {
        self.0[bag].chunks(BLOCK * SHAPE.inputs).for_each(|rows| visit(Tiles::F32(rows)));
        Ok(())
    }
}

fn bags() -> Memory {
    let mut s = Stream::new(4, Purpose::Synthetic, 0);
    let bag = |k: usize| {
        let tiles = if k == 3 { BLOCK + 9 } else { 1 + 5 * k };
        let of_kind = (tiles * (PATIENTS - k)).div_ceil(2 * PATIENTS);
        let mut bag: Vec<f32> = (0..tiles * SHAPE.inputs).map(|_| s.normal() as f32).collect();
        (0..of_kind).for_each(|t| bag[t * SHAPE.inputs + 2] += 4.0);
        bag
    };
    Memory((0..PATIENTS).map(bag).collect())
}

/// The first patients die first, with ties; some are censored.
fn cohort() -> Arc<Cohort> {
    let time: Vec<f64> = (0..PATIENTS).map(|k| (k / 2) as f64 + 1.0).collect();
    let event: Vec<bool> = (0..PATIENTS).map(|k| k % 5 != 4).collect();
    let keys: Vec<u64> = (0..PATIENTS).map(|k| patient_key(&format!("p{k}"))).collect();
    let rows =
        Rows { x: &[], features: 0, time: &time, event: &event, entry: None, strata: None, keys: &keys };
    Arc::new(Cohort::new(rows).expect("valid outcome"))
}

fn spec(dropout: f64) -> Spec {
    Spec { shape: SHAPE, dropout, l2: 0.01, l2_scope: L2Scope::All, ties: Ties::Efron }
}

fn training(optimizer: Optimizer, batch_size: Option<usize>) -> Training {
    Training { optimizer, learning_rate_decay: 0.0, batch_size, proximal_mu: 0.0 }
}

fn batch(spec: Spec, training: Training, weights: Option<Vec<f32>>, kept_bytes: usize) -> Batch {
    let bags = Arc::new((0..PATIENTS).collect::<Vec<usize>>());
    let cohort = cohort();
    let weights = weights.map(|w| cohort.to_risk_order(&w));
    let problem = Problem { cohort, seed: 8, weights };
    Batch::new(spec, training, vec![(problem, bags)], kept_bytes)
}

const ADAM: fn() -> Optimizer = || Optimizer::Adam(Adam::new(0.01));

/// The loss per unit of event weight, every number in f64.
fn plain(params: &[f64], bags: &Memory, weights: &[f64]) -> f64 {
    let Shape { inputs, hidden, attention } = SHAPE;
    let at = SHAPE.places();
    let layer = |w: &[f64], b: &[f64], x: &[f64]| -> Vec<f64> {
        let dot = |w: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        w.chunks(x.len()).zip(b).map(|(w, b)| b + dot(w)).collect()
    };
    let head = &params[SHAPE.len()..];
    let risk = |bag: &Vec<f32>| {
        let (mut sum, mut z) = (0.0, vec![0.0; hidden]);
        for x in bag.chunks(inputs) {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let h: Vec<f64> =
                layer(&params[at.w.clone()], &params[at.b.clone()], &x).iter().map(|z| z.max(0.0)).collect();
            let v = layer(&params[at.v.clone()], &params[at.c.clone()], &h);
            let u = layer(&params[at.u.clone()], &params[at.d.clone()], &h);
            let a = &params[at.a.clone()];
            let logit: f64 = (0..attention).map(|j| a[j] * v[j].tanh() / (1.0 + (-u[j]).exp())).sum();
            sum += logit.exp();
            z.iter_mut().zip(&h).for_each(|(z, h)| *z += logit.exp() * h);
        }
        z.iter().zip(head).map(|(z, w)| z / sum * w).sum::<f64>()
    };
    let cohort = cohort();
    let score = cohort.to_risk_order(&bags.0.iter().map(risk).collect::<Vec<f64>>());
    let weights = cohort.to_risk_order(weights);
    let mut gradient = vec![0.0; PATIENTS];
    let nll =
        reference::cox_nll(cohort.order(), Ties::Efron, &score, Some(&weights), &mut gradient, true).nll;
    let weights_only = Layout::new(SHAPE);
    let decay = weights_only.tensors().iter().filter(|t| t.shape.len() == 2).flat_map(|t| t.range());
    nll + 0.01 * decay.map(|i| params[i] * params[i]).sum::<f64>()
}

#[test]
fn a_step_goes_down_the_gradient_of_the_loss_of_all_bags() {
    let bags = bags();
    let weights: Vec<f32> = (0..PATIENTS).map(|k| [1.0, 2.0, 0.0, 0.5][k % 4]).collect();
    // A step of size 1 without momentum is the gradient.
    let plainly = Optimizer::Sgd(Sgd { learning_rate: 1.0, momentum: 0.0, nesterov: false });
    let mut batch = batch(spec(0.0), training(plainly, None), Some(weights.clone()), usize::MAX);
    let before: Vec<f64> = batch.params(0).iter().map(|&p| f64::from(p)).collect();
    let loss = batch.train(&bags, &[0], 1).expect("tiles")[0][0];
    let weights: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let decay = plain(&before, &bags, &weights) - loss;
    assert!(decay > 0.0, "the loss that is told has no penalty");
    let largest = before.iter().zip(batch.params(0)).fold(0f64, |m, (a, &b)| m.max((a - f64::from(b)).abs()));
    for i in (0..before.len()).step_by(7).chain(SHAPE.len() - 5..before.len()) {
        let vary = |delta: f64| {
            let mut params = before.clone();
            params[i] += delta;
            plain(&params, &bags, &weights)
        };
        let wanted = (vary(1e-5) - vary(-1e-5)) / 2e-5;
        let found = before[i] - f64::from(batch.params(0)[i]);
        // The slopes of patients add up to zero, so that parts of single precision cancel.
        assert!((found - wanted).abs() < 1e-4 * largest, "parameter {i}: {found}, differences {wanted}");
    }
}

#[test]
fn what_is_kept_and_how_many_threads_compute_changes_no_bit() {
    let bags = bags();
    let run = |kept: usize, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let mut batch = batch(spec(0.3), training(ADAM(), Some(5)), None, kept);
        let losses = pool.install(|| batch.train(&bags, &[0], 3)).expect("tiles");
        (losses, batch.params(0).to_vec())
    };
    let all = run(usize::MAX, 1);
    for (kept, threads) in [(0, 1), (SHAPE.kept_bytes(BLOCK + 40), 2), (usize::MAX, 3)] {
        assert_eq!(run(kept, threads), all, "{kept} bytes, {threads} threads");
    }
}

#[test]
fn training_in_pieces_is_training_in_one_piece() {
    let bags = bags();
    let make = || batch(spec(0.3), training(ADAM(), Some(5)), None, usize::MAX);
    let mut whole = make();
    whole.train(&bags, &[0], 5).expect("tiles");
    let mut first = make();
    first.train(&bags, &[0], 2).expect("tiles");
    let mut second = make();
    second.set_params(0, first.params(0));
    let (moments, counters) = first.optimizer_state(0);
    second.set_optimizer_state(0, moments, counters);
    second.train(&bags, &[0], 3).expect("tiles");
    assert_eq!(second.params(0), whole.params(0));
}

#[test]
fn it_learns_which_tiles_matter() {
    let bags = bags();
    let mut batch = batch(Spec { l2: 0.0, ..spec(0.0) }, training(ADAM(), None), None, usize::MAX);
    let losses = batch.train(&bags, &[0], 120).expect("tiles").remove(0);
    assert!(losses[119] < losses[0] - 0.3, "{} to {}", losses[0], losses[119]);
    let which: Vec<usize> = (0..PATIENTS).collect();
    let risk = predict(&spec(0.0), batch.params(0), &bags, &which).expect("tiles");
    let (first, last) = (risk[..4].iter().sum::<f64>(), risk[PATIENTS - 4..].iter().sum::<f64>());
    assert!(first > last, "{risk:?}");
    let (of_bag, weights) = attention(&spec(0.0), batch.params(0), &bags, 9).expect("tiles");
    assert_eq!((of_bag, weights.len()), (risk[9], bags.0[9].len() / SHAPE.inputs));
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn a_patient_without_tiles_is_an_error() {
    let mut bags = bags();
    bags.0[6].clear();
    let weighted = |weights| batch(spec(0.0), training(ADAM(), None), weights, 0);
    assert_eq!(weighted(None).train(&bags, &[0], 1), Err(EmptyBag { bag: 6 }));
    // One of weight 0 is absent.
    let weights = (0..PATIENTS).map(|k| if k == 6 { 0.0 } else { 1.0 }).collect();
    let mut without = weighted(Some(weights));
    assert!(without.train(&bags, &[0], 1).is_ok());
}
