//! Sums of products of tile embeddings: `G = sum_t (x_t - shift)(x_t - shift)^T`.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | `rows` | `[T, D]` f16, bf16, f32 or f64 | of the embedding |
//! | `shift` | `[D]` f32 | of the embedding |
//! | `gram` | upper triangle of `[D, D]` f64, in panels of [`PANEL`] columns | of the embedding, squared |
//!
//! Products are summed in `f32` over runs of [`RUN`] tiles, tile after tile, and in `f64` across runs; or in `f64`
//! throughout. An element has one order of additions, whatever the number of threads or the width of a vector.

pub mod device;
mod fast;
mod op;

pub use op::GramOp;

use crate::ops::pool::{Precision, Rows};
use crate::simd::Level;

/// Tiles whose products are summed in one run of fused multiply-adds: a panel of them fits the first-level cache.
pub const RUN: usize = 128;
/// Tiles that are laid out at a time.
pub const BLOCK: usize = 512;
/// Columns stored side by side.
pub const PANEL: usize = 48;

/// Values of the upper triangle as stored: panel after panel, of panel `J` the rows `0..48 (J + 1)`.
pub fn len(width: usize) -> usize {
    let panels = width.div_ceil(PANEL);
    PANEL * PANEL * panels * (panels + 1) / 2
}

/// Where the element `(i, j)`, `i <= j`, is stored.
pub fn at(i: usize, j: usize) -> usize {
    let panel = j / PANEL;
    PANEL * PANEL * panel * (panel + 1) / 2 + i * PANEL + j % PANEL
}

/// Memory in which blocks of tiles are laid out; reused from slide to slide.
#[derive(Debug)]
pub struct Workspace {
    width: usize,
    precision: Precision,
    single: Vec<f32>,
    double: Vec<f64>,
}

impl Workspace {
    /// Room for blocks of tiles of this width.
    pub fn new(width: usize, precision: Precision) -> Self {
        let values = width.div_ceil(PANEL) * PANEL * BLOCK;
        let (single, double) = match precision {
            Precision::Single => (values, 0),
            Precision::Double => (0, values),
        };
        Self { width, precision, single: vec![0.0; single], double: vec![0.0; double] }
    }

    /// Adds at most [`BLOCK`] tiles to `gram`, with the threads of the current rayon pool.
    ///
    /// # Panics
    /// If there are more tiles, they are not whole, or a length does not fit the width.
    pub fn add(&mut self, level: Level, rows: Rows, shift: &[f32], gram: &mut [f64]) {
        let width = self.width;
        assert_eq!((shift.len(), gram.len()), (width, len(width)), "gram: widths");
        assert_eq!(rows.len() % width.max(1), 0, "gram: whole tiles");
        let tiles = rows.len() / width.max(1);
        assert!(tiles <= BLOCK, "gram: more than one block");
        match self.precision {
            Precision::Single => {
                fast::pack_single(level, rows, shift, &mut self.single);
                fast::products(level, &self.single, tiles, gram);
            }
            Precision::Double => {
                fast::pack_double(rows, width, shift, &mut self.double);
                fast::products(level, &self.double, tiles, gram);
            }
        }
    }
}
