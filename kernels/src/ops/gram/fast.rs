//! The fast CPU version.

use rayon::prelude::*;

use super::{BLOCK, PANEL, RUN};
use crate::ops::pool::{Element, Rows, with_rows};
use crate::simd::{Kernel, LANES, LANES_F64, Level, Simd, run_on};

struct Pack<'a, E> {
    rows: &'a [E],
    width: usize,
    shift: &'a [f32],
    out: &'a mut [f32],
}

impl<E: Element> Kernel for Pack<'_, E> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let padded = self.width.next_multiple_of(PANEL);
        let mut shift = vec![0f32; padded];
        shift[..self.width].copy_from_slice(self.shift);
        let mut edge = [E::ZERO; LANES];
        for (t, tile) in self.rows.chunks_exact(self.width).enumerate() {
            for column in (0..padded).step_by(LANES) {
                let (panel, within) = (column / PANEL, column % PANEL);
                let to = (panel * BLOCK + t) * PANEL + within;
                let source = if column + LANES <= self.width {
                    tile[column..].as_ptr()
                } else {
                    edge.fill(E::ZERO);
                    let rest = &tile[column.min(self.width)..];
                    edge[..rest.len()].copy_from_slice(rest);
                    edge.as_ptr()
                };
                // SAFETY: 16 values are there, in the tile or in `edge`; panels hold `BLOCK` tiles.
                unsafe {
                    let x = s.sub(E::load(s, source), s.load(shift.as_ptr().add(column)));
                    s.store(self.out[to..].as_mut_ptr(), x);
                }
            }
        }
    }
}

/// Lays tiles out in panels `[D / 48, 512, 48]`, shifted.
pub(super) fn pack_single(level: Level, rows: Rows, width: usize, shift: &[f32], out: &mut [f32]) {
    with_rows!(rows, rows => run_on(level, Pack { rows, width, shift, out }));
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

/// What products are formed in.
pub(super) trait Number: Copy + Send + Sync {
    /// A vector.
    type V<S: Simd>: Copy;
    /// Values of a vector.
    const WIDTH: usize;
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> Self::V<S>;
    fn splat<S: Simd>(s: S, x: f64) -> Self::V<S>;
    unsafe fn broadcast<S: Simd>(s: S, p: *const Self) -> Self::V<S>;
    fn fma<S: Simd>(s: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;
    /// Adds a vector to `WIDTH` sums.
    unsafe fn add_to<S: Simd>(s: S, x: Self::V<S>, p: *mut f64);
}

impl Number for f32 {
    type V<S: Simd> = S::F;
    const WIDTH: usize = LANES;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F {
        unsafe { s.load(p) }
    }
    #[inline(always)]
    fn splat<S: Simd>(s: S, x: f64) -> S::F {
        s.splat(x as f32)
    }
    #[inline(always)]
    unsafe fn broadcast<S: Simd>(s: S, p: *const Self) -> S::F {
        s.splat(unsafe { *p })
    }
    #[inline(always)]
    fn fma<S: Simd>(s: S, a: S::F, b: S::F, c: S::F) -> S::F {
        s.fma(a, b, c)
    }
    #[inline(always)]
    unsafe fn add_to<S: Simd>(s: S, x: S::F, p: *mut f64) {
        let (low, high) = s.widen(x);
        unsafe {
            s.store_d(p, s.add_d(s.load_d(p), low));
            let p = p.add(LANES_F64);
            s.store_d(p, s.add_d(s.load_d(p), high));
        }
    }
}

impl Number for f64 {
    type V<S: Simd> = S::D;
    const WIDTH: usize = LANES_F64;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::D {
        unsafe { s.load_d(p) }
    }
    #[inline(always)]
    fn splat<S: Simd>(s: S, x: f64) -> S::D {
        s.splat_d(x)
    }
    #[inline(always)]
    unsafe fn broadcast<S: Simd>(s: S, p: *const Self) -> S::D {
        s.splat_d(unsafe { *p })
    }
    #[inline(always)]
    fn fma<S: Simd>(s: S, a: S::D, b: S::D, c: S::D) -> S::D {
        s.fma_d(a, b, c)
    }
    #[inline(always)]
    unsafe fn add_to<S: Simd>(s: S, x: S::D, p: *mut f64) {
        unsafe { s.store_d(p, s.add_d(s.load_d(p), x)) };
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
    let mut acc = [[N::splat(s, 0.0); V]; R];
    for t in 0..tiles {
        // SAFETY: as the function's.
        unsafe {
            let b: [N::V<S>; V] = std::array::from_fn(|v| N::load(s, b.add(t * PANEL + v * N::WIDTH)));
            for r in 0..R {
                let a = N::broadcast(s, a.add(t * PANEL + r));
                for v in 0..V {
                    acc[r][v] = N::fma(s, a, b[v], acc[r][v]);
                }
            }
        }
    }
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
