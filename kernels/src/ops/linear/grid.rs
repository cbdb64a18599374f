//! The weight gradient as a sum that does not depend on its order.
//!
//! Each term `dz x` (exact in f64) is rounded to a multiple of a grid `g` chosen so coarse that the
//! sum of all terms, of this process and of all others, stays below `2^53 g`: additions are then
//! exact, and lanes, blocks, threads and sites may take them in any order. Rounding a term costs one
//! addition and one subtraction of `1.5 2^52 g`. Source: Demmel and Nguyen, "Fast reproducible
//! floating-point summation", ARITH 2013, with one level.

use crate::simd::{Kernel, LANES, Level, Simd, run_on};
use crate::tiles::Lane;

/// A grid for the sums of up to a number of terms of bounded size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// `1.5 2^52 g`.
    rounder: f64,
}

impl Grid {
    /// The grid of sums of at most `terms` terms of size `bound` or less: `g` is at most
    /// `2^-50 terms bound`, so a sum is off by at most `2^-51 terms^2 bound`, and by about
    /// `2^-52 terms^1.5 bound` as terms round either way. `None` if the bound is not finite.
    pub fn new(bound: f64, terms: u64) -> Option<Self> {
        let most = bound * terms.max(1) as f64;
        if !most.is_finite() {
            return None;
        }
        if most == 0.0 {
            return Some(Self { rounder: 0.0 });
        }
        // most < 2^exponent
        let (_, exponent) = libm::frexp(most);
        Some(Self { rounder: libm::ldexp(1.5, exponent + 1) })
    }

    /// A term on the grid.
    #[inline(always)]
    pub fn round(self, term: f64) -> f64 {
        (term + self.rounder) - self.rounder
    }
}

struct WeightSums<'a> {
    inputs: usize,
    outputs: usize,
    x: &'a [Lane],
    dz: &'a [Lane],
    weights: Grid,
    biases: Grid,
    sums: &'a mut [f64],
}

impl Kernel for WeightSums<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { inputs, outputs, x, dz, weights, biases, sums } = self;
        let (w, b) = sums.split_at_mut(inputs * outputs);
        for o in 0..outputs {
            let mut bias = [0.0; LANES];
            for dz in dz.iter().skip(o).step_by(outputs) {
                for l in 0..LANES {
                    bias[l] += biases.round(f64::from(dz.0[l]));
                }
            }
            b[o] += bias.iter().sum::<f64>();
            for i in 0..inputs {
                let mut lanes = [0.0; LANES];
                let tiles = x[i..].iter().step_by(inputs).zip(dz[o..].iter().step_by(outputs));
                for (x, dz) in tiles {
                    for l in 0..LANES {
                        lanes[l] += weights.round(f64::from(dz.0[l]) * f64::from(x.0[l]));
                    }
                }
                w[o * inputs + i] += lanes.iter().sum::<f64>();
            }
        }
    }
}

/// Adds the weight gradient of these tiles to `sums`, `[O, I]` then `[O]`: `x` is `[T, I, 16]`, `dz`
/// `[T, O, 16]`. The grids are those of `|dz x|` and `|dz|` over all patients of all sites.
///
/// # Panics
/// If the shapes do not agree.
pub fn weight_sums(
    level: Level,
    (inputs, outputs): (usize, usize),
    x: &[Lane],
    dz: &[Lane],
    [weights, biases]: [Grid; 2],
    sums: &mut [f64],
) {
    assert_eq!(x.len() * outputs, dz.len() * inputs, "linear: tiles");
    assert_eq!(sums.len(), outputs * inputs + outputs, "linear: sums are [O, I] and [O]");
    if !x.is_empty() {
        run_on(level, WeightSums { inputs, outputs, x, dz, weights, biases, sums });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::from_rows;
    use osteon_core::rng::{Purpose, Stream};

    const I: usize = 5;
    const O: usize = 3;

    fn drawn(n: usize) -> (Vec<f32>, Vec<f32>) {
        let mut s = Stream::new(3, Purpose::Synthetic, 0);
        let mut draw = |n: usize| (0..n).map(|_| (s.normal() * (4.0 * s.normal()).exp()) as f32).collect();
        (draw(n * I), draw(n * O))
    }

    fn greatest(values: &[f32]) -> f64 {
        values.iter().fold(0.0, |m, v| f64::from(v.abs()).max(m))
    }

    fn sums(level: Level, x: &[f32], dz: &[f32], grids: [Grid; 2]) -> Vec<f64> {
        let n = x.len() / I;
        let mut sums = vec![0.0; O * I + O];
        weight_sums(level, (I, O), &from_rows(x, n, I), &from_rows(dz, n, O), grids, &mut sums);
        sums
    }

    #[test]
    fn any_spread_of_the_patients_gives_the_same_bits_and_nearly_the_exact_sum() {
        let n = 700;
        let (x, dz) = drawn(n);
        let grid = |bound| Grid::new(bound, n as u64).expect("finite");
        let grids = [grid(greatest(&x) * greatest(&dz)), grid(greatest(&dz))];
        let whole = sums(Level::current(), &x, &dz, grids);
        for level in Level::available() {
            for cut in [0, 1, 333, 512, n] {
                let first = sums(level, &x[..cut * I], &dz[..cut * O], grids);
                let second = sums(level, &x[cut * I..], &dz[cut * O..], grids);
                let joined: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
                assert_eq!(joined, whole, "{} {cut}", level.name());
            }
        }
        for o in 0..O {
            for i in 0..I {
                let exact: f64 = (0..n).map(|p| f64::from(dz[p * O + o]) * f64::from(x[p * I + i])).sum();
                let bound = greatest(&x) * greatest(&dz) * (n as f64).powi(2) * 2f64.powi(-51);
                assert!((whole[o * I + i] - exact).abs() <= bound, "{o} {i}");
            }
        }
        // A grid for fewer terms than there are is finer, and no longer safe to say anything about.
        assert!(Grid::new(f64::INFINITY, 1).is_none() && Grid::new(f64::NAN, 1).is_none());
        assert_eq!(Grid::new(0.0, 9).map(|g| g.round(0.0)), Some(0.0));
    }
}
