//! Cox loss and gradient on one core, presorted: `cargo bench --bench cox_nll`.
//!
//! Peers on the same input are timed by `benchmarks/peers`; the aims are 0.05 ms for 1e4 rows,
//! 5 ms for 1e6 rows and 3 ms for 256 problems of 2048, Efron with ties by the day.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(dead_code, reason = "the inputs of other benchmarks lie in the same file")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use osteon_kernels::ops::cox_nll::{CoxScratch, Ties};

mod inputs;

use inputs::Cox;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("cox_nll");
    group.sample_size(30).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    let mut time = |name: &str, n: usize, b: usize, days: f64, sd: f64, ties: Ties, weighted: bool| {
        let input = Cox::new(n, b, days, sd);
        let (mut gradient, mut scratch) = (vec![0.0; n * b], CoxScratch::default());
        group.throughput(Throughput::Elements((n * b) as u64));
        let size = if b == 1 { n.to_string() } else { format!("{b}x{n}") };
        group.bench_function(BenchmarkId::new(name, size), |bencher| {
            bencher.iter(|| input.run(ties, weighted, &mut gradient, &mut scratch));
        });
    };
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        let days = if n > 50_000 { 3650.0 } else { 734.0 };
        time("efron, day ties", n, 1, days, 1.0, Ties::Efron, false);
        time("efron, continuous", n, 1, 0.0, 1.0, Ties::Efron, false);
        time("breslow, day ties", n, 1, days, 1.0, Ties::Breslow, false);
        time("efron, day ties, sd 40", n, 1, days, 40.0, Ties::Efron, false);
        time("efron, day ties, weights", n, 1, days, 1.0, Ties::Efron, true);
    }
    // Scores too wide for one exponent: pairs of mantissa and exponent.
    time("efron, day ties, sd 400 (wide path)", 10_000, 1, 734.0, 400.0, Ties::Efron, false);
    for days in [734.0, 0.0] {
        let ties = if days == 0.0 { "continuous" } else { "day ties" };
        time(&format!("efron, {ties}"), 2048, 256, days, 1.0, Ties::Efron, false);
        time(&format!("efron, {ties}, weights"), 2048, 256, days, 1.0, Ties::Efron, true);
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
