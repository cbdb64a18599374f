//! The op on the harness.

use super::{Sgd, device, reference, sgd};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, normal};
use crate::simd::Level;

/// `sgd` for the harness: outputs `parameter`, `velocity` after three steps.
pub struct SgdOp;

pub(super) const STEPS: u64 = 3;

pub(super) fn constants(case: &Case) -> Sgd {
    Sgd { learning_rate: 0.05, momentum: case.get("momentum"), nesterov: case.get("nesterov") > 0.0 }
}

impl Op for SgdOp {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (label, momentum, nesterov) in
            [("plain", 0.0, 0.0), ("momentum", 0.9, 0.0), ("nesterov", 0.9, 1.0)]
        {
            for n in [0, 1, 1001] {
                cases.push(
                    Case::new(format!("{label}_p{n}"))
                        .option("momentum", momentum)
                        .option("nesterov", nesterov)
                        .with(Tensor::f32("parameter", &[n], normal(1, n)))
                        .with(Tensor::f32("gradient", &[n], normal(2, n))),
                );
            }
        }
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let n = case.input("parameter").len();
        let (mut p, g, mut u) =
            (case.input("parameter").to_f64(), case.input("gradient").to_f64(), vec![0.0; n]);
        (0..STEPS).for_each(|_| reference(constants(case), &mut p, &g, &mut u));
        vec![Tensor::f64("parameter", &[n], p), Tensor::f64("velocity", &[n], u)]
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let n = case.input("parameter").len();
        let (mut p, g, mut u) =
            (case.input("parameter").to_f32(), case.input("gradient").to_f32(), vec![0.0; n]);
        (0..STEPS).for_each(|_| sgd(constants(case), &mut p, &g, &mut u));
        vec![Tensor::f32("parameter", &[n], p), Tensor::f32("velocity", &[n], u)]
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("parameter").len() as f64;
        Work { bytes: 20.0 * n, flops: 4.0 * n }
    }
}
