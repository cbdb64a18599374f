//! Stationary wavelet transform with coif1, one level (PyWavelets `swtn`, PyRadiomics
//! `getWaveletImage`): the image is continued periodically, after a dimension of odd size got its
//! first plane once more. Letters are those of x, y, z; L low, H high.

use std::ops::{AddAssign, Mul, Neg};

use osteon_kernels::ops::convolve::convolve;
use osteon_kernels::simd::Level;
use osteon_kernels::voxels::{Real, Volume};

use crate::image::{Image, Samples};
use crate::roi::Window;

/// Low-pass decomposition filter of coif1 (Daubechies 1993), with the digits PyWavelets 1.8 has.
const LOW: [f64; 6] = [
    -0.015655728135791993,
    -0.07273261951252645,
    0.3848648468648578,
    0.8525720202116004,
    0.3378976624574818,
    -0.07273261951252645,
];

/// The same as its single-precision transform has them: the fourth is not the nearest to the above.
const LOW_SINGLE: [f32; 6] = [-0.015655728, -0.07273262, 0.38486484, 0.85257196, 0.33789766, -0.07273262];

/// The high-pass filter of an orthogonal wavelet.
fn high<T: Copy + Neg<Output = T>>(low: &[T; 6]) -> [T; 6] {
    std::array::from_fn(|j| if j % 2 == 0 { -low[5 - j] } else { low[5 - j] })
}

/// The bands in PyRadiomics' order, the approximation LLL last, in a window.
pub(super) fn bands(image: &Image, window: Window) -> Vec<(String, Samples)> {
    match &image.samples {
        Samples::F32(values) => {
            let part = extended(image, window, |k| values[k]);
            transformed(part, &LOW_SINGLE).map(|(name, band)| (name, Samples::F32(band))).collect()
        }
        samples => {
            let part = extended(image, window, |k| samples.get(k));
            transformed(part, &LOW).map(|(name, band)| (name, Samples::F64(band))).collect()
        }
    }
}

/// The window with what the filters reach beyond it: two voxels before, three after.
fn extended<T: Copy>(image: &Image, window: Window, value: impl Fn(usize) -> T) -> Volume<Vec<T>> {
    let size = image.geometry.size;
    let [x, y, z] = [0, 1, 2].map(|axis| {
        let n = size[axis];
        // Periodic with an even period; a line of odd length has its first voxel once more at the end.
        let period = n + n % 2;
        let place = move |k: usize| (k + 2 * period - 2) % period % n;
        let range = window.range(axis);
        (range.start..range.end + 5).map(place).collect::<Vec<_>>()
    });
    let mut values = Vec::with_capacity(x.len() * y.len() * z.len());
    for &z in &z {
        for &y in &y {
            let row = (z * size[1] + y) * size[0];
            values.extend(x.iter().map(|x| value(row + x)));
        }
    }
    Volume { size: [x.len(), y.len(), z.len()], values }
}

/// The eight bands of an extended part.
fn transformed<T>(part: Volume<Vec<T>>, low: &[T; 6]) -> impl Iterator<Item = (String, Vec<T>)>
where
    T: Real + Mul<Output = T> + AddAssign + Neg<Output = T>,
{
    let high = high(low);
    let mut all = vec![(String::new(), part)];
    for axis in 0..3 {
        all = all
            .into_iter()
            .flat_map(|(letters, volume)| {
                let places: Vec<usize> = (0..volume.size[axis]).collect();
                let filter = |taps: &[T; 6]| convolve(Level::current(), &volume, axis, taps, &places);
                [(letters.clone() + "L", filter(low)), (letters + "H", filter(&high))]
            })
            .collect();
    }
    all.rotate_left(1);
    all.into_iter().map(|(letters, volume)| (letters, volume.values))
}
