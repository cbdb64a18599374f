//! The op on the harness.

use super::{Statistics, device, statistics};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, integers, normal};
use crate::simd::Level;
use crate::tiles::from_rows;

/// `moments` for the harness: outputs `mean` and `var`.
pub struct MomentsOp;

fn tensors(found: Statistics) -> Vec<Tensor> {
    let h = [found.mean.len()];
    vec![Tensor::f64("mean", &h, found.mean), Tensor::f64("var", &h, found.var)]
}

impl Op for MomentsOp {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn cases(&self) -> Vec<Case> {
        let case =
            |(n, h, mean): (usize, usize, f32)| {
                let z = normal(1, n * h).iter().map(|z| z + mean).collect();
                let weight = integers(5, n, 4).iter().map(|&w| w as f32).collect();
                Case::new(format!("n{n}_h{h}_mean{mean}"))
                    .with(Tensor::f32("z", &[n, h], z))
                    .with(Tensor::f32("weight", &[n], weight))
            };
        [(0, 2, 0.0), (1, 1, 3.0), (15, 4, 0.0), (600, 7, -2.0), (2100, 3, 500.0), (1030, 40, 9.0)]
            .into_iter()
            .map(case)
            .collect()
    }

    fn perf_cases(&self) -> Vec<Case> {
        let (n, h) = (1 << 17, 64);
        vec![Case::new("n131072_h64").with(Tensor::f32("z", &[n, h], normal(1, n * h))).with(Tensor::f32(
            "weight",
            &[n],
            vec![1.0; n],
        ))]
    }

    fn max_nmse(&self) -> f64 {
        1e-11
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (z, w) = (case.input("z").to_f64(), case.input("weight").to_f64());
        let h = case.input("z").shape[1];
        let total = w.iter().sum::<f64>();
        let total = if total > 0.0 { total } else { 1.0 };
        let over = |j: usize, f: &dyn Fn(f64) -> f64| {
            w.iter().enumerate().map(|(i, w)| w * f(z[i * h + j])).sum::<f64>() / total
        };
        let mean: Vec<f64> = (0..h).map(|j| over(j, &|z| z)).collect();
        let var = (0..h).map(|j| over(j, &|z| (z - mean[j]).powi(2))).collect();
        vec![Tensor::f64("mean", &[h], mean), Tensor::f64("var", &[h], var)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let (n, h) = (case.input("z").shape[0], case.input("z").shape[1]);
        let weight = case.input("weight").to_f32();
        let total = weight.iter().map(|&w| f64::from(w)).sum();
        let z = from_rows(&case.input("z").to_f32(), n, h);
        tensors(statistics(level, h, &z, &from_rows(&weight, n, 1), total))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (z, weight) = (case.input("z"), case.input("weight").to_f32());
        device::statistics(device, z.shape[1], &z.to_f32(), &weight).map(tensors)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("z").len() as f64;
        Work { bytes: 8.0 * n, flops: 5.0 * n }
    }
}
