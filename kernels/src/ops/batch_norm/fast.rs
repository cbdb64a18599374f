//! The fast CPU version: f32 lanes, block sums in f64.

use super::EPSILON;
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

fn column_sums(
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

struct Affine<'a> {
    width: usize,
    multiply: &'a [f32],
    add: &'a [f32],
    from: &'a [Lane],
    to: &'a mut [Lane],
}

impl Kernel for Affine<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let tiles = self.from.chunks_exact(self.width).zip(self.to.chunks_exact_mut(self.width));
        for (from, to) in tiles {
            for j in 0..self.width {
                // SAFETY: lanes hold 16 values.
                unsafe {
                    let x = s.load(from[j].0.as_ptr());
                    let y = s.fma(x, s.splat(self.multiply[j]), s.splat(self.add[j]));
                    s.store(to[j].0.as_mut_ptr(), y);
                }
            }
        }
    }
}

/// `to = multiply from + add` per column of `[T, W, 16]`: a fitted scaler, or normalisation.
pub fn normalise(level: Level, width: usize, multiply: &[f32], add: &[f32], from: &[Lane], to: &mut [Lane]) {
    assert_eq!((multiply.len(), add.len(), from.len()), (width, width, to.len()), "batch_norm: shapes");
    run_on(level, Affine { width, multiply, add, from, to });
}

/// `x = (z - mean) / sd` and, in place of `z`, `y = scale x + shift`.
pub fn forward(
    level: Level,
    statistics: &Statistics,
    scale: &[f32],
    shift: &[f32],
    z: &mut [Lane],
    x: &mut [Lane],
) {
    let width = scale.len();
    let inverse: Vec<f64> = statistics.var.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
    let multiply: Vec<f32> = inverse.iter().map(|&i| i as f32).collect();
    let add: Vec<f32> = inverse.iter().zip(&statistics.mean).map(|(i, m)| (-i * m) as f32).collect();
    normalise(level, width, &multiply, &add, z, x);
    normalise(level, width, scale, shift, x, z);
}

struct Backward<'a> {
    width: usize,
    weight: &'a [Lane],
    x: &'a [Lane],
    factor: &'a [f32],
    mean_dy: &'a [f32],
    mean_dyx: &'a [f32],
    d: &'a mut [Lane],
}

impl Kernel for Backward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (t, d) in self.d.chunks_exact_mut(self.width).enumerate() {
            for j in 0..self.width {
                // SAFETY: lanes hold 16 values.
                unsafe {
                    let x = s.load(self.x[t * self.width + j].0.as_ptr());
                    let w = s.load(self.weight[t].0.as_ptr());
                    let pull = s.fma(x, s.splat(self.mean_dyx[j]), s.splat(self.mean_dy[j]));
                    let dy = s.load(d[j].0.as_ptr());
                    let dz = s.mul(s.splat(self.factor[j]), s.sub(dy, s.mul(w, pull)));
                    s.store(d[j].0.as_mut_ptr(), dz);
                }
            }
        }
    }
}

/// Turns `d` from `dy` into `dz` and returns (`dscale`, `dshift`).
pub fn backward(
    level: Level,
    statistics: &Statistics,
    scale: &[f32],
    weight: &[Lane],
    total: f64,
    x: &[Lane],
    d: &mut [Lane],
) -> (Vec<f64>, Vec<f64>) {
    let width = scale.len();
    let total = if total > 0.0 { total } else { 1.0 };
    let dshift = column_sums(level, width, d, None, None, &[]);
    let dscale = column_sums(level, width, d, Some(x), None, &[]);
    let mean = |sums: &[f64]| sums.iter().map(|s| (s / total) as f32).collect::<Vec<_>>();
    let factor: Vec<f32> = scale
        .iter()
        .zip(&statistics.var)
        .map(|(&g, v)| (f64::from(g) / (v + EPSILON).sqrt()) as f32)
        .collect();
    let (mean_dy, mean_dyx) = (mean(&dshift), mean(&dscale));
    run_on(level, Backward { width, weight, x, factor: &factor, mean_dy: &mean_dy, mean_dyx: &mean_dyx, d });
    (dscale, dshift)
}
