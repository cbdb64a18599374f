//! The op on the harness.

use super::{add_scaled, largest, mean};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, integers, normal};
use crate::simd::Level;

/// `weighted_sum` for the harness: output `mean`.
pub struct WeightedSumOp;

const SCALE: f64 = (1u64 << 40) as f64;

impl Op for WeightedSumOp {
    fn name(&self) -> &'static str {
        "weighted_sum"
    }

    fn cases(&self) -> Vec<Case> {
        let case = |(k, p): (usize, usize)| {
            Case::new(format!("k{k}_p{p}"))
                .with(Tensor::f32("x", &[k, p], normal(1, k * p)))
                .with(Tensor::u32("weight", &[k], integers(2, k, 900).iter().map(|w| w + 1).collect()))
        };
        [(1, 1), (3, 0), (3, 17), (5, 6849), (50, 33)].into_iter().map(case).collect()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (x, w) = (case.input("x").to_f64(), case.input("weight").to_f64());
        let p = case.input("x").shape[1];
        let total: f64 = w.iter().sum();
        let mean = (0..p)
            .map(|i| w.iter().enumerate().map(|(k, w)| w * x[k * p + i]).sum::<f64>() / total)
            .collect();
        vec![Tensor::f64("mean", &[p], mean)]
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let (x, w) = (case.input("x").to_f32(), case.input("weight").to_f64());
        let p = case.input("x").shape[1];
        let mut sums = vec![0; p];
        // Last site first: the order must not matter.
        for (k, &w) in w.iter().enumerate().rev() {
            let row = &x[k * p..(k + 1) * p];
            add_scaled(&mut sums, row, SCALE, w as u64, largest(row));
        }
        let mut out = vec![0f32; p];
        mean(&mut out, &sums, SCALE * w.iter().sum::<f64>());
        vec![Tensor::f32("mean", &[p], out)]
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("x").len() as f64;
        Work { bytes: 4.0 * n, flops: 3.0 * n }
    }
}
