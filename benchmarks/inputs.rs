//! The generated inputs that Osteon and its peers are timed on.
//!
//! Everything is drawn from one stream of `osteon_core::rng` in the order written here, so the two
//! sides see the same numbers; peers read them from the files of [`write()`].

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::cox_nll::{CoxScratch, RiskOrder, Ties, cox_nll};
use osteon_models::cohort::{Cohort, Rows};
use osteon_models::deepsurv::{Batch, L2Scope, Optimizer, Problem, Spec, Training};

/// `B` problems over `N` patients, about half of them events.
pub struct Cox {
    pub time: Vec<f64>,
    pub event: Vec<bool>,
    pub order: RiskOrder,
    pub score: Vec<f32>,
    pub weight: Vec<f32>,
}

impl Cox {
    /// `days`: ties by the day, on average after a fifth of so many days; 0: continuous times.
    /// `sd`: standard deviation of the scores.
    pub fn new(n: usize, b: usize, days: f64, sd: f64) -> Self {
        let mut s = Stream::new(1, Purpose::Synthetic, 0);
        let survival = (0..n).map(|_| -(1.0 - s.uniform()).ln());
        let time: Vec<f64> = match days {
            0.0 => survival.collect(),
            _ => survival.map(|t| (t * days / 5.0).ceil()).collect(),
        };
        let event: Vec<bool> = (0..n).map(|_| s.uniform() < 0.53).collect();
        let order = RiskOrder::new(&time, &event, None, None).expect("finite times");
        let score = (0..n * b).map(|_| (sd * s.normal()) as f32).collect();
        // Bootstrap multiplicities, nearly: Poisson(1) cut at 3.
        let weight = (0..n * b)
            .map(|_| s.uniform())
            .map(|u| [0.37, 0.74, 0.92].iter().filter(|&&limit| u > limit).count() as f32)
            .collect();
        Self { time, event, order, score, weight }
    }

    /// Loss and gradient of all problems on one thread.
    pub fn run(&self, ties: Ties, weighted: bool, gradient: &mut [f32], scratch: &mut CoxScratch) -> f64 {
        let n = self.order.len();
        let rows = self.score.chunks(n).zip(self.weight.chunks(n)).zip(gradient.chunks_mut(n));
        rows.map(|((score, weight), gradient)| {
            let weight = weighted.then_some(weight);
            cox_nll(&self.order, ties, score, weight, gradient, true, scratch).nll
        })
        .sum()
    }
}

/// The METABRIC shape of the published experiments: full batch, 42 x 3 SELU units, Efron ties.
pub struct Metabric {
    /// `[PATIENTS, FEATURES]`.
    pub x: Vec<f64>,
    pub time: Vec<f64>,
    pub event: Vec<bool>,
}

impl Metabric {
    pub const PATIENTS: usize = 1523;
    pub const FEATURES: usize = 9;

    pub fn new() -> Self {
        let mut s = Stream::new(1, Purpose::Synthetic, 0);
        let x = (0..Self::PATIENTS * Self::FEATURES).map(|_| s.normal()).collect();
        let time = (0..Self::PATIENTS).map(|_| (3000.0 * s.uniform()).ceil()).collect();
        let event = (0..Self::PATIENTS).map(|_| s.uniform() < 0.58).collect();
        Self { x, time, event }
    }

    pub fn batch(&self, problems: u64) -> Batch {
        let keys: Vec<u64> = (0..Self::PATIENTS as u64).collect();
        let rows = Rows {
            x: &self.x,
            features: Self::FEATURES,
            time: &self.time,
            event: &self.event,
            entry: None,
            strata: None,
            keys: &keys,
        };
        let cohort = Arc::new(Cohort::new(rows).expect("valid outcome"));
        let spec = Spec {
            inputs: Self::FEATURES,
            hidden: vec![42; 3],
            activation: Activation::Selu,
            dropout: 0.0344,
            batch_norm: false,
            l2: 4.659,
            l2_scope: L2Scope::Output,
            ties: Ties::Efron,
        };
        let training = Training {
            optimizer: Optimizer::Adam(Adam::new(2.007e-3)),
            learning_rate_decay: 0.0,
            batch_size: None,
            proximal_mu: 0.0,
        };
        let problem = |seed| Problem { cohort: cohort.clone(), seed, weights: None };
        Batch::new(spec, training, (0..problems).map(problem).collect())
    }
}

/// Columns of a concordance: times by the day, about half events, a score that knows something.
pub struct Scored {
    pub time: Vec<f64>,
    pub event: Vec<bool>,
    pub score: Vec<f64>,
}

impl Scored {
    pub fn new(n: usize) -> Self {
        let mut s = Stream::new(2, Purpose::Synthetic, 0);
        let score: Vec<f64> = (0..n).map(|_| s.normal()).collect();
        let time = score.iter().map(|h| (-730.0 * (1.0 - s.uniform()).ln() * (-h).exp()).ceil()).collect();
        let event = (0..n).map(|_| s.uniform() < 0.53).collect();
        Self { time, event, score }
    }
}

/// Writes columns as raw little-endian `NAME.time.f64`, `NAME.event.u8`, `NAME.VALUES.f32` or `.f64`.
pub fn write(
    dir: &Path,
    name: &str,
    time: &[f64],
    event: &[bool],
    values: (&str, Vec<u8>),
) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let save = |suffix: &str, bytes: &[u8]| {
        std::fs::File::create(dir.join(format!("{name}.{suffix}")))?.write_all(bytes)
    };
    save("time.f64", &bytes_f64(time))?;
    save("event.u8", &event.iter().map(|&e| u8::from(e)).collect::<Vec<_>>())?;
    save(values.0, &values.1)
}

pub fn bytes_f64(x: &[f64]) -> Vec<u8> {
    x.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub fn bytes_f32(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|x| x.to_le_bytes()).collect()
}
