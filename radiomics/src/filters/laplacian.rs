//! Laplacian of Gaussian by recursive filters (ITK `LaplacianRecursiveGaussianImageFilter`),
//! normalised across scales: the sum over axes of the second derivative along one and smoothing
//! along the other two, times sigma^2.

use osteon_kernels::ops::recursive::Recursive;
use osteon_kernels::simd::Level;
use osteon_kernels::voxels::{Real, Volume};

use crate::error::RadiomicsError;
use crate::image::{Geometry, Image, Samples};
use crate::roi::Window;

/// The filtered image in a window. Each filter reads whole lines, but only lines and places that a
/// later one, or the window, needs are computed.
///
/// # Errors
/// If a dimension has fewer than 4 voxels or fewer than `sigma` spans plus one.
pub(super) fn laplacian(image: &Image, window: Window, sigma: f64) -> Result<Samples, RadiomicsError> {
    let geometry = &image.geometry;
    let least = |k: usize| ((sigma / geometry.spacing[k]).ceil() as usize + 1).max(4);
    if let Some(k) = (0..3).find(|&k| geometry.size[k] < least(k)) {
        let range = format!("smaller: the image has {} voxels along axis {k}", geometry.size[k]);
        return Err(RadiomicsError::setting("sigma", sigma, range));
    }
    // Every stage is stored in the precision of the image, as in ITK.
    Ok(match &image.samples {
        Samples::F64(values) => Samples::F64(filtered(values, geometry, window, sigma)),
        Samples::F32(values) => Samples::F32(filtered(values, geometry, window, sigma)),
        Samples::I16(values) => {
            let values: Vec<f32> = values.iter().map(|&v| f32::from(v)).collect();
            Samples::F32(filtered(&values, geometry, window, sigma))
        }
    })
}

fn filtered<T: Real>(values: &[T], geometry: &Geometry, window: Window, sigma: f64) -> Vec<T> {
    let level = Level::current();
    let whole = Volume { size: geometry.size, values };
    let mut sum = vec![T::default(); window.size.iter().product()];
    for axis in 0..3 {
        let spacing = geometry.spacing;
        let second = Recursive::second(sigma, spacing[axis]);
        let mut volume = second.along(level, &whole, axis, window.range(axis));
        for other in (0..3).filter(|k| *k != axis) {
            let gaussian = Recursive::gaussian(sigma, spacing[other]);
            volume = gaussian.along(level, &volume, other, window.range(other));
        }
        let square = spacing[axis] * spacing[axis];
        sum.iter_mut().zip(&volume.values).for_each(|(s, v)| *s = T::round(s.wide() + v.wide() / square));
    }
    sum
}
