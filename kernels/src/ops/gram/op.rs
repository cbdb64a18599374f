//! The op on the harness.

use super::device::Products;
use super::{BLOCK, RUN, Workspace, at, device, len};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, normal};
use crate::ops::pool::device::unsupported;
use crate::ops::pool::{Precision, Stored};
use crate::simd::Level;

/// `gram` for the harness: output `gram`, the upper triangle row by row.
pub struct GramOp;

fn case((t, d): (usize, usize), double: bool, stored: (&str, f64)) -> Case {
    let rows = normal(5, t * d).iter().map(|&x| x + 1.0).collect();
    Case::new(format!("t{t}_d{d}_{}_in_{}", stored.0, if double { "f64" } else { "f32" }))
        .with(Tensor::f32("rows", &[t, d], rows))
        .with(Tensor::f32("shift", &[d], normal(6, d).iter().map(|z| 1.0 + 0.1 * z).collect()))
        .option("double", f64::from(u8::from(double)))
        .option("type", stored.1)
}

const F16: (&str, f64) = ("f16", 16.0);

/// The upper triangle row by row.
fn tensors(d: usize, gram: &[f64]) -> Vec<Tensor> {
    let upper: Vec<f64> = (0..d).flat_map(|i| (i..d).map(move |j| at(i, j))).map(|k| gram[k]).collect();
    vec![Tensor::f64("gram", &[upper.len()], upper)]
}

impl Op for GramOp {
    fn name(&self) -> &'static str {
        "gram"
    }

    fn cases(&self) -> Vec<Case> {
        let shapes = [(0, 4), (1, 1), (3, 47), (30, 48), (513, 49), (700, 131)];
        let in_halves =
            shapes.into_iter().flat_map(|shape| [case(shape, false, F16), case(shape, true, F16)]);
        let others = [("bf16", 17.0), ("f32", 32.0)].map(|stored| case((300, 70), false, stored));
        in_halves.chain(others).collect()
    }

    fn perf_cases(&self) -> Vec<Case> {
        vec![case((4096, 1536), true, F16), case((4096, 1536), false, F16)]
    }

    fn max_nmse(&self) -> f64 {
        1e-12
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (stored, shift) = (Stored::of(case), case.input("shift").to_f64());
        let (t, d) = (case.input("rows").shape[0], case.input("rows").shape[1]);
        let x: Vec<f64> = (0..t * d).map(|i| stored.rows().get(i)).collect();
        let mut gram = Vec::new();
        for i in 0..d {
            for j in i..d {
                gram.push((0..t).map(|t| (x[t * d + i] - shift[i]) * (x[t * d + j] - shift[j])).sum());
            }
        }
        vec![Tensor::f64("gram", &[gram.len()], gram)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let (d, shift) = (case.input("rows").shape[1], case.input("shift").to_f32());
        let double = case.get("double") > 0.0;
        let mut workspace = Workspace::new(d, if double { Precision::Double } else { Precision::Single });
        let mut gram = vec![0.0; len(d)];
        let stored = Stored::of(case);
        let rows = stored.rows();
        for from in (0..rows.len()).step_by(BLOCK * d) {
            workspace.add(level, rows.part(from, rows.len().min(from + BLOCK * d)), &shift, &mut gram);
        }
        tensors(d, &gram)
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        if case.get("double") > 0.0 {
            return Err(unsupported("gram", device));
        }
        let (d, shift) = (case.input("rows").shape[1], case.input("shift").to_f32());
        let mut products = Products::new(device, &shift)?;
        let stored = Stored::of(case);
        let rows = stored.rows();
        // In two calls, as a reader brings them.
        let cut = (rows.len() / d.max(1) / 2 / RUN * RUN) * d;
        products.add(device, rows.part(0, cut))?;
        products.add(device, rows.part(cut, rows.len()))?;
        let mut gram = vec![0.0; len(d)];
        products.finish(device, &mut gram)?;
        Ok(tensors(d, &gram))
    }

    fn max_nmse_device(&self) -> f64 {
        1e-11
    }

    fn work(&self, case: &Case) -> Work {
        let (t, d) = (case.input("rows").shape[0] as f64, case.input("rows").shape[1] as f64);
        // As a full product would count; the symmetry saves half.
        Work { bytes: 2.0 * t * d + 8.0 * d * d, flops: 2.0 * t * d * d }
    }
}
