//! Matrices of a block in panels, and their products.

use std::ops::Range;

use rayon::prelude::*;

use super::{TileDropout, for_chunks};
use crate::ops::activation::Activation;
use crate::ops::dropout::{UNITS_PER_BLOCK, patient_lanes};
use crate::ops::pool::Rows;
use crate::panels::{Number, Single, at_most_six, multiply, pack};
use crate::simd::{Kernel, LANES, Level, Simd, math, run_on};

/// Columns of a panel: four vectors, which six rows of sums fill the registers with.
pub(super) const PANEL: usize = 64;
/// Rows that a thread takes at a time.
pub(super) const CHUNK: usize = 240;

/// `[T, W]` in panels; see [`crate::panels`].
#[derive(Debug, Default)]
pub(super) struct Panels {
    rows: usize,
    values: Vec<f32>,
}

impl Panels {
    /// Makes room for another matrix, whose values are then to be written.
    pub fn reset(&mut self, rows: usize, width: usize) {
        self.rows = rows;
        self.values.resize(rows * width.next_multiple_of(PANEL), 0.0);
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn panel(&self, panel: usize) -> &[f32] {
        &self.values[panel * self.rows * PANEL..][..self.rows * PANEL]
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Takes the rows of a block.
    pub fn pack(&mut self, level: Level, rows: Rows, width: usize) {
        let tiles = rows.len() / width;
        self.reset(tiles, width);
        if tiles == 0 {
            return;
        }
        let shift = vec![0.0; width];
        // Each thread takes some columns of every row.
        let panels = width.div_ceil(PANEL).div_ceil(rayon::current_num_threads());
        let parts = self.values.par_chunks_mut(panels * tiles * PANEL).enumerate();
        parts.for_each(|(k, out)| pack(level, rows, &shift, PANEL, tiles, k * panels * PANEL, out));
    }
}

/// Rows `w [O, I]` transposed into panels `[O / 64, I, 64]`; columns past `O` are left as they are.
pub(super) fn transpose(w: &[f32], inputs: usize, out: &mut [f32]) {
    let outputs = w.len() / inputs;
    out.par_chunks_mut(inputs * PANEL).enumerate().for_each(|(panel, out)| {
        let columns = PANEL.min(outputs.saturating_sub(panel * PANEL));
        let rows = &w[panel * PANEL * inputs..][..columns * inputs];
        for (i, out) in out.chunks_exact_mut(PANEL).enumerate() {
            for (j, out) in out[..columns].iter_mut().enumerate() {
                *out = rows[j * inputs + i];
            }
        }
    });
}

/// Where the sums of a product begin, and what is done to them at the end; slices begin at the chunk's panel and row.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// From the bias, `max(0, .)`.
    Relu { bias: &'a [f32] },
    /// From the bias, `tanh`.
    Tanh { bias: &'a [f32] },
    /// From the bias, `1 / (1 + exp(-.))`.
    Sigmoid { bias: &'a [f32] },
    /// From `weight_t pull`, times `scale` where `h` is positive, else 0.
    Through { weight: &'a [f32], pull: &'a [f32], h: &'a [f32], scale: f32 },
}

struct Product<'a> {
    x: &'a Panels,
    first: usize,
    depth: usize,
    w: &'a [f32],
    step: Step<'a>,
    out: &'a mut [f32],
}

impl Product<'_> {
    /// # Safety
    /// Rows `t..t + R` of the chunk and columns `column..column + 16 V` of the panel exist.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(&mut self, s: S, t: usize, column: usize) {
        // SAFETY: as the function's; a panel has 64 columns, and the slices of a step hold as many rows as the chunk.
        unsafe {
            let at = |slice: &[f32], v: usize| s.load(slice.as_ptr().add(column + v * LANES));
            let mut acc: [[S::F; V]; R] = match self.step {
                Step::Relu { bias } | Step::Tanh { bias } | Step::Sigmoid { bias } => {
                    [std::array::from_fn(|v| at(bias, v)); R]
                }
                Step::Through { weight, pull, .. } => std::array::from_fn(|r| {
                    let weight = s.splat(*weight.get_unchecked(t + r));
                    std::array::from_fn(|v| s.mul(weight, at(pull, v)))
                }),
            };
            for k in (0..self.depth).step_by(PANEL) {
                let row = k / PANEL * self.x.rows + self.first + t;
                let a = Single { at: self.x.values.as_ptr().add(row * PANEL), row: PANEL, step: 1 };
                let b = self.w.as_ptr().add(k * PANEL + column);
                acc = multiply::<S, f32, R, V>(s, acc, PANEL.min(self.depth - k), a, b, PANEL);
            }
            for (r, acc) in acc.into_iter().enumerate() {
                for (v, x) in acc.into_iter().enumerate() {
                    let place = (t + r) * PANEL + column + v * LANES;
                    let y = match self.step {
                        Step::Relu { .. } => Activation::Relu.value_lanes(s, x),
                        Step::Tanh { .. } => math::tanh(s, x),
                        Step::Sigmoid { .. } => math::sigmoid(s, x),
                        Step::Through { h, scale, .. } => {
                            let positive = s.gt(s.load(h.as_ptr().add(place)), s.splat(0.0));
                            s.select(positive, s.mul(x, s.splat(scale)), s.splat(0.0))
                        }
                    };
                    s.store(self.out.as_mut_ptr().add(place), y);
                }
            }
        }
    }

    #[inline(always)]
    fn all<S: Simd, const V: usize>(&mut self, s: S) {
        let rows = self.out.len() / PANEL;
        for column in (0..PANEL).step_by(V * LANES) {
            let mut t = 0;
            while t < rows {
                at_most_six!(rows - t, R => {
                    // SAFETY: those rows are there, and a panel is a multiple of `V` vectors wide.
                    unsafe { self.tile::<S, R, V>(s, t, column) };
                    t += R;
                });
            }
        }
    }
}

impl Kernel for Product<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        match S::TILES {
            4 => self.all::<S, 4>(s),
            _ => self.all::<S, 1>(s),
        }
    }
}

/// `out = step(x w^T)` for rows `x [T, depth]` and `w` as panels `[O / 64, depth, 64]`; `step` is asked for each panel
/// and first row.
pub(super) fn product<'a>(
    level: Level,
    x: &Panels,
    depth: usize,
    w: &[f32],
    step: impl Fn(usize, usize) -> Step<'a> + Sync,
    out: &mut Panels,
) {
    assert_eq!(x.rows, out.rows, "attention_pool: rows of a product");
    for_chunks(out, |panel, first, out| {
        let rows = out.len() / PANEL;
        let w = &w[panel * depth * PANEL..][..depth * PANEL];
        let step = step(panel, first);
        match step {
            Step::Relu { bias } | Step::Tanh { bias } | Step::Sigmoid { bias } => {
                assert!(bias.len() >= PANEL)
            }
            Step::Through { weight, pull, h, .. } => {
                assert!(weight.len() >= rows && pull.len() >= PANEL && h.len() >= out.len());
            }
        }
        assert!(depth <= x.values.len() / x.rows, "attention_pool: depth of a product");
        run_on(level, Product { x, first, depth, w, step, out });
    });
}

struct Outer<'a> {
    /// A panel of `[T, O]`.
    dz: &'a [f32],
    x: &'a Panels,
    /// `[O, width]`, as many rows of the panel as there are outputs.
    sums: &'a mut [f64],
    width: usize,
}

impl Outer<'_> {
    /// # Safety
    /// Columns `o..o + R` of the panel and rows of the sums, and columns `i..i + 16 V` of the panels of `x` exist.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(&mut self, s: S, o: usize, i: usize) {
        // SAFETY: as the function's; both matrices have as many rows, and sums are only written inside their width.
        unsafe {
            let a = Single { at: self.dz.as_ptr().add(o), row: 1, step: PANEL };
            let b = self.x.values.as_ptr().add(i / PANEL * self.x.rows * PANEL + i % PANEL);
            let acc = multiply::<S, f32, R, V>(s, [[s.splat(0.0); V]; R], self.dz.len() / PANEL, a, b, PANEL);
            for (r, acc) in acc.into_iter().enumerate() {
                for (v, x) in acc.into_iter().enumerate() {
                    let column = i + v * LANES;
                    let row = &mut self.sums[(o + r) * self.width..][..self.width];
                    if column + LANES <= self.width {
                        f32::add_to(s, x, row.as_mut_ptr().add(column));
                    } else if column < self.width {
                        let mut edge = [0f32; LANES];
                        s.store(edge.as_mut_ptr(), x);
                        row[column..].iter_mut().zip(edge).for_each(|(sum, x)| *sum += f64::from(x));
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn all<S: Simd, const V: usize>(&mut self, s: S) {
        let outputs = self.sums.len() / self.width;
        for i in (0..self.width).step_by(V * LANES) {
            let mut o = 0;
            while o < outputs {
                at_most_six!(outputs - o, R => {
                    // SAFETY: those rows are there, and panels are a multiple of `V` vectors wide.
                    unsafe { self.tile::<S, R, V>(s, o, i) };
                    o += R;
                });
            }
        }
    }
}

impl Kernel for Outer<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        match S::TILES {
            4 => self.all::<S, 4>(s),
            _ => self.all::<S, 1>(s),
        }
    }
}

/// Adds `dz^T x` to `sums [O, width]`, `dz` being some panels of a matrix.
pub(super) fn outer(
    level: Level,
    dz: &Panels,
    panels: Range<usize>,
    x: &Panels,
    sums: &mut [f64],
    width: usize,
) {
    assert_eq!(dz.rows, x.rows, "attention_pool: rows of a product");
    assert!(width * x.rows <= x.values.len(), "attention_pool: width of a product");
    assert!(sums.len() <= panels.len() * PANEL * width, "attention_pool: sums of a product");
    let parts: Vec<_> = panels.zip(sums.chunks_mut(PANEL * width)).collect();
    parts.into_par_iter().with_max_len(1).for_each(|(panel, sums)| {
        run_on(level, Outer { dz: dz.panel(panel), x, sums, width });
    });
}

struct DropUnits<'a> {
    dropout: TileDropout,
    /// First unit of the panel, and first tile of the chunk within the block.
    unit: usize,
    first: usize,
    h: &'a mut [f32],
}

impl Kernel for DropUnits<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let TileDropout { dropout, .. } = self.dropout;
        let scale = s.splat((1.0 / dropout.keep()) as f32);
        for (k, tiles) in self.h.chunks_mut(LANES * PANEL).enumerate() {
            let n = tiles.len() / PANEL;
            let keys: Vec<u64> = (0..n).map(|t| self.dropout.key(self.first + k * LANES + t)).collect();
            let keys = patient_lanes(&keys);
            for vector in 0..PANEL / LANES {
                let group = (self.unit + vector * LANES) / UNITS_PER_BLOCK;
                let mut masks = [0; LANES];
                masks[..UNITS_PER_BLOCK].copy_from_slice(&dropout.masks(s, &keys[0], group));
                masks[UNITS_PER_BLOCK..].copy_from_slice(&dropout.masks(s, &keys[0], group + 1));
                for (t, tile) in tiles.chunks_exact_mut(PANEL).enumerate() {
                    // From a bit per tile to a bit per unit.
                    let kept =
                        masks.iter().enumerate().fold(0, |bits, (unit, mask)| bits | (mask >> t & 1) << unit);
                    // SAFETY: 16 values of a panel's row.
                    unsafe {
                        let p = tile.as_mut_ptr().add(vector * LANES);
                        let x = s.mul(s.load(p), scale);
                        s.store(p, s.select(s.mask_from(kept), x, s.splat(0.0)));
                    }
                }
            }
        }
    }
}

/// Dropout of a block's features.
pub(super) fn drop_units(level: Level, dropout: TileDropout, h: &mut Panels) {
    for_chunks(h, |panel, first, h| {
        run_on(level, DropUnits { dropout, unit: panel * PANEL, first, h });
    });
}

const _: () = assert!(CHUNK.is_multiple_of(LANES) && LANES == 2 * UNITS_PER_BLOCK);
