//! `moments`: weighted mean and variance of each unit over patients.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | z | `[N, H]` | values |
//! | weight | `[N]` | case weight; 0 is absent |
//! | mean, var | `[H]` | `sum w z / W` and `sum w (z - mean)^2 / W`, `W = sum w` |
//!
//! Two passes, so that a large mean costs no digits of the variance. (Moments that cross sites are
//! exact sums instead: `osteon_core::ExactSum`.)

pub mod device;
mod op;

pub use op::MomentsOp;

use crate::ops::linear::BLOCK_TILES;
use crate::simd::{Kernel, Level, Simd, run_on};
use crate::tiles::Lane;

/// Weighted moments of each unit over a batch.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Means, `[H]`.
    pub mean: Vec<f64>,
    /// Variances (divisor: summed weight), `[H]`.
    pub var: Vec<f64>,
}

/// Per unit, sums over all patients of two products with `weight`: `sum w a b` or `sum w a`.
struct ColumnSums<'a> {
    width: usize,
    a: &'a [Lane],
    b: Option<&'a [Lane]>,
    weight: Option<&'a [Lane]>,
    centre: &'a [f32],
    sums: &'a mut [f64],
}

impl Kernel for ColumnSums<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tiles = self.a.len() / self.width;
        for j in 0..self.width {
            let centre = s.splat(self.centre.get(j).copied().unwrap_or(0.0));
            for block in (0..tiles).step_by(BLOCK_TILES) {
                let mut acc = s.splat(0.0);
                for t in block..tiles.min(block + BLOCK_TILES) {
                    let at = t * self.width + j;
                    // SAFETY: lanes hold 16 values.
                    unsafe {
                        let a = s.sub(s.load(self.a[at].0.as_ptr()), centre);
                        let b = match self.b {
                            Some(b) => s.sub(s.load(b[at].0.as_ptr()), centre),
                            None => s.splat(1.0),
                        };
                        let b = match self.weight {
                            Some(w) => s.mul(b, s.load(w[t].0.as_ptr())),
                            None => b,
                        };
                        acc = s.fma(a, b, acc);
                    }
                }
                self.sums[j] += f64::from(s.sum(acc));
            }
        }
    }
}

/// Per unit, `sum w (a - c)(b - c)`, or `sum w (a - c)` without `b`, over all patients; 16 lane sums
/// per block, blocks in order in f64. `w` is 1 and `c` 0 where absent.
pub fn column_sums(
    level: Level,
    width: usize,
    a: &[Lane],
    b: Option<&[Lane]>,
    weight: Option<&[Lane]>,
    centre: &[f32],
) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    run_on(level, ColumnSums { width, a, b, weight, centre, sums: &mut sums });
    sums
}

/// Moments of `z` (`[T, H, 16]`) under case weights (`[T]` lanes, 0 for padding), in two passes.
pub fn statistics(level: Level, width: usize, z: &[Lane], weight: &[Lane], total: f64) -> Statistics {
    let total = if total > 0.0 { total } else { 1.0 };
    let mean: Vec<f64> =
        column_sums(level, width, z, None, Some(weight), &[]).iter().map(|s| s / total).collect();
    let centre: Vec<f32> = mean.iter().map(|&m| m as f32).collect();
    let square = column_sums(level, width, z, Some(z), Some(weight), &centre);
    // The centre was rounded to f32: take off what that adds.
    let var = square
        .iter()
        .zip(mean.iter().zip(&centre))
        .map(|(s, (m, &c))| (s / total - (m - f64::from(c)).powi(2)).max(0.0))
        .collect();
    Statistics { mean, var }
}
