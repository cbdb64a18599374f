//! The fast CPU version.

use super::rows::{Element, Rows, with_rows};
use super::{Pool, Precision};
use crate::simd::{Kernel, LANES, LANES_F64, Level, Simd, run_on};

struct Block<'a, E> {
    rows: &'a [E],
    pool: &'a mut Pool,
}

/// The 16 columns from `column` of a tile; those past the width are zero.
#[inline(always)]
fn padded<E: Element>(tile: &[E], column: usize) -> [E; LANES] {
    let mut lanes = [E::ZERO; LANES];
    let rest = &tile[column..tile.len().min(column + LANES)];
    lanes[..rest.len()].copy_from_slice(rest);
    lanes
}

impl<E: Element> Block<'_, E> {
    /// `V` vectors of columns from `column`, all of them inside the width.
    #[inline(always)]
    fn strip<S: Simd, const V: usize>(&mut self, s: S, column: usize) {
        let (width, pool) = (self.pool.width, &mut *self.pool);
        // SAFETY: columns `column..column + 16 V` exist in every tile and in every padded sum.
        unsafe {
            let shift: [S::F; V] =
                std::array::from_fn(|v| s.load(pool.shift.as_ptr().add(column + v * LANES)));
            let mut sum = [s.splat(0.0); V];
            let mut square = [s.splat(0.0); V];
            let mut max = [s.splat(f32::NEG_INFINITY); V];
            let mut min = [s.splat(f32::INFINITY); V];
            for tile in self.rows.chunks_exact(width) {
                for v in 0..V {
                    let x = E::load(s, tile.as_ptr().add(column + v * LANES));
                    fold(s, x, shift[v], &mut sum[v], &mut square[v], &mut max[v], &mut min[v]);
                }
            }
            for v in 0..V {
                flush(s, pool, column + v * LANES, sum[v], square[v], max[v], min[v]);
            }
        }
    }

    /// The last columns, fewer than a vector.
    #[inline(always)]
    fn edge<S: Simd>(&mut self, s: S, column: usize) {
        let (width, pool) = (self.pool.width, &mut *self.pool);
        // SAFETY: sums and lanes are padded to whole vectors.
        unsafe {
            let shift = s.load(pool.shift.as_ptr().add(column));
            let (mut sum, mut square) = (s.splat(0.0), s.splat(0.0));
            let (mut max, mut min) = (s.splat(f32::NEG_INFINITY), s.splat(f32::INFINITY));
            for tile in self.rows.chunks_exact(width) {
                let x = E::load(s, padded(tile, column).as_ptr());
                fold(s, x, shift, &mut sum, &mut square, &mut max, &mut min);
            }
            flush(s, pool, column, sum, square, max, min);
        }
    }

    /// 16 columns in `f64`.
    #[inline(always)]
    fn wide<S: Simd>(&mut self, s: S, column: usize) {
        let (width, pool) = (self.pool.width, &mut *self.pool);
        // SAFETY: sums and lanes are padded to whole vectors.
        unsafe {
            let (shift_low, shift_high) = s.widen(s.load(pool.shift.as_ptr().add(column)));
            let shift = [shift_low, shift_high];
            let at = |p: *const f64, h: usize| s.load_d(p.add(column + h * LANES_F64));
            let mut sum: [S::D; 2] = std::array::from_fn(|h| at(pool.sum.as_ptr(), h));
            let mut square: [S::D; 2] = std::array::from_fn(|h| at(pool.square.as_ptr(), h));
            let mut max: [S::D; 2] = std::array::from_fn(|h| at(pool.max.as_ptr(), h));
            let mut min: [S::D; 2] = std::array::from_fn(|h| at(pool.min.as_ptr(), h));
            for tile in self.rows.chunks_exact(width) {
                let (low, high) = E::load_wide(s, padded(tile, column).as_ptr());
                for (h, x) in [low, high].into_iter().enumerate() {
                    let d = s.sub_d(x, shift[h]);
                    sum[h] = s.add_d(sum[h], d);
                    square[h] = s.fma_d(d, d, square[h]);
                    max[h] = s.select_d(s.gt_d(x, max[h]), x, max[h]);
                    min[h] = s.select_d(s.gt_d(min[h], x), x, min[h]);
                }
            }
            for h in 0..2 {
                let at = column + h * LANES_F64;
                s.store_d(pool.sum.as_mut_ptr().add(at), sum[h]);
                s.store_d(pool.square.as_mut_ptr().add(at), square[h]);
                s.store_d(pool.max.as_mut_ptr().add(at), max[h]);
                s.store_d(pool.min.as_mut_ptr().add(at), min[h]);
            }
        }
    }
}

#[inline(always)]
fn fold<S: Simd>(
    s: S,
    x: S::F,
    shift: S::F,
    sum: &mut S::F,
    square: &mut S::F,
    max: &mut S::F,
    min: &mut S::F,
) {
    let d = s.sub(x, shift);
    *sum = s.add(*sum, d);
    *square = s.fma(d, d, *square);
    *max = s.max(x, *max);
    *min = s.min(x, *min);
}

/// Adds the sums of a block in `f64`.
///
/// # Safety
/// The padded sums hold 16 columns from `column`.
#[inline(always)]
unsafe fn flush<S: Simd>(
    s: S,
    pool: &mut Pool,
    column: usize,
    sum: S::F,
    square: S::F,
    max: S::F,
    min: S::F,
) {
    let halves = |x: S::F| <[S::D; 2]>::from(s.widen(x));
    let (sum, square, max, min) = (halves(sum), halves(square), halves(max), halves(min));
    for h in 0..2 {
        let at = column + h * LANES_F64;
        // SAFETY: as the function's.
        unsafe {
            let p = pool.sum.as_mut_ptr().add(at);
            s.store_d(p, s.add_d(s.load_d(p), sum[h]));
            let p = pool.square.as_mut_ptr().add(at);
            s.store_d(p, s.add_d(s.load_d(p), square[h]));
            let p = pool.max.as_mut_ptr().add(at);
            let old = s.load_d(p);
            s.store_d(p, s.select_d(s.gt_d(max[h], old), max[h], old));
            let p = pool.min.as_mut_ptr().add(at);
            let old = s.load_d(p);
            s.store_d(p, s.select_d(s.gt_d(old, min[h]), min[h], old));
        }
    }
}

impl<E: Element> Kernel for Block<'_, E> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let width = self.pool.width;
        let mut column = 0;
        if self.pool.precision == Precision::Double {
            while column < width {
                self.wide(s, column);
                column += LANES;
            }
            return;
        }
        // Two cache lines of half-precision values at a time, where the registers are many.
        while S::TILES == 4 && column + 4 * LANES <= width {
            self.strip::<S, 4>(s, column);
            column += 4 * LANES;
        }
        while column + LANES <= width {
            self.strip::<S, 1>(s, column);
            column += LANES;
        }
        if column < width {
            self.edge(s, column);
        }
    }
}

/// Adds at most [`super::BLOCK`] tiles.
pub(super) fn block(level: Level, rows: Rows, pool: &mut Pool) {
    with_rows!(rows, rows => run_on(level, Block { rows, pool }));
}
