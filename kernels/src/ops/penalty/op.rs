//! The op on the harness.

use super::{device, reference};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, normal};
use crate::simd::Level;

/// `penalty` for the harness: output `gradient`.
pub struct PenaltyOp;

impl Op for PenaltyOp {
    fn name(&self) -> &'static str {
        "penalty"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (b, p, mu) in [(1, 1, 0.0), (3, 7, 0.3), (2, 700, 0.0), (1, 1000, 1.5)] {
            let tensor = |name, seed| Tensor::f32(name, &[b, p], normal(seed, b * p));
            let decay = normal(1, p).iter().map(|x| x.max(0.0)).collect();
            let case = Case::new(format!("b{b}_p{p}_mu{mu}"))
                .option("mu", mu)
                .with(tensor("parameter", 2))
                .with(tensor("gradient", 3))
                .with(Tensor::f32("decay", &[p], decay));
            cases.push(if mu > 0.0 { case.with(tensor("anchor", 4)) } else { case });
        }
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let get = |name: &str| case.input(name).to_f64();
        let (mut gradient, anchor) = (get("gradient"), case.find("anchor").map(Tensor::to_f64));
        reference(case.get("mu"), &get("decay"), &get("parameter"), anchor.as_deref(), &mut gradient);
        vec![Tensor::f64("gradient", &case.input("gradient").shape, gradient)]
    }

    /// The training on the CPU holds its gradients in f64.
    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        self.reference(case)
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("gradient").len() as f64;
        Work { bytes: 16.0 * n, flops: 4.0 * n }
    }
}
