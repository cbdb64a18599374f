//! Stationary wavelet transform (PyWavelets `swtn`, PyRadiomics `getWaveletImage`): the image is
//! continued periodically, after a dimension of odd size got its first plane once more. Letters are
//! those of x, y, z; L low, H high. Each level decomposes the approximation of the one before, with the
//! same taps.

use super::lines::Volume;
use super::taps::Taps;
use crate::image::{Image, Samples};

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
/// at the end.
pub(super) fn bands(image: &Image, how: &Decomposition) -> Vec<(String, Image)> {
    let single = matches!(image.samples, Samples::F32(_));
    let mut whole = even(image);
    let mut found = Vec::new();
    for level in 1..=how.skipped + how.levels {
        let mut all: Vec<(String, Volume)> = vec![(String::new(), whole)];
        for axis in (0..3).filter(|a| how.flat != Some(*a)) {
            all = all
                .into_iter()
                .flat_map(|(letters, volume)| split(&letters, &volume, axis, how, single))
                .collect();
        }
        let approximation = all.remove(0);
        let number = (level - how.skipped.min(level)).to_string();
        let number = if number == "1" { "" } else { &number };
        if level > how.skipped {
            let named = all.iter().map(|(l, band)| (format!("{number}-{l}"), cropped(image, band, single)));
            found.extend(named);
            if level == how.skipped + how.levels {
                let (letters, band) = &approximation;
                found.push((format!("{number}-{letters}"), cropped(image, band, single)));
            }
        }
        whole = approximation.1;
    }
    found
}

/// Low and high band along an axis.
fn split(
    letters: &str,
    volume: &Volume,
    axis: usize,
    how: &Decomposition,
    single: bool,
) -> [(String, Volume); 2] {
    let taps = &how.taps;
    let band = |double: &[f64], f32s: &[f32]| {
        volume.along(axis, |line, out| convolve(line, out, double, f32s, single))
    };
    let (low, high) = (band(&taps.low, &taps.low_single), band(&taps.high, &taps.high_single));
    [(format!("{letters}L"), low), (format!("{letters}H"), high)]
}

/// The image with every dimension even.
fn even(image: &Image) -> Volume {
    let [nx, ny, nz] = image.geometry.size;
    let size = image.geometry.size.map(|n| n + n % 2);
    let mut values = Vec::with_capacity(size.iter().product());
    for z in 0..size[2] {
        for y in 0..size[1] {
            let row = (z % nz * ny + y % ny) * nx;
            values.extend((0..size[0]).map(|x| image.samples.get(row + x % nx)));
        }
    }
    Volume { size, values }
}

/// The part of a band that lies over the image.
fn cropped(image: &Image, band: &Volume, single: bool) -> Image {
    let [nx, ny, nz] = image.geometry.size;
    let rows = (0..nz * ny).flat_map(|k| {
        let start = (k / ny * band.size[1] + k % ny) * band.size[0];
        band.values[start..start + nx].iter()
    });
    let samples = if single {
        Samples::F32(rows.map(|&v| v as f32).collect())
    } else {
        Samples::F64(rows.copied().collect())
    };
    Image { geometry: image.geometry.clone(), samples }
}

/// Periodic convolution, `out[o] = sum_j taps[j] line[o + n / 2 - j]` for `n` taps, terms added in
/// PyWavelets' order and precision: those beyond the end of the line first, from its start on.
fn convolve(line: &[f64], out: &mut [f64], taps: &[f64], single_taps: &[f32], single: bool) {
    let (n, many) = (line.len(), taps.len());
    // out[o] needs line[o + 1 - many / 2] to line[o + many / 2].
    let before = many / 2 - 1;
    let window: Vec<f64> = (0..n + many - 1).map(|k| line[(k + many * n - before) % n]).collect();
    for (o, out) in out.iter_mut().enumerate() {
        let beyond = (o + many / 2 + 1).saturating_sub(n).min(many);
        let order = (0..beyond).rev().chain(beyond..many);
        let term = |j: usize| window[o + many - 1 - j];
        *out = if single {
            f64::from(order.fold(0f32, |sum, j| sum + single_taps[j] * term(j) as f32))
        } else {
            order.fold(0.0, |sum, j| sum + taps[j] * term(j))
        };
    }
}
