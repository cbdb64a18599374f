//! Laplacian of Gaussian by recursive filters (Deriche 1993, INRIA report 1893; ITK
//! `LaplacianRecursiveGaussianImageFilter`), normalised across scales: the sum over axes of the
//! second derivative along one and smoothing along the other two, times sigma^2.

use super::lines::Volume;
use crate::error::RadiomicsError;
use crate::image::{Image, Samples};

/// Exponential series of Deriche's fit: decays and frequencies shared by all orders, and for
/// the Gaussian and its second derivative the amplitudes of cosine and sine.
const W: [f64; 2] = [0.6681, 2.0787];
const L: [f64; 2] = [-1.3932, -1.3732];
const GAUSSIAN: Series = Series { a: [1.3530, -0.3531], b: [1.8151, 0.0902] };
const SECOND: Series = Series { a: [-1.3563, 0.3446], b: [5.2318, -2.2355] };

struct Series {
    a: [f64; 2],
    b: [f64; 2],
}

/// A fourth-order recursive filter, forward and backward, that continues a line by its ends.
struct Recursive {
    n: [f64; 4],
    m: [f64; 4],
    d: [f64; 4],
    /// Weights of the border value that stand for the outputs before the line.
    border_n: [f64; 4],
    border_m: [f64; 4],
}

/// The filtered image.
///
/// # Errors
/// If a dimension has fewer than 4 voxels or fewer than `sigma` spans plus one.
pub(super) fn laplacian(image: &Image, sigma: f64) -> Result<Image, RadiomicsError> {
    let geometry = &image.geometry;
    let least = |k: usize| ((sigma / geometry.spacing[k]).ceil() as usize + 1).max(4);
    if let Some(k) = (0..3).find(|&k| geometry.size[k] < least(k)) {
        let range = format!("smaller: the image has {} voxels along axis {k}", geometry.size[k]);
        return Err(RadiomicsError::setting("sigma", sigma, range));
    }
    let double = matches!(image.samples, Samples::F64(_));
    let round = |x: f64| if double { x } else { f64::from(x as f32) };
    let values: Vec<f64> = (0..image.samples.len()).map(|k| image.samples.get(k)).collect();
    let whole = Volume { size: geometry.size, values };
    let mut sum = vec![0.0; image.samples.len()];
    for axis in 0..3 {
        // Every stage is stored in the precision of the image, as in ITK.
        let stage = |volume: &Volume, along: usize, filter: Recursive| {
            volume.along(along, |line, out| {
                filter.apply(line, out);
                out.iter_mut().for_each(|x| *x = round(*x));
            })
        };
        let mut volume = stage(&whole, axis, Recursive::second(sigma, geometry.spacing[axis]));
        for other in (0..3).filter(|k| *k != axis) {
            volume = stage(&volume, other, Recursive::gaussian(sigma, geometry.spacing[other]));
        }
        let square = geometry.spacing[axis] * geometry.spacing[axis];
        sum.iter_mut().zip(&volume.values).for_each(|(s, v)| *s = round(*s + v / square));
    }
    let samples =
        if double { Samples::F64(sum) } else { Samples::F32(sum.into_iter().map(|v| v as f32).collect()) };
    Ok(Image { geometry: geometry.clone(), samples })
}

/// `sum c`, `sum k c` and `sum k^2 c` of coefficients `c` whose powers start at `first`.
fn moments(c: &[f64; 4], first: usize) -> [f64; 3] {
    let of =
        |power: i32| c.iter().enumerate().map(|(k, c)| ((k + first) as f64).powi(power) * c).sum::<f64>();
    [of(0), of(1), of(2)]
}

impl Series {
    /// Numerator of the forward filter at `sigma` voxels.
    fn numerator(&self, sigma: f64) -> [f64; 4] {
        let [(s1, c1, e1), (s2, c2, e2)] = waves(sigma);
        let ([a1, a2], [b1, b2]) = (self.a, self.b);
        [
            a1 + a2,
            e2 * (b2 * s2 - (a2 + 2.0 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2.0 * a2) * c1),
            ((a1 + a2) * c2 * c1 - (b1 * c2 * s1 + b2 * c1 * s2)) * (2.0 * e1 * e2)
                + (a2 * e1 * e1 + a1 * e2 * e2),
            e2 * e1 * e1 * (b2 * s2 - a2 * c2) + e1 * e2 * e2 * (b1 * s1 - a1 * c1),
        ]
    }
}

/// Sine, cosine and decay of the two terms at `sigma` voxels.
fn waves(sigma: f64) -> [(f64, f64, f64); 2] {
    [0, 1].map(|k| ((W[k] / sigma).sin(), (W[k] / sigma).cos(), (L[k] / sigma).exp()))
}

fn denominator(sigma: f64) -> [f64; 4] {
    let [(_, c1, e1), (_, c2, e2)] = waves(sigma);
    [
        -2.0 * (e2 * c2 + e1 * c1),
        4.0 * c2 * c1 * e1 * e2 + (e1 * e1 + e2 * e2),
        -2.0 * c1 * e1 * e2 * e2 - 2.0 * c2 * e2 * e1 * e1,
        e1 * e1 * e2 * e2,
    ]
}

impl Recursive {
    /// Smoothing with weights that add up to 1.
    fn gaussian(sigma: f64, spacing: f64) -> Self {
        let sigma = sigma / spacing;
        let (n, d) = (GAUSSIAN.numerator(sigma), denominator(sigma));
        let [sn, ..] = moments(&n, 0);
        let sd = 1.0 + moments(&d, 1)[0];
        let scale = 1.0 / (2.0 * sn / sd - n[0]);
        Self::symmetric(n.map(|n| n * scale), d)
    }

    /// The second derivative per voxel^2 times sigma^2 in mm^2: 0 on constants, exact on parabolas.
    fn second(sigma_mm: f64, spacing: f64) -> Self {
        let sigma = sigma_mm / spacing;
        let d = denominator(sigma);
        let [dd0, dd, ed] = moments(&d, 1);
        let sd = 1.0 + dd0;
        let (n0, n2) = (GAUSSIAN.numerator(sigma), SECOND.numerator(sigma));
        let (m0, m2) = (moments(&n0, 0), moments(&n2, 0));
        let beta = -(2.0 * m2[0] - sd * n2[0]) / (2.0 * m0[0] - sd * n0[0]);
        let n: [f64; 4] = std::array::from_fn(|k| n2[k] + beta * n0[k]);
        let [sn, dn, en] = std::array::from_fn(|k| m2[k] + beta * m0[k]);
        let alpha = (en * sd * sd - ed * sn * sd - 2.0 * dn * dd * sd + 2.0 * dd * dd * sn) / (sd * sd * sd);
        let scale = sigma_mm * sigma_mm / alpha;
        Self::symmetric(n.map(|n| n * scale), d)
    }

    /// Adds the backward filter of a symmetric kernel.
    fn symmetric(n: [f64; 4], d: [f64; 4]) -> Self {
        let m = [n[1] - d[0] * n[0], n[2] - d[1] * n[0], n[3] - d[2] * n[0], -d[3] * n[0]];
        let sd = 1.0 + d.iter().sum::<f64>();
        let (sn, sm) = (n.iter().sum::<f64>(), m.iter().sum::<f64>());
        Self { n, m, d, border_n: d.map(|d| d * sn / sd), border_m: d.map(|d| d * sm / sd) }
    }

    /// Filters a line.
    fn apply(&self, line: &[f64], out: &mut [f64]) {
        let n = line.len();
        let (first, last) = (line[0], line[n - 1]);
        for i in 0..n {
            let x = |k: usize| if i >= k { line[i - k] } else { first };
            let new = x(0) * self.n[0] + x(1) * self.n[1] + x(2) * self.n[2] + x(3) * self.n[3];
            let old = |k: usize| if i > k { out[i - k - 1] * self.d[k] } else { first * self.border_n[k] };
            out[i] = new - (old(0) + old(1) + old(2) + old(3));
        }
        // The backward outputs, the latest first.
        let mut back = [0.0; 4];
        for i in (0..n).rev() {
            let done = n - 1 - i;
            let x = |k: usize| if i + k < n { line[i + k] } else { last };
            let new = x(1) * self.m[0] + x(2) * self.m[1] + x(3) * self.m[2] + x(4) * self.m[3];
            let old = |k: usize| if done > k { back[k] * self.d[k] } else { last * self.border_m[k] };
            let value = new - (old(0) + old(1) + old(2) + old(3));
            back = [value, back[0], back[1], back[2]];
            out[i] += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_constants_and_the_second_derivative_removes_them() {
        let line = [3.0; 40];
        let mut out = [0.0; 40];
        Recursive::gaussian(4.0, 2.0).apply(&line, &mut out);
        assert!(out.iter().all(|x| (x - 3.0).abs() < 1e-12), "{out:?}");
        Recursive::second(4.0, 2.0).apply(&line, &mut out);
        assert!(out.iter().all(|x| x.abs() < 1e-9), "{out:?}");
    }

    #[test]
    fn the_second_derivative_of_a_parabola_is_its_curvature() {
        let line: Vec<f64> = (0..200).map(|k| (f64::from(k) - 100.0).powi(2)).collect();
        let mut out = vec![0.0; 200];
        Recursive::second(3.0, 1.0).apply(&line, &mut out);
        // 2 per voxel^2 times sigma^2, away from the ends.
        assert!((out[100] - 18.0).abs() < 1e-6, "{}", out[100]);
    }
}
