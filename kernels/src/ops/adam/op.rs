//! The op on the harness.

use super::{Adam, adam, device, reference};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, normal};
use crate::simd::Level;

/// `adam` for the harness: outputs `parameter`, `mean`, `square` after three steps.
pub struct AdamOp;

pub(super) const STEPS: u64 = 3;

impl Op for AdamOp {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cases(&self) -> Vec<Case> {
        let sizes = [0, 1, 15, 16, 4075];
        let case =
            |n: usize| {
                Case::new(format!("p{n}"))
                    .with(Tensor::f32("parameter", &[n], normal(1, n)))
                    .with(Tensor::f32("gradient", &[n], normal(2, n)))
            };
        sizes.into_iter().map(case).collect()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let n = case.input("parameter").len();
        let (mut p, g) = (case.input("parameter").to_f64(), case.input("gradient").to_f64());
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for step in 1..=STEPS {
            reference(Adam::new(0.01), step, &mut p, &g, &mut m, &mut v);
        }
        [("parameter", p), ("mean", m), ("square", v)].map(|(name, x)| Tensor::f64(name, &[n], x)).to_vec()
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let n = case.input("parameter").len();
        let (mut p, g) = (case.input("parameter").to_f32(), case.input("gradient").to_f32());
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for step in 1..=STEPS {
            adam(level, Adam::new(0.01), step, &mut p, &g, &mut m, &mut v);
        }
        [("parameter", p), ("mean", m), ("square", v)].map(|(name, x)| Tensor::f32(name, &[n], x)).to_vec()
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("parameter").len() as f64;
        Work { bytes: 28.0 * n, flops: 12.0 * n }
    }
}
