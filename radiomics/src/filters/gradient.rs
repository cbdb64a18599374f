//! Length of the gradient (ITK `GradientMagnitudeImageFilter`): central differences per mm
//! or per voxel, the image continued by its border voxels, single precision.

use rayon::prelude::*;

use crate::image::{Image, Samples};
use crate::roi::Window;

pub(super) fn gradient(image: &Image, window: Window, per_mm: bool) -> Samples {
    let [nx, ny, nz] = image.geometry.size;
    let half = image.geometry.spacing.map(|s| if per_mm { 0.5 / s } else { 0.5 });
    let at = |x: usize, y: usize, z: usize| image.samples.get((z * ny + y) * nx + x);
    let [x, y, z] = [0, 1, 2].map(|k| window.range(k));
    let mut out = vec![0f32; window.size.iter().product()];
    out.par_chunks_mut(x.len() * y.len()).zip(z.into_par_iter()).for_each(|(slice, z)| {
        for (row, y) in slice.chunks_mut(x.len()).zip(y.clone()) {
            for (out, x) in row.iter_mut().zip(x.clone()) {
                let before = |k: usize| k.saturating_sub(1);
                let after = |k: usize, n: usize| (k + 1).min(n - 1);
                let slopes = [
                    at(after(x, nx), y, z) * half[0] - at(before(x), y, z) * half[0],
                    at(x, after(y, ny), z) * half[1] - at(x, before(y), z) * half[1],
                    at(x, y, after(z, nz)) * half[2] - at(x, y, before(z)) * half[2],
                ];
                *out = slopes.iter().map(|g| g * g).sum::<f64>().sqrt() as f32;
            }
        }
    });
    Samples::F32(out)
}
