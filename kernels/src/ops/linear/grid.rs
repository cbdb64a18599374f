//! The weight gradient as a sum that does not depend on its order.
//!
//! Each term `dz x` (exact in f64) is rounded to a multiple of a grid `g` chosen so coarse that the
//! sum of all terms, of this process and of all others, stays below `2^53 g`: additions are then
//! exact, and lanes, blocks, threads and sites may take them in any order. Rounding a term is one
//! addition of `1.5 2^52 g`; the sum is one of integers. Source: Demmel and Nguyen, "Fast reproducible
//! floating-point summation", ARITH 2013, with one level.

use crate::simd::{Kernel, LANES, LANES_F64, Level, Simd, run_on};
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

    /// The sum of `terms` terms from the sums of the bits of `term + rounder` by lane. All arithmetic is modulo 2^64, and the
    /// multiple of `g` that is left is below 2^53.
    #[inline(always)]
    fn sum<S: Simd>(self, s: S, bits: S::D, terms: usize) -> f64 {
        // Every term is zero, of either sign.
        if self.rounder == 0.0 {
            return 0.0;
        }
        let mut lanes = [0.0f64; LANES_F64];
        // SAFETY: the array holds 8 lanes.
        unsafe { s.store_d(lanes.as_mut_ptr(), bits) };
        let all = lanes.iter().fold(0u64, |sum, lane| sum.wrapping_add(lane.to_bits()));
        let rounders = self.rounder.to_bits().wrapping_mul(terms as u64);
        all.wrapping_sub(rounders) as i64 as f64 * libm::ldexp(self.rounder / 1.5, -52)
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
    fn run<S: Simd>(mut self, s: S) {
        self.biases(s);
        // As many sums as the registers hold beside their terms.
        if S::TILES > 1 { self.weights::<S, 4>(s) } else { self.weights::<S, 2>(s) }
    }
}

impl WeightSums<'_> {
    /// The sums of `N` outputs with `N` inputs at a time, then of the rows and columns left over.
    #[inline(always)]
    fn weights<S: Simd, const N: usize>(&mut self, s: S) {
        let whole = |n: usize| n - n % N;
        for o in (0..whole(self.outputs)).step_by(N) {
            for i in (0..whole(self.inputs)).step_by(N) {
                self.block::<S, N>(s, o, i);
            }
        }
        for o in 0..self.outputs {
            let from = if o < whole(self.outputs) { whole(self.inputs) } else { 0 };
            for i in from..self.inputs {
                self.block::<S, 1>(s, o, i);
            }
        }
    }

    /// The product is exact in f64, so the fused addition of the rounder rounds it as [`Grid::round`] does. All terms
    /// plus the rounder have one exponent: their bits are consecutive integers, and adding these needs no
    /// subtraction of the rounder from each.
    #[inline(always)]
    fn block<S: Simd, const N: usize>(&mut self, s: S, o: usize, i: usize) {
        let rounder = s.splat_d(self.weights.rounder);
        let mut bits = [[s.splat_d(0.0); N]; N];
        for (x, dz) in self.x.chunks_exact(self.inputs).zip(self.dz.chunks_exact(self.outputs)) {
            // SAFETY: a lane is 16 numbers.
            let widened = |lane: &Lane| s.widen(unsafe { s.load(lane.0.as_ptr()) });
            let x: [_; N] = std::array::from_fn(|k| widened(&x[i + k]));
            for (bits, dz) in bits.iter_mut().zip(&dz[o..o + N]) {
                let dz = widened(dz);
                for (bits, x) in bits.iter_mut().zip(&x) {
                    *bits = s.add_bits_d(*bits, s.fma_d(dz.0, x.0, rounder));
                    *bits = s.add_bits_d(*bits, s.fma_d(dz.1, x.1, rounder));
                }
            }
        }
        let terms = self.x.len() / self.inputs * LANES;
        for (j, bits) in bits.into_iter().enumerate() {
            for (k, bits) in bits.into_iter().enumerate() {
                self.sums[(o + j) * self.inputs + i + k] += self.weights.sum(s, bits, terms);
            }
        }
    }

    #[inline(always)]
    fn biases<S: Simd>(&mut self, s: S) {
        let rounder = s.splat_d(self.biases.rounder);
        for o in 0..self.outputs {
            let mut bits = s.splat_d(0.0);
            for dz in self.dz.iter().skip(o).step_by(self.outputs) {
                // SAFETY: a lane is 16 numbers.
                let (low, high) = s.widen(unsafe { s.load(dz.0.as_ptr()) });
                bits = s.add_bits_d(bits, s.add_d(low, rounder));
                bits = s.add_bits_d(bits, s.add_d(high, rounder));
            }
            let terms = self.dz.len() / self.outputs * LANES;
            self.sums[self.inputs * self.outputs + o] += self.biases.sum(s, bits, terms);
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

    // Whole blocks of 2 and 4 and something left over.
    const I: usize = 9;
    const O: usize = 7;

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

    /// Term by term, as the definition has it.
    fn plain(x: &[f32], dz: &[f32], [weights, biases]: [Grid; 2]) -> Vec<f64> {
        let mut sums = vec![0.0; O * I + O];
        for (x, dz) in x.chunks_exact(I).zip(dz.chunks_exact(O)) {
            for (o, &dz) in dz.iter().enumerate() {
                for (i, &x) in x.iter().enumerate() {
                    sums[o * I + i] += weights.round(f64::from(dz) * f64::from(x));
                }
                sums[O * I + o] += biases.round(f64::from(dz));
            }
        }
        sums
    }

    #[test]
    fn the_bits_are_those_of_the_definition() {
        // The last: one term that fills its grid, and terms that are all zero.
        let mut cases = vec![drawn(333), drawn(1), (vec![1.0; 16 * I], vec![-1.0; 16 * O])];
        cases.push((vec![1.5; I], vec![0.0; O]));
        for (x, dz) in cases {
            for scale in [1.0, 1e-18, 1e15] {
                let x: Vec<f32> = x.iter().map(|v| v * scale).collect();
                let n = (x.len() / I) as u64;
                let grid = |bound| Grid::new(bound, n).expect("finite");
                let grids = [grid(greatest(&x) * greatest(&dz)), grid(greatest(&dz))];
                for level in Level::available() {
                    assert_eq!(sums(level, &x, &dz, grids), plain(&x, &dz, grids), "{} {n}", level.name());
                }
            }
        }
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
