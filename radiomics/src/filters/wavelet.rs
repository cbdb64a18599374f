//! Stationary wavelet transform with coif1, one level (PyWavelets `swtn`, PyRadiomics
//! `getWaveletImage`): the image is continued periodically, after a dimension of odd size got its
//! first plane once more. Letters are those of x, y, z; L low, H high.

use super::lines::Volume;
use crate::image::{Image, Samples};

/// Decomposition filters of coif1 (Daubechies 1993), in PyWavelets' order.
const LOW: [f64; 6] = [
    -0.01565572813546454,
    -0.0727326195128539,
    0.38486484686420286,
    0.8525720202122554,
    0.3378976624578092,
    -0.0727326195128539,
];
const HIGH: [f64; 6] = [
    0.0727326195128539,
    0.3378976624578092,
    -0.8525720202122554,
    0.38486484686420286,
    0.0727326195128539,
    -0.01565572813546454,
];

/// The bands in PyRadiomics' order, the approximation LLL last.
pub(super) fn bands(image: &Image) -> Vec<(String, Image)> {
    let single = matches!(image.samples, Samples::F32(_));
    let whole = even(image);
    let mut all: Vec<(String, Volume)> = vec![(String::new(), whole)];
    for axis in 0..3 {
        all = all
            .into_iter()
            .flat_map(|(letters, volume)| {
                let low = volume.along(axis, |line, out| convolve(line, out, &LOW, single));
                let high = volume.along(axis, |line, out| convolve(line, out, &HIGH, single));
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
fn convolve(line: &[f64], out: &mut [f64], filter: &[f64; 6], single: bool) {
    let n = line.len() as isize;
    let at = |k: isize| line[k.rem_euclid(n) as usize];
    for (o, out) in out.iter_mut().enumerate() {
        let terms = filter.iter().enumerate().map(|(j, f)| (*f, at(o as isize + 3 - j as isize)));
        *out = if single {
            f64::from(terms.fold(0f32, |sum, (f, x)| sum + f as f32 * x as f32))
        } else {
            terms.fold(0.0, |sum, (f, x)| sum + f * x)
        };
    }
}
