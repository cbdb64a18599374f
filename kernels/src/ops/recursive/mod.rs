//! `recursive`: smoothing and second derivative by a recursive filter along the lines of an axis.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | volume | `[Z, Y, X]` | f32 or f64 |
//! | out | `[Z, Y, X]`, cut along the axis to the places asked for | smoothed; or second derivative per voxel^2 times sigma^2 in mm^2 |
//!
//! `y[i] = sum_{k<4} n[k] x[i-k] - sum_{k<4} d[k] y[i-1-k]` forward, the same with `m` and `x[i+1+k]`
//! backward, and the sum of both; a line is continued by its ends. The coefficients fit a Gaussian by
//! four exponentials (Deriche, INRIA report 1893, 1993; ITK `RecursiveGaussianImageFilter`). Every output
//! depends on its whole line. Arithmetic is f64 in a fixed order, results are rounded to the type of
//! the volume.

pub mod device;
mod op;

pub use op::RecursiveOp;

use std::ops::Range;

use crate::simd::{Kernel, Level, Simd, run_on};
use crate::voxels::{Real, Tile, Volume, WIDTH};

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
#[derive(Debug, Clone, PartialEq)]
pub struct Recursive {
    n: [f64; 4],
    m: [f64; 4],
    d: [f64; 4],
    /// Weights of the border value that stand for the outputs before the line.
    border_n: [f64; 4],
    border_m: [f64; 4],
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
    /// Smoothing with weights that add up to 1; `sigma` and `spacing` in mm.
    pub fn gaussian(sigma: f64, spacing: f64) -> Self {
        let sigma = sigma / spacing;
        let (n, d) = (GAUSSIAN.numerator(sigma), denominator(sigma));
        let [sn, ..] = moments(&n, 0);
        let sd = 1.0 + moments(&d, 1)[0];
        let scale = 1.0 / (2.0 * sn / sd - n[0]);
        Self::symmetric(n.map(|n| n * scale), d)
    }

    /// The second derivative per voxel^2 times sigma^2 in mm^2: 0 on constants, exact on parabolas.
    pub fn second(sigma_mm: f64, spacing: f64) -> Self {
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

    /// Filters the lines along `axis`; of each only the places in `keep` are written.
    pub fn along<T: Real, V: AsRef<[T]>>(
        &self,
        level: Level,
        volume: &Volume<V>,
        axis: usize,
        keep: Range<usize>,
    ) -> Volume<Vec<T>> {
        let places: Vec<usize> = (0..volume.size[axis]).collect();
        volume.along(axis, &places, keep.len(), |read, out| {
            run_on(level, Lines { filter: self, read, keep: keep.clone(), out });
        })
    }
}

/// Sixteen lines under one filter.
struct Lines<'a, T> {
    filter: &'a Recursive,
    read: &'a Tile<T>,
    keep: Range<usize>,
    out: &'a mut Tile<T>,
}

type Wide = [f64; WIDTH];

#[inline(always)]
fn wide<T: Real>(x: &[T; WIDTH]) -> Wide {
    std::array::from_fn(|lane| x[lane].wide())
}

/// `sum c[k] x[k]`, added in order.
#[inline(always)]
fn weighted(c: &[f64; 4], x: &[Wide; 4]) -> Wide {
    std::array::from_fn(|lane| x[0][lane] * c[0] + x[1][lane] * c[1] + x[2][lane] * c[2] + x[3][lane] * c[3])
}

/// The newest of four values first.
#[inline(always)]
fn shift(window: &mut [Wide; 4], new: Wide) {
    *window = [new, window[0], window[1], window[2]];
}

impl<T: Real> Kernel for Lines<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let Self { filter, read, keep, out } = self;
        let n = read.len();
        if n == 0 {
            return;
        }
        let mut sums = vec![[0.0; WIDTH]; keep.len()];
        let first = wide(&read[0]);
        let mut x = [first; 4];
        let step = |window: &[Wide; 4], c: &[f64; 4], old: &Wide| -> Wide {
            let new = weighted(c, window);
            std::array::from_fn(|lane| new[lane] - old[lane])
        };
        let mut y: [Wide; 4] = [[0.0; WIDTH]; 4];
        for i in 0..keep.end {
            shift(&mut x, wide(&read[i]));
            let value = step(&x, &filter.n, &recalled(&filter.d, &y, &filter.border_n, &first, i));
            shift(&mut y, value);
            if i >= keep.start {
                sums[i - keep.start] = value;
            }
        }
        let last = wide(&read[n - 1]);
        let mut x = [last; 4];
        let mut y: [Wide; 4] = [[0.0; WIDTH]; 4];
        for i in (keep.start..n).rev() {
            let value = step(&x, &filter.m, &recalled(&filter.d, &y, &filter.border_m, &last, n - 1 - i));
            shift(&mut x, wide(&read[i]));
            shift(&mut y, value);
            if keep.contains(&i) {
                let sum = &sums[i - keep.start];
                out[i - keep.start] = std::array::from_fn(|lane| T::round(sum[lane] + value[lane]));
            }
        }
    }
}

/// What earlier outputs add, `done` of them being there.
#[inline(always)]
fn recalled(d: &[f64; 4], y: &[Wide; 4], border_weight: &[f64; 4], border: &Wide, done: usize) -> Wide {
    if done >= 4 {
        return weighted(d, y);
    }
    std::array::from_fn(|lane| {
        let old = |k: usize| if done > k { y[k][lane] * d[k] } else { border[lane] * border_weight[k] };
        old(0) + old(1) + old(2) + old(3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_constants_and_the_second_derivative_removes_them() {
        let line = Volume { size: [40, 1, 1], values: vec![3.0; 40] };
        let out = Recursive::gaussian(4.0, 2.0).along::<f64, _>(Level::current(), &line, 0, 0..40).values;
        assert!(out.iter().all(|x| (x - 3.0).abs() < 1e-12), "{out:?}");
        let out = Recursive::second(4.0, 2.0).along::<f64, _>(Level::current(), &line, 0, 0..40).values;
        assert!(out.iter().all(|x| x.abs() < 1e-9), "{out:?}");
    }

    #[test]
    fn the_second_derivative_of_a_parabola_is_its_curvature() {
        let values: Vec<f64> = (0..200).map(|k| (f64::from(k) - 100.0).powi(2)).collect();
        let line = Volume { size: [1, 1, 200], values };
        let out = Recursive::second(3.0, 1.0).along::<f64, _>(Level::current(), &line, 2, 0..200).values;
        // 2 per voxel^2 times sigma^2, away from the ends.
        assert!((out[100] - 18.0).abs() < 1e-6, "{}", out[100]);
    }
}
