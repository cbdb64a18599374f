//! The fast CPU version.

use rayon::prelude::*;

use super::{BLOCK, PANEL, RUN};
use crate::ops::pool::Rows;
use crate::panels::{Number, Single, multiply, pack};
use crate::simd::{Kernel, LANES, Level, Simd, run_on};

/// Lays tiles out in panels `[D / 48, 512, 48]`, shifted.
pub(super) fn pack_single(level: Level, rows: Rows, shift: &[f32], out: &mut [f32]) {
    pack(level, rows, shift, PANEL, BLOCK, 0, out);
}

/// The same in `f64`.
pub(super) fn pack_double(rows: Rows, width: usize, shift: &[f32], out: &mut [f64]) {
    for t in 0..rows.len() / width.max(1) {
        for j in 0..width {
            let to = (j / PANEL * BLOCK + t) * PANEL + j % PANEL;
            out[to] = rows.get(t * width + j) - f64::from(shift[j]);
        }
    }
}

struct Column<'a, N> {
    packed: &'a [N],
    tiles: usize,
    /// Rows `0..48 (J + 1)` of panel `J`.
    gram: &'a mut [f64],
}

/// `R` rows by `V` vectors of columns.
///
/// # Safety
/// `a` is valid for `R` values, `b` for `V` vectors in each of `tiles` rows of 48; `out` for the same of sums.
#[inline(always)]
unsafe fn tile<S: Simd, N: Number, const R: usize, const V: usize>(
    s: S,
    tiles: usize,
    a: *const N,
    b: *const N,
    out: *mut f64,
) {
    let a = Single { at: a, row: 1, step: PANEL };
    // SAFETY: as the function's.
    let acc = unsafe { multiply::<S, N, R, V>(s, [[N::splat(s, 0.0); V]; R], tiles, a, b, PANEL) };
    for (r, acc) in acc.into_iter().enumerate() {
        for (v, acc) in acc.into_iter().enumerate() {
            // SAFETY: as the function's.
            unsafe { N::add_to(s, acc, out.add(r * PANEL + v * N::WIDTH)) };
        }
    }
}

impl<N: Number> Column<'_, N> {
    #[inline(always)]
    fn all<S: Simd, const R: usize, const V: usize>(&mut self, s: S) {
        let rows = self.gram.len() / PANEL;
        let b = &self.packed[(rows / PANEL - 1) * BLOCK * PANEL..][..BLOCK * PANEL];
        for first in (0..self.tiles).step_by(RUN) {
            let run = RUN.min(self.tiles - first);
            for i in (0..rows).step_by(R) {
                let a = &self.packed[i / PANEL * BLOCK * PANEL..][..BLOCK * PANEL];
                let out = &mut self.gram[i * PANEL..][..R * PANEL];
                for v in (0..PANEL).step_by(V * N::WIDTH) {
                    // SAFETY: both panels hold `BLOCK` rows of 48, and 48 is a multiple of `R` and of `V` vectors.
                    unsafe {
                        let a = a.as_ptr().add(first * PANEL + i % PANEL);
                        let b = b.as_ptr().add(first * PANEL + v);
                        tile::<S, N, R, V>(s, run, a, b, out.as_mut_ptr().add(v));
                    }
                }
            }
        }
    }
}

impl<N: Number> Kernel for Column<'_, N> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        // 24 sums of one register each, or six of two.
        match (S::TILES, N::WIDTH) {
            (4, LANES) => self.all::<S, 8, 3>(s),
            (4, _) => self.all::<S, 4, 6>(s),
            _ => self.all::<S, 6, 1>(s),
        }
    }
}

/// Adds the products of packed tiles.
pub(super) fn products<N: Number>(level: Level, packed: &[N], tiles: usize, gram: &mut [f64]) {
    let mut panels = Vec::new();
    let mut rest = gram;
    while !rest.is_empty() {
        let (panel, after) = rest.split_at_mut(PANEL * PANEL * (panels.len() + 1));
        panels.push(panel);
        rest = after;
    }
    // The longest first.
    panels
        .into_par_iter()
        .rev()
        .with_max_len(1)
        .for_each(|gram| run_on(level, Column { packed, tiles, gram }));
}
