//! The op on the harness.

use super::{EPSILON, backward, device, forward};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Gradient, Tensor, Work, integers, normal};
use crate::ops::moments::statistics;
use crate::simd::Level;
use crate::tiles::{from_rows, to_rows};

/// `batch_norm` for the harness: outputs `y`, `dz`, `dscale`, `dshift`.
pub struct BatchNormOp;

impl Op for BatchNormOp {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (n, h, mean) in [(0, 2, 0.0), (1, 3, 0.0), (17, 1, 5.0), (700, 5, 0.0), (1100, 2, 40.0)] {
            let z = normal(1, n * h).iter().map(|z| z + mean).collect();
            let weight = integers(5, n, 3).iter().map(|&w| w as f32).collect();
            cases.push(
                Case::new(format!("n{n}_h{h}_mean{mean}"))
                    .with(Tensor::f32("z", &[n, h], z))
                    .with(Tensor::f32("weight", &[n], weight))
                    .with(Tensor::f32("scale", &[h], normal(2, h)))
                    .with(Tensor::f32("shift", &[h], normal(3, h)))
                    .with(Tensor::f32("dy", &[n, h], normal(4, n * h))),
            );
        }
        cases
    }

    fn max_nmse(&self) -> f64 {
        1e-10
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let get = |name: &str| case.input(name).to_f64();
        let (n, h) = (case.input("z").shape[0], case.input("z").shape[1]);
        let (z, w, scale, shift, dy) = (get("z"), get("weight"), get("scale"), get("shift"), get("dy"));
        let total = w.iter().sum::<f64>();
        let total = if total > 0.0 { total } else { 1.0 };
        let (mut y, mut dz) = (vec![0.0; n * h], vec![0.0; n * h]);
        let (mut dscale, mut dshift) = (vec![0.0; h], vec![0.0; h]);
        for j in 0..h {
            let at = |i: usize| i * h + j;
            let mean = (0..n).map(|i| w[i] * z[at(i)]).sum::<f64>() / total;
            let var = (0..n).map(|i| w[i] * (z[at(i)] - mean).powi(2)).sum::<f64>() / total;
            let inverse = 1.0 / (var + EPSILON).sqrt();
            let x = |i: usize| (z[at(i)] - mean) * inverse;
            for i in 0..n {
                y[at(i)] = scale[j] * x(i) + shift[j];
                dshift[j] += dy[at(i)];
                dscale[j] += dy[at(i)] * x(i);
            }
            for i in 0..n {
                let pull = w[i] * (dshift[j] + x(i) * dscale[j]) / total;
                dz[at(i)] = scale[j] * inverse * (dy[at(i)] - pull);
            }
        }
        vec![
            Tensor::f64("y", &[n, h], y),
            Tensor::f64("dz", &[n, h], dz),
            Tensor::f64("dscale", &[h], dscale),
            Tensor::f64("dshift", &[h], dshift),
        ]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let get = |name: &str| case.input(name).to_f32();
        let (n, h) = (case.input("z").shape[0], case.input("z").shape[1]);
        let weight = get("weight");
        let total = weight.iter().map(|&w| f64::from(w)).sum();
        let weight = from_rows(&weight, n, 1);
        let mut z = from_rows(&get("z"), n, h);
        let mut x = z.clone();
        let moments = statistics(level, h, &z, &weight, total);
        forward(level, &moments, &get("scale"), &get("shift"), &mut z, &mut x);
        let mut d = from_rows(&get("dy"), n, h);
        let (dscale, dshift) = backward(level, &moments, &get("scale"), &weight, total, &x, &mut d);
        vec![
            Tensor::f32("y", &[n, h], to_rows(&z, n, h)),
            Tensor::f32("dz", &[n, h], to_rows(&d, n, h)),
            Tensor::f64("dscale", &[h], dscale),
            Tensor::f64("dshift", &[h], dshift),
        ]
    }

    fn gradients(&self) -> Vec<Gradient> {
        let g = |wrt, gradient| Gradient { of: "y", seed: Some("dy"), wrt, gradient };
        vec![g("z", "dz"), g("scale", "dscale"), g("shift", "dshift")]
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("z").len() as f64;
        Work { bytes: 20.0 * n, flops: 20.0 * n }
    }
}
