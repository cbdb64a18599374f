//! DeepSurv training: time per model and epoch of a batch of networks, one thread.
//!
//! The METABRIC shape of the published experiments: 1523 patients, 9 features, 42 x 3 SELU units,
//! full batch, Efron ties. Beside it the machine's limit: the same matrix products alone.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::cox_nll::Ties;
use osteon_models::cohort::{Cohort, Rows};
use osteon_models::deepsurv::{Batch, L2Scope, Optimizer, Problem, Spec, Training};

const PATIENTS: usize = 1523;
const FEATURES: usize = 9;

fn cohort() -> Arc<Cohort> {
    let mut s = Stream::new(1, Purpose::Synthetic, 0);
    let x: Vec<f64> = (0..PATIENTS * FEATURES).map(|_| s.normal()).collect();
    let time: Vec<f64> = (0..PATIENTS).map(|_| (3000.0 * s.uniform()).ceil()).collect();
    let event: Vec<bool> = (0..PATIENTS).map(|_| s.uniform() < 0.58).collect();
    let keys: Vec<u64> = (0..PATIENTS as u64).collect();
    let rows = Rows {
        x: &x,
        features: FEATURES,
        time: &time,
        event: &event,
        entry: None,
        strata: None,
        keys: &keys,
    };
    Arc::new(Cohort::new(rows).expect("valid outcome"))
}

fn batch(problems: u64) -> Batch {
    let spec = Spec {
        inputs: FEATURES,
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
    let cohort = cohort();
    let problem = |seed| Problem { cohort: cohort.clone(), seed, weights: None, scaling: None };
    Batch::new(spec, training, (0..problems).map(problem).collect())
}

fn epochs(c: &mut Criterion) {
    let mut group = c.benchmark_group("deepsurv_metabric_model_epoch");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    for (threads, problems) in [(1, 1), (1, 100), (available, 100)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let mut networks = batch(problems);
        let all: Vec<usize> = (0..problems as usize).collect();
        group.bench_function(BenchmarkId::new(format!("B{problems}"), format!("{threads}_threads")), |b| {
            b.iter_custom(|iterations| {
                // Time per model and epoch.
                let start = Instant::now();
                pool.install(|| black_box(networks.train(&all, iterations)));
                start.elapsed() / problems as u32
            });
        });
    }
    group.finish();
}

criterion_group!(benches, epochs);
criterion_main!(benches);
