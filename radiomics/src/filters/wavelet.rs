//! Stationary wavelet transform (PyWavelets `swtn`, PyRadiomics `getWaveletImage`): the image is
//! continued periodically, after a dimension of odd size got its first plane once more. Letters are
//! those of x, y, z; L low, H high. Each level decomposes the approximation of the one before, with the
//! same taps. Terms are added in PyWavelets' order but within half a filter of the end of a line, where
//! single-precision images may differ in their last bits.

use std::ops::{AddAssign, Mul};

use osteon_kernels::ops::convolve::convolve;
use osteon_kernels::simd::Level;
use osteon_kernels::voxels::{Real, Volume};

use super::taps::Taps;
use crate::image::{Image, Samples};
use crate::roi::Window;

/// What is decomposed how often.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decomposition {
    pub taps: Taps,
    /// Levels without bands of their own.
    pub skipped: usize,
    /// Levels with bands.
    pub levels: usize,
    /// The axis that is left as it is.
    pub flat: Option<usize>,
}

/// The bands in PyRadiomics' order by the ends of their names (`-HLL`, `2-HLL`), the last approximation
/// at the end, in a window.
pub(super) fn bands(image: &Image, window: Window, how: &Decomposition) -> Vec<(String, Samples)> {
    let (size, taps) = (image.geometry.size, &how.taps);
    match &image.samples {
        Samples::F32(values) => {
            let found = levels(size, window, how, [&taps.low_single, &taps.high_single], |k| values[k]);
            found.into_iter().map(|(end, band)| (end, Samples::F32(band))).collect()
        }
        samples => {
            let found = levels(size, window, how, [&taps.low, &taps.high], |k| samples.get(k));
            found.into_iter().map(|(end, band)| (end, Samples::F64(band))).collect()
        }
    }
}

/// The same for values at places of an image of `size`.
fn levels<T: Real + Mul<Output = T> + AddAssign>(
    size: [usize; 3],
    window: Window,
    how: &Decomposition,
    taps: [&[T]; 2],
    value: impl Fn(usize) -> T,
) -> Vec<(String, Vec<T>)> {
    let mut found = Vec::new();
    let last = how.skipped + how.levels;
    // An approximation that is decomposed again is needed everywhere, with every dimension even.
    let even = size.map(|n| n + n % 2);
    let mut before: Option<Vec<T>> = None;
    for level in 1..=last {
        let here = if level == last { window } else { Window::whole(even) };
        let part = match &before {
            None => extended(size, here, how.flat, taps[0].len(), &value),
            Some(values) => extended(even, here, how.flat, taps[0].len(), |k| values[k]),
        };
        let mut all = transformed(part, how.flat, taps);
        if level > how.skipped {
            let number =
                if level == how.skipped + 1 { String::new() } else { (level - how.skipped).to_string() };
            let in_window = |band: &Volume<Vec<T>>| match level == last {
                true => band.values.clone(),
                false => band.cropped(window.corner, window.size).values,
            };
            all.rotate_left(1);
            let kept = if level == last { all.len() } else { all.len() - 1 };
            found.extend(all[..kept].iter().map(|(l, band)| (format!("{number}-{l}"), in_window(band))));
            all.rotate_right(1);
        }
        before = Some(all.swap_remove(0).1.values);
    }
    found
}

/// The window with what filters of `taps` taps reach beyond it.
fn extended<T: Copy>(
    size: [usize; 3],
    window: Window,
    flat: Option<usize>,
    taps: usize,
    value: impl Fn(usize) -> T,
) -> Volume<Vec<T>> {
    let [x, y, z] = [0, 1, 2].map(|axis| {
        let n = size[axis];
        let (before, after) = if flat == Some(axis) { (0, 0) } else { (taps / 2 - 1, taps / 2) };
        // Periodic with an even period; a line of odd length has its first voxel once more at the end.
        let period = n + n % 2;
        let place = move |k: usize| (k + before * period - before) % period % n;
        let range = window.range(axis);
        (range.start..range.end + before + after).map(place).collect::<Vec<_>>()
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

/// The bands of an extended part by their letters, the approximation first.
fn transformed<T: Real + Mul<Output = T> + AddAssign>(
    part: Volume<Vec<T>>,
    flat: Option<usize>,
    [low, high]: [&[T]; 2],
) -> Vec<(String, Volume<Vec<T>>)> {
    let mut all = vec![(String::new(), part)];
    for axis in (0..3).filter(|a| flat != Some(*a)) {
        all = all
            .into_iter()
            .flat_map(|(letters, volume)| {
                let places: Vec<usize> = (0..volume.size[axis]).collect();
                let filter = |taps: &[T]| convolve(Level::current(), &volume, axis, taps, &places);
                [(letters.clone() + "L", filter(low)), (letters + "H", filter(high))]
            })
            .collect();
    }
    all
}
