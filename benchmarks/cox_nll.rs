//! Cox loss and gradient on one core, presorted: `cargo bench --bench cox_nll`.
//!
//! Peers on the same input are timed by `benchmarks/peers`; the aims are 0.05 ms for 1e4 rows,
//! 5 ms for 1e6 rows and 3 ms for 256 problems of 2048, Efron with ties by the day.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::cox_nll::{CoxScratch, RiskOrder, Ties, cox_nll};

/// `B` problems over `N` patients, about half of them events.
struct Input {
    order: RiskOrder,
    score: Vec<f32>,
    weight: Vec<f32>,
}

impl Input {
    /// `days`: ties by the day, on average after a fifth of so many days; 0: continuous times.
    fn new(n: usize, b: usize, days: f64, sd: f64) -> Self {
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
        Self { order, score, weight }
    }

    /// One pass over all problems.
    fn run(&self, ties: Ties, weighted: bool, gradient: &mut [f32], scratch: &mut CoxScratch) -> f64 {
        let n = self.order.len();
        let rows = self.score.chunks(n).zip(self.weight.chunks(n)).zip(gradient.chunks_mut(n));
        rows.map(|((score, weight), gradient)| {
            let weight = weighted.then_some(weight);
            cox_nll(&self.order, ties, score, weight, gradient, true, scratch).nll
        })
        .sum()
    }
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("cox_nll");
    group.sample_size(30).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    let mut time = |name: &str, n: usize, b: usize, days: f64, sd: f64, ties: Ties, weighted: bool| {
        let input = Input::new(n, b, days, sd);
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
