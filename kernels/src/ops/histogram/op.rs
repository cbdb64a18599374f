//! The op on the harness.

use super::{Edges, counts, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, integers, normal};
use crate::simd::Level;

/// `histogram` for the harness: outputs `level` and `count`.
pub struct HistogramOp;

/// Edges of a case: listed, or regular up to beyond the last value.
fn edges(case: &Case) -> (Edges, Vec<f64>) {
    if let Some(listed) = case.find("edge") {
        return (Edges::Listed(listed.to_f64()), listed.to_f64());
    }
    let (start, step) = (case.get("start"), case.get("step"));
    let most = case.input("value").to_f64().into_iter().fold(start, f64::max);
    let all = (0..).map(|i| start + f64::from(i) * step).take_while(|e| *e <= most + step);
    (Edges::Regular { start, step }, all.collect())
}

fn tensors(level: Vec<u32>, count: Vec<u64>) -> Vec<Tensor> {
    let count: Vec<u32> = count.into_iter().map(|c| c as u32).collect();
    vec![Tensor::u32("level", &[level.len()], level), Tensor::u32("count", &[count.len()], count)]
}

impl Op for HistogramOp {
    fn name(&self) -> &'static str {
        "histogram"
    }

    fn cases(&self) -> Vec<Case> {
        let case = |label: &str, value: Vec<f64>, start: f64, step: f64| {
            Case::new(label)
                .with(Tensor::f64("value", &[value.len()], value))
                .option("start", start)
                .option("step", step)
        };
        // Multiples of a tenth lie on edges, or a bit beside them.
        let tenths = |n: usize| integers(1, n, 300).iter().map(|&k| f64::from(k) * 0.1).collect();
        let spread = |n: usize| normal(2, n).iter().map(|x| f64::from(*x) * 400.0 + 4000.0).collect();
        let listed: Vec<f64> = [-1.5, -0.25, 0.0, 0.0, 0.75, 2.0].to_vec();
        vec![
            case("empty", vec![], 0.0, 1.0),
            case("one_value", vec![3.0], 3.0, 0.5),
            case("one_level", vec![7.25; 50], 7.0, 0.5),
            case("values_on_edges", tenths(3000), 0.0, 0.1),
            case("first_edge_rounded", tenths(3000), 0.0, 0.30000000000000004),
            case("levels_10000", spread(700), 0.0, 0.4),
            Case::new("listed_edges").with(Tensor::f32("value", &[600], normal(3, 600))).with(Tensor::f64(
                "edge",
                &[listed.len()],
                listed,
            )),
        ]
    }

    fn perf_cases(&self) -> Vec<Case> {
        let value: Vec<f32> = normal(2, 1 << 20).iter().map(|x| x.abs()).collect();
        vec![
            Case::new("n1e6")
                .with(Tensor::f32("value", &[1 << 20], value))
                .option("start", 0.0)
                .option("step", 0.1),
        ]
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (_, edges) = edges(case);
        let value = case.input("value").to_f64();
        let below = |v: &f64| edges.iter().filter(|e| **e <= *v).count() as u32;
        let level: Vec<u32> = value.iter().map(below).collect();
        let levels = level.iter().max().map_or(0, |l| l + 1);
        let count = (0..levels).map(|l| level.iter().filter(|x| **x == l).count() as u64).collect();
        tensors(level, count)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let level = edges(case).0.levels(&case.input("value").to_f64());
        let count = counts(&level);
        tensors(level, count)
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (level, count) = device::levels(device, &edges(case).0, &case.input("value").to_f64())?;
        Ok(tensors(level, count))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("value").len() as f64;
        Work { bytes: 12.0 * n, flops: 4.0 * n }
    }
}
