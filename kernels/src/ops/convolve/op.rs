//! The op on the harness.

use super::{convolve, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Values, Work, integers, normal};
use crate::simd::Level;
use crate::voxels::Volume;

/// `convolve` for the harness: output `out`.
pub struct ConvolveOp;

fn size(tensor: &Tensor) -> [usize; 3] {
    [tensor.shape[2], tensor.shape[1], tensor.shape[0]]
}

fn places(case: &Case) -> Vec<usize> {
    case.input("place").to_f64().iter().map(|&p| p as usize).collect()
}

impl Op for ConvolveOp {
    fn name(&self) -> &'static str {
        "convolve"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let shapes = [[1, 1, 1], [6, 5, 4], [17, 3, 2], [1, 19, 16], [33, 18, 21]];
        for (k, [nx, ny, nz]) in shapes.into_iter().enumerate() {
            for axis in 0..3 {
                for taps in [1, 6] {
                    let length = [nx, ny, nz][axis];
                    // Periodic, the start in the middle, and one more than the line has.
                    let place: Vec<u32> =
                        (0..length + taps).map(|p| ((p + length / 2) % length) as u32).collect();
                    let case = Case::new(format!("{nx}x{ny}x{nz}_axis{axis}_taps{taps}"))
                        .with(Tensor::u32("place", &[place.len()], place))
                        .option("axis", axis as f64);
                    let (values, tap) = (normal(k as u64, nx * ny * nz), normal(9, taps));
                    cases.push(if k % 2 == 0 {
                        let wide = |x: Vec<f32>| x.into_iter().map(f64::from).collect();
                        case.with(Tensor::f64("volume", &[nz, ny, nx], wide(values))).with(Tensor::f64(
                            "tap",
                            &[taps],
                            wide(tap),
                        ))
                    } else {
                        case.with(Tensor::f32("volume", &[nz, ny, nx], values)).with(Tensor::f32(
                            "tap",
                            &[taps],
                            tap,
                        ))
                    });
                }
            }
        }
        cases
    }

    fn perf_cases(&self) -> Vec<Case> {
        let place: Vec<u32> = integers(1, 101, 1).iter().zip(0..).map(|(_, p)| p % 96).collect();
        vec![
            Case::new("96x96x96_axis2_taps6")
                .with(Tensor::u32("place", &[place.len()], place))
                .with(Tensor::f32("volume", &[96, 96, 96], normal(1, 96 * 96 * 96)))
                .with(Tensor::f32("tap", &[6], normal(9, 6)))
                .option("axis", 2.0),
        ]
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (volume, tap, place) = (case.input("volume"), case.input("tap").to_f64(), places(case));
        let (values, axis, size) = (volume.to_f64(), case.size("axis"), size(volume));
        let mut new = size;
        new[axis] = place.len() + 1 - tap.len();
        let mut out = Vec::new();
        for z in 0..new[2] {
            for y in 0..new[1] {
                for x in 0..new[0] {
                    let term = |j: usize| {
                        let mut at = [x, y, z];
                        at[axis] = place[at[axis] + tap.len() - 1 - j];
                        tap[j] * values[(at[2] * size[1] + at[1]) * size[0] + at[0]]
                    };
                    out.push((0..tap.len()).map(term).sum());
                }
            }
        }
        vec![Tensor::f64("out", &[new[2], new[1], new[0]], out)]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let (volume, place, axis) = (case.input("volume"), places(case), case.size("axis"));
        let (size, tap) = (size(volume), case.input("tap"));
        let shape = |size: [usize; 3]| [size[2], size[1], size[0]];
        vec![match &volume.values {
            Values::F64(values) => {
                let out = convolve(level, &Volume { size, values }, axis, &tap.to_f64(), &place);
                Tensor::f64("out", &shape(out.size), out.values)
            }
            _ => {
                let values = volume.to_f32();
                let out = convolve(level, &Volume { size, values }, axis, &tap.to_f32(), &place);
                Tensor::f32("out", &shape(out.size), out.values)
            }
        }]
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (volume, taps) = (case.input("volume"), case.input("tap").to_f32());
        if matches!(volume.values, Values::F64(_)) {
            let reason = "devices filter volumes of f32; f64 is for the processor".to_owned();
            return Err(DeviceError::Unsupported { op: self.name(), device: device.name(), reason });
        }
        let volume = Volume { size: size(volume), values: volume.to_f32() };
        let out = device::convolve(device, &volume, case.size("axis"), &taps, &places(case))?;
        Ok(vec![Tensor::f32("out", &[out.size[2], out.size[1], out.size[0]], out.values)])
    }

    fn work(&self, case: &Case) -> Work {
        let n = case.input("volume").len() as f64;
        Work { bytes: 8.0 * n, flops: 2.0 * n * case.input("tap").len() as f64 }
    }
}
