//! The fast CPU version: f32 lanes, block sums in f64.

use super::EPSILON;
use crate::ops::moments::{Statistics, column_sums};
use crate::simd::{Kernel, Level, Simd, run_on};
use crate::tiles::Lane;

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

/// `to = multiply from + add` per column of `[T, W, 16]`.
fn affine(level: Level, width: usize, multiply: &[f32], add: &[f32], from: &[Lane], to: &mut [Lane]) {
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
    affine(level, width, &multiply, &add, z, x);
    affine(level, width, scale, shift, x, z);
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
