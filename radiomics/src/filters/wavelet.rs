//! Stationary wavelet transform with coif1, one level (PyWavelets `swtn`, PyRadiomics
//! `getWaveletImage`): the image is continued periodically, after a dimension of odd size got its
//! first plane once more. Letters are those of x, y, z; L low, H high.

use super::lines::Volume;
use crate::image::{Image, Samples};

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
fn high<T: Copy + std::ops::Neg<Output = T>>(low: &[T; 6]) -> [T; 6] {
    std::array::from_fn(|j| if j % 2 == 0 { -low[5 - j] } else { low[5 - j] })
}

/// The bands in PyRadiomics' order, the approximation LLL last.
pub(super) fn bands(image: &Image) -> Vec<(String, Image)> {
    let single = matches!(image.samples, Samples::F32(_));
    let whole = even(image);
    let mut all: Vec<(String, Volume)> = vec![(String::new(), whole)];
    for axis in 0..3 {
        all = all
            .into_iter()
            .flat_map(|(letters, volume)| {
                let low = volume.along(axis, |line, out| convolve(line, out, &LOW, &LOW_SINGLE, single));
                let high = volume
                    .along(axis, |line, out| convolve(line, out, &high(&LOW), &high(&LOW_SINGLE), single));
                [(letters.clone() + "L", low), (letters + "H", high)]
            })
            .collect();
    }
    all.rotate_left(1);
    all.into_iter().map(|(letters, volume)| (letters, cropped(image, &volume, single))).collect()
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

/// Periodic convolution, `out[o] = sum_j filter[j] line[o + 3 - j]`, terms added in PyWavelets'
/// order and precision.
fn convolve(line: &[f64], out: &mut [f64], filter: &[f64; 6], single_filter: &[f32; 6], single: bool) {
    let n = line.len();
    // out[o] needs line[o - 2] to line[o + 3].
    let mut window = vec![0.0; n + 5];
    for (k, x) in window.iter_mut().enumerate() {
        *x = line[(k + 2 * n - 2) % n];
    }
    for (out, terms) in out.iter_mut().zip(window.windows(6)) {
        let terms = terms.iter().rev();
        *out = if single {
            f64::from(terms.zip(single_filter).fold(0f32, |sum, (x, f)| sum + f * *x as f32))
        } else {
            terms.zip(filter).fold(0.0, |sum, (x, f)| sum + f * x)
        };
    }
}
