//! The op on the harness.

use super::{Dropout, UNITS_PER_BLOCK, device, patient_lanes};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Gradient, Tensor, Work, integers, normal};
use crate::simd::{Kernel, LANES, Level, Simd, run_on};
use crate::tiles::{self, Lane};

/// `dropout` for the harness: output `y`.
pub struct DropoutOp;

pub(super) fn dropout(case: &Case) -> Option<Dropout> {
    Dropout::new(case.get("rate"), 42, case.size("layer"), case.get("step") as u64)
}

pub(super) fn patients(case: &Case) -> Vec<u64> {
    let words = case.input("patient").to_f64();
    words.iter().map(|&p| (p as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect()
}

struct Fast<'a> {
    dropout: Dropout,
    patients: &'a [[[u32; LANES]; 2]],
    width: usize,
    a: &'a mut [Lane],
}

impl Kernel for Fast<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat((1.0 / self.dropout.keep()) as f32);
        for (tile, patients) in self.a.chunks_exact_mut(self.width).zip(self.patients) {
            for (group, lanes) in tile.chunks_mut(UNITS_PER_BLOCK).enumerate() {
                let masks = self.dropout.masks(s, patients, group);
                for (lane, mask) in lanes.iter_mut().zip(masks) {
                    // SAFETY: a lane holds 16 values.
                    unsafe {
                        let a = s.mul(s.load(lane.0.as_ptr()), scale);
                        s.store(lane.0.as_mut_ptr(), s.select(s.mask_from(mask), a, s.splat(0.0)));
                    }
                }
            }
        }
    }
}

impl Op for DropoutOp {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (n, h, rate) in [(0, 3, 0.5), (1, 1, 0.5), (33, 42, 0.1374), (200, 9, 0.9), (40, 8, 0.0)] {
            cases.push(
                Case::new(format!("n{n}_h{h}_rate{rate}"))
                    .option("rate", rate)
                    .option("layer", 2.0)
                    .option("step", 7.0 + f64::from(u32::MAX))
                    .with(Tensor::u32("patient", &[n], integers(3, n, 1 << 31)))
                    .with(Tensor::f32("a", &[n, h], normal(n as u64, n * h))),
            );
        }
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let shape = case.input("a").shape.clone();
        let mut y = case.input("a").to_f64();
        if let Some(dropout) = dropout(case) {
            for (row, patient) in y.chunks_mut(shape[1]).zip(patients(case)) {
                for (unit, value) in row.iter_mut().enumerate() {
                    *value = if dropout.keeps(patient, unit) { *value / dropout.keep() } else { 0.0 };
                }
            }
        }
        vec![Tensor::f64("y", &shape, y)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let a = case.input("a");
        let (n, width) = (a.shape[0], a.shape[1]);
        let mut lanes = tiles::from_rows(&a.to_f32(), n, width);
        if let Some(dropout) = dropout(case) {
            let patients = patient_lanes(&patients(case));
            run_on(level, Fast { dropout, patients: &patients, width, a: &mut lanes });
        }
        vec![Tensor::f32("y", &[n, width], tiles::to_rows(&lanes, n, width))]
    }

    fn gradients(&self) -> Vec<Gradient> {
        Vec::new()
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("a").len() as f64;
        Work { bytes: 8.0 * n, flops: n }
    }
}
