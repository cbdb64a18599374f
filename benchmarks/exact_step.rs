//! One step of an exact federation beside one step of local training: five sites of 4 000 patients
//! each, a 40-64-64-1 network (6 849 parameters), Efron ties, event times in days, one thread.
//!
//! The five sites are in this process: for the local step as five problems of a batch, for the exact
//! one through the communicator's sums, whose bytes are printed. Median of 15.

use std::io::Write;
use std::time::Instant;

use osteon_core::rng::{Purpose, Stream};
use osteon_federate::{Comm, CommReduce};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::cox_nll::Ties;
use osteon_models::cohort::{Cohort, Rows};
use osteon_models::cox::risk_sets::Outcome;
use osteon_models::deepsurv::{Batch, L2Scope, Optimizer, Problem, SharedOutcome, Spec, Training};
use osteon_models::exact::{Cells, Grouping, SharedTimes};

const N: usize = 20_000;
const F: usize = 40;
const SITES: usize = 5;

struct Patients {
    x: Vec<f64>,
    time: Vec<f64>,
    event: Vec<bool>,
    keys: Vec<u64>,
}

impl Patients {
    fn drawn() -> Self {
        let mut s = Stream::new(5, Purpose::Synthetic, 0);
        let x: Vec<f64> = (0..N * F).map(|_| s.normal()).collect();
        let day = |i: usize, u: f64| (700.0 * -(1.0 - u).ln() * (-0.5 * x[i * F]).exp()).ceil().min(1800.0);
        let time = (0..N).map(|i| day(i, s.uniform())).collect();
        let event = (0..N).map(|_| s.uniform() < 0.5).collect();
        Self { time, event, keys: (0..N as u64).collect(), x }
    }

    fn cohort(&self, rows: std::ops::Range<usize>) -> std::sync::Arc<Cohort> {
        let cohort = Cohort::new(Rows {
            x: &self.x[rows.start * F..rows.end * F],
            features: F,
            time: &self.time[rows.clone()],
            event: &self.event[rows.clone()],
            entry: None,
            strata: None,
            keys: &self.keys[rows],
        });
        std::sync::Arc::new(cohort.expect("an outcome"))
    }
}

fn batch(cohorts: Vec<std::sync::Arc<Cohort>>) -> Batch {
    let spec = Spec {
        inputs: F,
        hidden: vec![64, 64],
        activation: Activation::Selu,
        dropout: 0.1,
        batch_norm: false,
        l2: 0.0,
        l2_scope: L2Scope::All,
        ties: Ties::Efron,
    };
    let training = Training {
        optimizer: Optimizer::Adam(Adam::new(1e-3)),
        learning_rate_decay: 0.0,
        batch_size: None,
        proximal_mu: 0.0,
    };
    let problem = |cohort| Problem { cohort, seed: 1, weights: None };
    Batch::new(spec, training, cohorts.into_iter().map(problem).collect())
}

/// Scales the output layer until the log-risks have this standard deviation.
fn scale(batch: &mut Batch, sd: f64) {
    let cohort = batch.problems()[0].cohort.clone();
    let scores = batch.scores(0, &cohort);
    let mean = scores.iter().map(|&h| f64::from(h)).sum::<f64>() / scores.len() as f64;
    let var = scores.iter().map(|&h| (f64::from(h) - mean).powi(2)).sum::<f64>() / scores.len() as f64;
    let output = batch.layout().tensors().iter().find(|t| t.name == "output.weight").expect("a layer");
    let range = output.range();
    for problem in 0..batch.problems().len() {
        let mut params = batch.params(problem).to_vec();
        params[range.clone()].iter_mut().for_each(|w| *w *= (sd / var.sqrt()) as f32);
        batch.set_params(problem, &params);
    }
}

fn median_ms(mut work: impl FnMut()) -> f64 {
    let mut spent: Vec<f64> = (0..17)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(2)
        .collect();
    spent.sort_by(f64::total_cmp);
    spent[spent.len() / 2]
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("a pool");
    let patients = Patients::drawn();
    let mut out = std::io::stdout();
    for sd in [1.0, 5.0] {
        let site = |k: usize| patients.cohort(k * N / SITES..(k + 1) * N / SITES);
        let mut local = batch((0..SITES).map(site).collect());
        scale(&mut local, sd);
        let all: Vec<usize> = (0..SITES).collect();
        let averaged = median_ms(|| {
            local.train(&all, 1);
        });
        for (what, cells) in [("event times", Cells::Times), ("bins", Cells::Equal(50))] {
            let mut exact = batch(vec![patients.cohort(0..N)]);
            scale(&mut exact, sd);
            let comm = Comm::solo();
            let reduce = CommReduce(&comm);
            let outcome = Outcome {
                time: &patients.time,
                event: &patients.event,
                entry: None,
                strata: None,
                weights: None,
            };
            let grouping = Grouping { cells, ..Grouping::default() };
            let times = SharedTimes::agree(&outcome, &grouping, &reduce).expect("events");
            let cohort = exact.problems()[0].cohort.clone();
            let shared = SharedOutcome::new(&cohort, &outcome, &times, &reduce).expect("one process");
            let sent = comm.bytes_sent();
            let mut steps = 0;
            let ms = median_ms(|| {
                exact.train_shared(&shared, 1, &reduce).expect("trained");
                steps += 1;
            });
            let line = writeln!(
                out,
                "log-risk sd {sd}, {} {what}: exact step {ms:.1} ms, local step of the sites {averaged:.1} ms \
                 ({:.1} x), {} KB per step",
                times.len(),
                ms / averaged,
                (comm.bytes_sent() - sent) / steps / 1000
            );
            line.expect("written");
        }
    }
}
