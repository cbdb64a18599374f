//! `linear`: a dense layer, fused with its nonlinearity and dropout, and its gradients.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | x | `[N, I]` | input |
//! | w | `[O, I]` | weight |
//! | b | `[O]` | bias |
//! | y | `[N, O]` | `dropout(f(x w^T + b))` |
//! | dz | `[N, O]` | loss per unit of pre-activation |
//! | dx | `[N, I]` | `dz w`, then through the previous layer's dropout and nonlinearity |
//! | dw, db | `[O, I]`, `[O]` | `dz^T x`, `sum_n dz` |
//!
//! Activations lie in [`crate::tiles`]. One output element is `b + sum_i w_i x_i`, added in order
//! of `i` by fused multiply-add; a weight gradient is 16 lane sums over a block of [`BLOCK_TILES`]
//! tiles, a fixed tree over the lanes, then blocks in order in f64. Register tiling and threads do
//! not change these orders.

pub mod device;
mod fast;
mod grid;
mod op;

pub use fast::{apply_epilogue, backward_input, backward_weight, forward};
pub use grid::{Grid, weight_sums};
pub use op::LinearOp;

use super::activation::Activation;
use super::dropout::Dropout;
use crate::simd::LANES;
use crate::tiles::Lane;

/// Tiles of one block of patients: the unit of parallel work and of reduction.
pub const BLOCK_TILES: usize = 32;

/// Rows of one block in a device's sums over patients.
pub const BLOCK_ROWS: usize = 512;

/// Weights of a layer.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// `[O, I]`, row-major.
    pub w: &'a [f32],
    /// `[O]`.
    pub b: &'a [f32],
    /// Inputs `I`.
    pub inputs: usize,
    /// Outputs `O`.
    pub outputs: usize,
}

/// What follows `x w^T + b` in a layer.
#[derive(Clone, Copy)]
pub struct Epilogue<'a> {
    /// Nonlinearity.
    pub activation: Activation,
    /// Dropout and the patients' keys, tile by tile.
    pub dropout: Option<(Dropout, &'a [[[u32; LANES]; 2]])>,
}

impl Epilogue<'_> {
    /// Nothing follows.
    pub const NONE: Self = Self { activation: Activation::Identity, dropout: None };
}

/// The layer that produced `x`, as its gradient needs it.
#[derive(Clone, Copy)]
pub struct Produced<'a> {
    /// Its nonlinearity.
    pub activation: Activation,
    /// Its output, after dropout: `[T, I, 16]`.
    pub output: &'a [Lane],
    /// Units that dropout kept, `[T, I]` bits, and the probability to keep.
    pub kept: Option<(&'a [u16], f64)>,
}
