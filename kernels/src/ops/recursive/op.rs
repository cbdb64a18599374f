//! The op on the harness.

use super::{Recursive, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Values, Work, normal};
use crate::simd::Level;
use crate::voxels::Volume;

/// `recursive` for the harness: output `out`.
pub struct RecursiveOp;

/// `y[i] = sum c[k] x(i - k) - sum d[k] y(i - 1 - k)` over a line; before it, `x` is its first value
/// and `d[k] y` that value times `border[k]`.
fn pass(x: &[f64], c: &[f64; 4], lag: usize, d: &[f64; 4], border: &[f64; 4]) -> Vec<f64> {
    let mut y: Vec<f64> = Vec::with_capacity(x.len());
    for i in 0..x.len() {
        let value = |k: usize| if i >= k + lag { x[i - k - lag] } else { x[0] };
        let earlier = |k: usize| if i > k { y[i - 1 - k] * d[k] } else { x[0] * border[k] };
        let new: f64 = (0..4).map(|k| value(k) * c[k]).sum();
        let old: f64 = (0..4).map(earlier).sum();
        y.push(new - old);
    }
    y
}

impl RecursiveOp {
    fn filter(case: &Case) -> Recursive {
        let make = if case.get("order") == 2.0 { Recursive::second } else { Recursive::gaussian };
        make(case.get("sigma"), 1.5)
    }
}

impl Op for RecursiveOp {
    fn name(&self) -> &'static str {
        "recursive"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let shapes = [[1, 1, 1], [2, 3, 4], [40, 5, 3], [3, 33, 2], [18, 2, 50]];
        for (k, [nx, ny, nz]) in shapes.into_iter().enumerate() {
            for axis in 0..3 {
                for order in [0, 2] {
                    let case = Case::new(format!("{nx}x{ny}x{nz}_axis{axis}_order{order}"))
                        .option("axis", axis as f64)
                        .option("order", f64::from(order))
                        .option("sigma", 2.5)
                        .option("cut", ([nx, ny, nz][axis] / 4) as f64);
                    let values = normal(k as u64, nx * ny * nz);
                    cases.push(if k % 2 == 0 {
                        let wide = values.into_iter().map(f64::from).collect();
                        case.with(Tensor::f64("volume", &[nz, ny, nx], wide))
                    } else {
                        case.with(Tensor::f32("volume", &[nz, ny, nx], values))
                    });
                }
            }
        }
        cases
    }

    fn perf_cases(&self) -> Vec<Case> {
        let volume = Tensor::f32("volume", &[96, 96, 96], normal(1, 96 * 96 * 96));
        vec![Case::new("96x96x96_axis2").with(volume).option("axis", 2.0).option("sigma", 4.0)]
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (volume, axis, cut) = (case.input("volume"), case.size("axis"), case.size("cut"));
        let size = [volume.shape[2], volume.shape[1], volume.shape[0]];
        let f = Self::filter(case);
        let mut values = volume.to_f64();
        let stride = [1, size[0], size[0] * size[1]][axis];
        for start in (0..values.len()).filter(|v| v / stride % size[axis] == 0) {
            let mut line: Vec<f64> = (0..size[axis]).map(|i| values[start + i * stride]).collect();
            let forward = pass(&line, &f.n, 0, &f.d, &f.border_n);
            line.reverse();
            let backward = pass(&line, &f.m, 1, &f.d, &f.border_m);
            for (i, (a, b)) in forward.iter().zip(backward.iter().rev()).enumerate() {
                values[start + i * stride] = a + b;
            }
        }
        let mut new = size;
        new[axis] -= 2 * cut;
        let mut corner = [0; 3];
        corner[axis] = cut;
        let out = Volume { size, values }.cropped(corner, new);
        vec![Tensor::f64("out", &[new[2], new[1], new[0]], out.values)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let (volume, axis, cut) = (case.input("volume"), case.size("axis"), case.size("cut"));
        let size = [volume.shape[2], volume.shape[1], volume.shape[0]];
        let (f, keep) = (Self::filter(case), cut..size[axis] - cut);
        vec![match &volume.values {
            Values::F64(values) => {
                let out = f.along(level, &Volume { size, values }, axis, keep);
                Tensor::f64("out", &[out.size[2], out.size[1], out.size[0]], out.values)
            }
            _ => {
                let out = f.along::<f32, _>(level, &Volume { size, values: volume.to_f32() }, axis, keep);
                Tensor::f32("out", &[out.size[2], out.size[1], out.size[0]], out.values)
            }
        }]
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (volume, axis, cut) = (case.input("volume"), case.size("axis"), case.size("cut"));
        if matches!(volume.values, Values::F64(_)) {
            let reason = "devices filter volumes of f32; f64 is for the processor".to_owned();
            return Err(DeviceError::Unsupported { op: self.name(), device: device.name(), reason });
        }
        let size = [volume.shape[2], volume.shape[1], volume.shape[0]];
        let keep = cut..size[axis] - cut;
        let volume = Volume { size, values: volume.to_f32() };
        let out = Self::filter(case).along_on(device, &volume, axis, keep)?;
        Ok(vec![Tensor::f32("out", &[out.size[2], out.size[1], out.size[0]], out.values)])
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("volume").len() as f64;
        Work { bytes: 8.0 * n, flops: 31.0 * n }
    }
}
