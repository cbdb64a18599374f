//! DeepSurv training: time per model and epoch of a batch of networks, one thread.
//!
//! The METABRIC shape of the published experiments: 1523 patients, 9 features, 42 x 3 SELU units,
//! full batch, Efron ties. The same matrix products alone are timed by `--bench limits`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(dead_code, reason = "the inputs of other benchmarks lie in the same file")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

mod inputs;

use inputs::Metabric;

fn epochs(c: &mut Criterion) {
    let mut group = c.benchmark_group("deepsurv_metabric_model_epoch");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    for (threads, problems) in [(1, 1), (1, 100), (available, 100)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let mut networks = Metabric::new().batch(problems);
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
