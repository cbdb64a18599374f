//! The op on the harness.

use half::f16;

use super::{BLOCK, Workspace, at, len};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, normal};
use crate::ops::pool::{Precision, Rows};
use crate::simd::Level;

/// `gram` for the harness: output `gram`, the upper triangle row by row.
pub struct GramOp;

fn case((t, d): (usize, usize), double: bool) -> Case {
    let rows = normal(5, t * d).iter().map(|&x| f16::from_f32(x + 1.0).to_f32()).collect();
    Case::new(format!("t{t}_d{d}_{}", if double { "f64" } else { "f32" }))
        .with(Tensor::f32("rows", &[t, d], rows))
        .with(Tensor::f32("shift", &[d], normal(6, d).iter().map(|z| 1.0 + 0.1 * z).collect()))
        .option("double", f64::from(u8::from(double)))
}

impl Op for GramOp {
    fn name(&self) -> &'static str {
        "gram"
    }

    fn cases(&self) -> Vec<Case> {
        let shapes = [(0, 4), (1, 1), (3, 47), (30, 48), (513, 49), (700, 131)];
        shapes.into_iter().flat_map(|shape| [case(shape, false), case(shape, true)]).collect()
    }

    fn perf_cases(&self) -> Vec<Case> {
        vec![case((4096, 1536), true), case((4096, 1536), false)]
    }

    fn max_nmse(&self) -> f64 {
        1e-12
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (x, shift) = (case.input("rows"), case.input("shift").to_f64());
        let (t, d, x) = (x.shape[0], x.shape[1], x.to_f64());
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
        let rows: Vec<f16> = case.input("rows").to_f32().into_iter().map(f16::from_f32).collect();
        for block in rows.chunks(BLOCK * d) {
            workspace.add(level, Rows::F16(block), &shift, &mut gram);
        }
        let upper: Vec<f64> = (0..d).flat_map(|i| (i..d).map(move |j| at(i, j))).map(|k| gram[k]).collect();
        vec![Tensor::f64("gram", &[upper.len()], upper)]
    }

    fn work(&self, case: &Case) -> Work {
        let (t, d) = (case.input("rows").shape[0] as f64, case.input("rows").shape[1] as f64);
        // As a full product would count; the symmetry saves half.
        Work { bytes: 2.0 * t * d + 8.0 * d * d, flops: 2.0 * t * d * d }
    }
}
