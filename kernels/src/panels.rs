//! Matrices in panels, and the product of panels that matrix kernels are made of.
//!
//! `[T, W]` lies as `[W / P, T, P]`: panel after panel of `P` columns, the rows of a panel one after the other, the
//! columns past `W` being zero. Such a panel is read from its first value to its last, whether its rows or its columns
//! are summed over.

use crate::ops::pool::{Element, Rows, with_rows};
use crate::simd::{Kernel, LANES, LANES_F64, Level, Simd, run_on};

struct Pack<'a, E> {
    rows: &'a [E],
    width: usize,
    shift: &'a [f32],
    panel: usize,
    stride: usize,
    first: usize,
    out: &'a mut [f32],
}

impl<E: Element> Kernel for Pack<'_, E> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { width, panel, stride, first, .. } = self;
        let end = first + self.out.len() / stride.max(1);
        let mut shift = vec![0f32; end.max(width)];
        shift[..width].copy_from_slice(self.shift);
        let mut edge = [E::ZERO; LANES];
        for (t, tile) in self.rows.chunks_exact(width).enumerate() {
            for column in (first..end).step_by(LANES) {
                let to = ((column - first) / panel * stride + t) * panel + column % panel;
                let source = if column + LANES <= width {
                    tile[column..].as_ptr()
                } else {
                    edge.fill(E::ZERO);
                    let rest = &tile[column.min(width)..];
                    edge[..rest.len()].copy_from_slice(rest);
                    edge.as_ptr()
                };
                // SAFETY: 16 values are there, in the tile or in `edge`; panels are whole vectors wide and hold
                // `stride` rows.
                unsafe {
                    let x = s.sub(E::load(s, source), s.load(shift.as_ptr().add(column)));
                    s.store(self.out[to..].as_mut_ptr(), x);
                }
            }
        }
    }
}

/// Lays rows `[T, W]` out in panels of `panel` columns and `stride` rows each, shifted: as many as `out` holds, from
/// column `first` on.
///
/// # Panics
/// If `panel` or `first` is not whole vectors, `shift` is not as wide as the rows, or `out` is not whole panels.
pub(crate) fn pack(
    level: Level,
    rows: Rows,
    shift: &[f32],
    panel: usize,
    stride: usize,
    first: usize,
    out: &mut [f32],
) {
    let width = shift.len();
    assert!(panel.is_multiple_of(LANES) && first.is_multiple_of(panel), "panels are whole vectors wide");
    assert!(
        rows.len() <= width * stride && out.len().is_multiple_of((panel * stride).max(1)),
        "whole panels"
    );
    with_rows!(rows, rows => run_on(level, Pack { rows, width, shift, panel, stride, first, out }));
}

/// What products are formed in.
pub(crate) trait Number: Copy + Send + Sync {
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

/// The factor of a product whose values are taken one by one: `(r, k)` lies at `at + r row + k step`.
#[derive(Clone, Copy)]
pub(crate) struct Single<N> {
    pub at: *const N,
    pub row: usize,
    pub step: usize,
}

/// `acc[r][v] += sum_k a[r, k] b[k, v]` for `R` rows by `V` vectors of columns, `k` in order, each step one fused
/// multiply-add; rows of `b` lie `stride` values apart.
///
/// # Safety
/// `a` is valid for `R` rows of `depth` values, `b` for `V` vectors in each of `depth` rows.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, N: Number, const R: usize, const V: usize>(
    s: S,
    mut acc: [[N::V<S>; V]; R],
    depth: usize,
    a: Single<N>,
    b: *const N,
    stride: usize,
) -> [[N::V<S>; V]; R] {
    for k in 0..depth {
        // SAFETY: as the function's.
        unsafe {
            let b: [N::V<S>; V] = std::array::from_fn(|v| N::load(s, b.add(k * stride + v * N::WIDTH)));
            for r in 0..R {
                let a = N::broadcast(s, a.at.add(r * a.row + k * a.step));
                for v in 0..V {
                    acc[r][v] = N::fma(s, a, b[v], acc[r][v]);
                }
            }
        }
    }
    acc
}

/// Calls `$body` with the constant `$r` = min(`$rows`, 6).
macro_rules! at_most_six {
    ($rows:expr, $r:ident => $body:expr) => {
        match $rows {
            1 => {
                const $r: usize = 1;
                $body
            }
            2 => {
                const $r: usize = 2;
                $body
            }
            3 => {
                const $r: usize = 3;
                $body
            }
            4 => {
                const $r: usize = 4;
                $body
            }
            5 => {
                const $r: usize = 5;
                $body
            }
            _ => {
                const $r: usize = 6;
                $body
            }
        }
    };
}
pub(crate) use at_most_six;
