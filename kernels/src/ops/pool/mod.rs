//! Sums, squares and extremes of tile embeddings, column by column, in one pass.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | `rows` | `[T, D]` f16, bf16, f32 or f64 | of the embedding |
//! | `shift` | `[D]` f32 | of the embedding |
//! | `sum`, `square` | `[D]` f64: `sum_t (x - shift)` and `sum_t (x - shift)^2` | of the embedding, squared |
//! | `max`, `min` | `[D]` f64 | of the embedding |
//!
//! Mean `shift + sum / T`, squared deviations `square - sum^2 / T` (Chan, Golub and LeVeque, "Algorithms
//! for computing the sample variance", The American Statistician 37, 1983): with a shift near the mean nothing
//! cancels. Sums are f32 over blocks of [`BLOCK`] tiles and f64 across blocks, or f64 throughout.

pub mod device;
mod fast;
mod op;
mod rows;

pub use op::PoolOp;
pub(crate) use op::Stored;
pub use rows::{Element, Rows, with_rows};

use crate::simd::{LANES, Level};

/// Tiles whose sums are kept in `f32` before they are added in `f64`.
pub const BLOCK: usize = 64;
/// Tiles whose mean is the shift.
const SHIFT_TILES: usize = 32;

/// In which precision sums within a block are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `f32` within a block, `f64` across.
    Single,
    /// `f64` throughout.
    Double,
}

/// Sums over the tiles seen so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    width: usize,
    precision: Precision,
    tiles: u64,
    shift: Vec<f32>,
    sum: Vec<f64>,
    square: Vec<f64>,
    max: Vec<f64>,
    min: Vec<f64>,
}

impl Pool {
    /// No tiles yet. Columns are padded to whole vectors inside.
    pub fn new(width: usize, precision: Precision) -> Self {
        let padded = width.next_multiple_of(LANES);
        Self {
            width,
            precision,
            tiles: 0,
            shift: vec![0.0; padded],
            sum: vec![0.0; padded],
            square: vec![0.0; padded],
            max: vec![f64::NEG_INFINITY; padded],
            min: vec![f64::INFINITY; padded],
        }
    }

    /// Adds tiles. The first call fixes the shift, the mean of its first 32 tiles. For the same bits, each
    /// call but the last must bring a multiple of [`BLOCK`] tiles.
    ///
    /// # Panics
    /// If `rows` are not whole tiles.
    pub fn add(&mut self, level: Level, rows: Rows) {
        assert_eq!(rows.len() % self.width.max(1), 0, "pool: whole tiles");
        let tiles = rows.len() / self.width.max(1);
        if self.tiles == 0 {
            self.choose_shift(rows, tiles);
        }
        for start in (0..tiles).step_by(BLOCK) {
            let end = (start + BLOCK).min(tiles);
            fast::block(level, rows.part(start * self.width, end * self.width), self);
        }
        self.tiles += tiles as u64;
    }

    fn choose_shift(&mut self, rows: Rows, tiles: usize) {
        let count = tiles.min(SHIFT_TILES);
        for j in 0..self.width {
            let sum: f64 = (0..count).map(|t| rows.get(t * self.width + j)).sum();
            let mean = (sum / count.max(1) as f64) as f32;
            self.shift[j] = if mean.is_finite() { mean } else { 0.0 };
        }
    }

    /// Tiles added.
    pub fn tiles(&self) -> u64 {
        self.tiles
    }

    /// The shift, per column.
    pub fn shift(&self) -> &[f32] {
        &self.shift[..self.width]
    }

    /// Sums of `x - shift`.
    pub fn sum(&self) -> &[f64] {
        &self.sum[..self.width]
    }

    /// Means; 0 without tiles.
    pub fn mean(&self) -> Vec<f64> {
        let n = (self.tiles as f64).max(1.0);
        self.shift().iter().zip(self.sum()).map(|(&s, sum)| f64::from(s) + sum / n).collect()
    }

    /// Sums of squared deviations from the mean.
    pub fn deviations(&self) -> Vec<f64> {
        let n = (self.tiles as f64).max(1.0);
        self.square[..self.width].iter().zip(self.sum()).map(|(q, s)| (q - s * s / n).max(0.0)).collect()
    }

    /// Largest values; negative infinity without tiles.
    pub fn max(&self) -> &[f64] {
        &self.max[..self.width]
    }

    /// Smallest values; infinity without tiles.
    pub fn min(&self) -> &[f64] {
        &self.min[..self.width]
    }

    /// Whether every value added was finite.
    pub fn is_finite(&self) -> bool {
        // One NaN or infinity stays in the square of its column.
        self.square.iter().all(|q| q.is_finite())
    }
}
