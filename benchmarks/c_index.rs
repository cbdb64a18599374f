//! Harrell's concordance: counts alone and with the variance, `cargo bench --bench c_index`.
//!
//! The aim is 12 ms for 1e5 patients; peers on the same input are timed by `benchmarks/run.sh`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(dead_code, reason = "the inputs of other benchmarks lie in the same file")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use osteon_metrics::c_index::{c_index, concordance};

mod inputs;

use inputs::Scored;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("c_index");
    group.sample_size(10);
    for n in [10_000, 100_000, 1_000_000] {
        let Scored { time, event, score } = Scored::new(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("counts", n), |b| b.iter(|| c_index(&time, &event, &score)));
        group.bench_function(BenchmarkId::new("variance", n), |b| {
            b.iter(|| concordance(&time, &event, &score, None));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
