//! Length of the gradient (ITK `GradientMagnitudeImageFilter`): central differences per mm
//! or per voxel, the image continued by its border voxels, single precision.

use rayon::prelude::*;

use crate::image::{Image, Samples};

pub(super) fn gradient(image: &Image, per_mm: bool) -> Image {
    let [nx, ny, nz] = image.geometry.size;
    let half = image.geometry.spacing.map(|s| if per_mm { 0.5 / s } else { 0.5 });
    let at = |x: usize, y: usize, z: usize| image.samples.get((z * ny + y) * nx + x);
    let mut out = vec![0f32; image.samples.len()];
    out.par_chunks_mut(nx * ny).enumerate().for_each(|(z, slice)| {
        for y in 0..ny {
            for x in 0..nx {
                let before = |k: usize| k.saturating_sub(1);
                let after = |k: usize, n: usize| (k + 1).min(n - 1);
                let slopes = [
                    at(after(x, nx), y, z) * half[0] - at(before(x), y, z) * half[0],
                    at(x, after(y, ny), z) * half[1] - at(x, before(y), z) * half[1],
                    at(x, y, after(z, nz)) * half[2] - at(x, y, before(z)) * half[2],
                ];
                slice[y * nx + x] = slopes.iter().map(|g| g * g).sum::<f64>().sqrt() as f32;
            }
        }
    });
    Image { geometry: image.geometry.clone(), samples: Samples::F32(out) }
}
