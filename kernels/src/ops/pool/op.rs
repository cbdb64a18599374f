//! The op on the harness.

use half::{bf16, f16};

use super::{BLOCK, Pool, Precision, Rows, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work, normal};
use crate::simd::Level;

/// `pool` for the harness: outputs `mean`, `deviations`, `max` and `min`.
pub struct PoolOp;

/// Bits of a value's type: 16 (half), 17 (bfloat16), 32 or 64; the fourth is summed in `f64`.
const TYPES: [(&str, f64); 4] = [("f16", 16.0), ("bf16", 17.0), ("f32", 32.0), ("f64", 64.0)];

/// The rows of a case in its type.
pub(crate) enum Stored {
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Stored {
    pub fn of(case: &Case) -> Self {
        let x = case.input("rows").to_f32();
        match case.size("type") {
            16 => Self::F16(x.into_iter().map(f16::from_f32).collect()),
            17 => Self::Bf16(x.into_iter().map(bf16::from_f32).collect()),
            32 => Self::F32(x),
            _ => Self::F64(x.into_iter().map(f64::from).collect()),
        }
    }

    pub fn rows(&self) -> Rows<'_> {
        match self {
            Self::F16(v) => Rows::F16(v),
            Self::Bf16(v) => Rows::Bf16(v),
            Self::F32(v) => Rows::F32(v),
            Self::F64(v) => Rows::F64(v),
        }
    }
}

fn precision(case: &Case) -> Precision {
    if case.size("type") == 64 { Precision::Double } else { Precision::Single }
}

fn tensors(pool: &Pool) -> Vec<Tensor> {
    let d = [pool.shift().len()];
    vec![
        Tensor::f64("mean", &d, pool.mean()),
        Tensor::f64("deviations", &d, pool.deviations()),
        Tensor::f64("max", &d, pool.max().to_vec()),
        Tensor::f64("min", &d, pool.min().to_vec()),
    ]
}

impl Op for PoolOp {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cases(&self) -> Vec<Case> {
        let shapes =
            [(0, 3, 0.0), (1, 16, 2.0), (63, 17, 0.0), (65, 80, -3.0), (700, 131, 17.0), (4200, 3, 1.0)];
        let case = |(t, d, mean): (usize, usize, f32), (name, bits): (&str, f64)| {
            let x = normal(3, t * d).iter().map(|z| z + mean).collect();
            Case::new(format!("t{t}_d{d}_{name}")).with(Tensor::f32("rows", &[t, d], x)).option("type", bits)
        };
        shapes.into_iter().flat_map(|shape| TYPES.into_iter().map(move |kind| case(shape, kind))).collect()
    }

    fn perf_cases(&self) -> Vec<Case> {
        let (t, d) = (5000, 1536);
        let case = |(name, bits): (&str, f64)| {
            Case::new(format!("t{t}_d{d}_{name}"))
                .with(Tensor::f32("rows", &[t, d], normal(3, t * d)))
                .option("type", bits)
        };
        TYPES.into_iter().map(case).collect()
    }

    fn max_nmse(&self) -> f64 {
        1e-11
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let stored = Stored::of(case);
        let (t, d) = (case.input("rows").shape[0], case.input("rows").shape[1]);
        let column = |j: usize| (0..t).map(move |i| i * d + j);
        let of = |f: &dyn Fn(usize) -> f64| (0..d).map(f).collect::<Vec<f64>>();
        let rows = stored.rows();
        let mean = of(&|j| column(j).map(|i| rows.get(i)).sum::<f64>() / (t as f64).max(1.0));
        let deviations = of(&|j| column(j).map(|i| (rows.get(i) - mean[j]).powi(2)).sum());
        let max = of(&|j| column(j).map(|i| rows.get(i)).fold(f64::NEG_INFINITY, f64::max));
        let min = of(&|j| column(j).map(|i| rows.get(i)).fold(f64::INFINITY, f64::min));
        vec![
            Tensor::f64("mean", &[d], mean),
            Tensor::f64("deviations", &[d], deviations),
            Tensor::f64("max", &[d], max),
            Tensor::f64("min", &[d], min),
        ]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let stored = Stored::of(case);
        let (t, d) = (case.input("rows").shape[0], case.input("rows").shape[1]);
        let mut pool = Pool::new(d, precision(case));
        // In two calls, as a reader brings them.
        let cut = (t / 2 / BLOCK * BLOCK) * d;
        pool.add(level, stored.rows().part(0, cut));
        pool.add(level, stored.rows().part(cut, t * d));
        tensors(&pool)
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let mut pool = Pool::new(case.input("rows").shape[1], precision(case));
        pool.add_on(device, Stored::of(case).rows())?;
        Ok(tensors(&pool))
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("rows").len() as f64;
        let bytes = match case.size("type") {
            32 => 4.0,
            64 => 8.0,
            _ => 2.0,
        };
        Work { bytes: bytes * n, flops: 6.0 * n }
    }
}
