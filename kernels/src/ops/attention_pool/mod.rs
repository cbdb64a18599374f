//! Gated attention pooling of bags of tile embeddings, and its gradients.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | `rows` | `[T, D]` f16, bf16, f32 or f64, a bag's tiles | of the embedding |
//! | parameters | `w [H, D]`, `b [H]`, `v [A, H]`, `c [A]`, `u [A, H]`, `d [A]`, `a [A]`, one after the other | |
//! | `logits` | `[T]` f32 | |
//! | `z` | `[H]` f64, the bag's vector | |
//! | `pull` | `[H]` f32 | loss per unit of `z` |
//! | gradient | `[P]` f64, as the parameters; is added to | loss per unit of parameter |
//!
//! `h_t = relu(w x_t + b)`, with dropout; `l_t = a . (tanh(v h_t + c) * sigmoid(u h_t + d))`; `p = softmax(l)` over the
//! bag; `z = sum_t p_t h_t`. Backwards, with `q_t = pull . h_t`: `dl_t = p_t (q_t - pull . z)`, and `h_t` gains
//! `p_t pull` beside what comes through the gates. Ilse, Tomczak and Welling, "Attention-based deep multiple instance
//! learning", ICML 2018, equations 8 and 9. A constant added to all logits changes nothing, so there is none.
//!
//! **Blocks.** A bag passes in blocks of at most [`BLOCK`] tiles, twice: forwards, which leaves `z` and two numbers of
//! the softmax ([`Pooled`]), and backwards, for which a [`Block`] is computed again or was kept. So memory does not grow
//! with a bag. Products are sums by fused multiply-adds in order of the summed index; over tiles they are `f32` within a
//! block and `f64` across blocks in order. Threads share out the elements of a block, never a sum, so that an element
//! has one order of additions for any number of threads.

mod fast;
mod op;
mod products;
mod reference;
#[cfg(test)]
mod tests;

use std::ops::Range;

use osteon_core::rng::mix64;
use rayon::prelude::*;

pub use op::AttentionPoolOp;

use self::fast::{attend, gates_backward, logits, soften, weighted_sums};
use self::products::{CHUNK, PANEL, Panels, Step, drop_units, outer, product};
use super::dropout::Dropout;
use super::pool::Rows;
use crate::simd::Level;

/// Tiles that are computed together.
pub const BLOCK: usize = 960;

/// The widths of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Values of an embedding, `D`.
    pub inputs: usize,
    /// Values of a tile's features and of a bag's vector, `H`.
    pub hidden: usize,
    /// Values of each gate, `A`.
    pub attention: usize,
}

/// Where the parameters lie in one vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `w [H, D]`.
    pub w: Range<usize>,
    /// `b [H]`.
    pub b: Range<usize>,
    /// `v [A, H]`.
    pub v: Range<usize>,
    /// `c [A]`.
    pub c: Range<usize>,
    /// `u [A, H]`.
    pub u: Range<usize>,
    /// `d [A]`.
    pub d: Range<usize>,
    /// `a [A]`.
    pub a: Range<usize>,
}

impl Shape {
    /// Where the parameters lie.
    pub fn places(&self) -> Places {
        let Self { inputs, hidden, attention } = *self;
        let mut end = 0;
        let mut next = |len: usize| {
            end += len;
            end - len..end
        };
        Places {
            w: next(hidden * inputs),
            b: next(hidden),
            v: next(attention * hidden),
            c: next(attention),
            u: next(attention * hidden),
            d: next(attention),
            a: next(attention),
        }
    }

    /// Parameters `P`.
    pub fn len(&self) -> usize {
        self.places().a.end
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that a kept [`Block`] of so many tiles holds.
    pub fn kept_bytes(&self, tiles: usize) -> usize {
        let gates = 2 * self.attention.next_multiple_of(PANEL);
        4 * tiles * (self.hidden.next_multiple_of(PANEL) + gates + 1)
    }
}

/// Parameters laid out for the products of a step.
#[derive(Debug)]
pub struct Network {
    level: Level,
    shape: Shape,
    /// `w` and both gates transposed, `[O / 64, I, 64]`; `v` and `u` begin with a panel of their own.
    features: Vec<f32>,
    gates: Vec<f32>,
    /// The gates as they are, `[H / 64, O, 64]`.
    back: Vec<f32>,
    features_bias: Vec<f32>,
    gates_bias: Vec<f32>,
    attention: Vec<f32>,
}

/// Dropout of the features of a bag's tiles.
#[derive(Debug, Clone, Copy)]
pub struct TileDropout {
    /// Its layer, step and problem.
    pub dropout: Dropout,
    /// Key of the patient.
    pub patient: u64,
    /// Number of the block's first tile within the bag.
    pub first: usize,
}

impl TileDropout {
    /// The key that the units of tile `t` of the block are drawn under.
    pub fn key(&self, t: usize) -> u64 {
        mix64(self.patient ^ mix64((self.first + t) as u64))
    }
}

/// What a pass forwards makes of a block of tiles, and a pass backwards needs.
#[derive(Debug, Default)]
pub struct Block {
    h: Panels,
    /// `tanh` gates, then sigmoid gates.
    gates: Panels,
    logits: Vec<f32>,
}

impl Block {
    /// Attention before the softmax, `[T]`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }
}

/// Memory that is used again from block to block.
#[derive(Debug, Default)]
pub struct Workspace {
    x: Panels,
    e: Panels,
    weight: Vec<f32>,
    slope: Vec<f32>,
    sums: Vec<f32>,
}

impl Network {
    /// Lays parameters out.
    ///
    /// # Panics
    /// If there are not as many as the shape has, or a width is 0.
    pub fn new(level: Level, shape: Shape, parameters: &[f32]) -> Self {
        assert_eq!(parameters.len(), shape.len(), "attention_pool: parameters");
        let Shape { inputs, hidden, attention } = shape;
        assert!(inputs > 0 && hidden > 0 && attention > 0, "attention_pool: a width is 0");
        let at = shape.places();
        let half = attention.next_multiple_of(PANEL);
        let mut features = vec![0.0; hidden.next_multiple_of(PANEL) * inputs];
        products::transpose(&parameters[at.w], inputs, &mut features);
        let mut gates = vec![0.0; 2 * half * hidden];
        let (tanh, sigmoid) = gates.split_at_mut(half * hidden);
        products::transpose(&parameters[at.v.clone()], hidden, tanh);
        products::transpose(&parameters[at.u.clone()], hidden, sigmoid);
        let mut back = vec![0.0; 2 * half * hidden.next_multiple_of(PANEL)];
        for (from, first) in [(at.v, 0), (at.u, half)] {
            for (o, row) in parameters[from].chunks_exact(hidden).enumerate() {
                for (panel, part) in row.chunks(PANEL).enumerate() {
                    back[(panel * 2 * half + first + o) * PANEL..][..part.len()].copy_from_slice(part);
                }
            }
        }
        let padded = |ranges: [Range<usize>; 2], width: usize| {
            let mut out = vec![0.0; 2 * width];
            for (out, range) in out.chunks_mut(width).zip(ranges) {
                out[..range.len()].copy_from_slice(&parameters[range]);
            }
            out
        };
        let mut features_bias = padded([at.b, 0..0], hidden.next_multiple_of(PANEL));
        features_bias.truncate(hidden.next_multiple_of(PANEL));
        let gates_bias = padded([at.c, at.d], half);
        let mut attention = padded([at.a, 0..0], half);
        attention.truncate(half);
        Self { level, shape, features, gates, back, features_bias, gates_bias, attention }
    }

    /// Its widths.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Lays the tiles of a block out in `space`, which [`Self::backward`] of a kept block needs.
    ///
    /// # Panics
    /// If they are not whole tiles, or more than [`BLOCK`].
    pub fn load(&self, rows: Rows, space: &mut Workspace) {
        let width = self.shape.inputs;
        assert_eq!(rows.len() % width, 0, "attention_pool: whole tiles");
        assert!(rows.len() / width <= BLOCK, "attention_pool: more than one block");
        space.x.pack(self.level, rows, width);
    }

    /// The pass forwards over a block of at most [`BLOCK`] tiles.
    ///
    /// # Panics
    /// As [`Self::load`].
    pub fn forward(
        &self,
        rows: Rows,
        dropout: Option<TileDropout>,
        space: &mut Workspace,
        block: &mut Block,
    ) {
        self.load(rows, space);
        let Shape { inputs, hidden, attention } = self.shape;
        let (level, tiles) = (self.level, space.x.rows());
        block.h.reset(tiles, hidden);
        let step = |panel: usize, _: usize| Step::Relu { bias: &self.features_bias[panel * PANEL..] };
        product(level, &space.x, inputs, &self.features, step, &mut block.h);
        if let Some(dropout) = dropout {
            drop_units(level, dropout, &mut block.h);
        }
        let half = attention.next_multiple_of(PANEL);
        block.gates.reset(tiles, 2 * half);
        let step = |panel: usize, _: usize| {
            let bias = &self.gates_bias[panel * PANEL..];
            if panel < half / PANEL { Step::Tanh { bias } } else { Step::Sigmoid { bias } }
        };
        product(level, &block.h, hidden, &self.gates, step, &mut block.gates);
        block.logits.resize(tiles, 0.0);
        logits(level, &block.gates, &self.attention, &mut block.logits);
    }

    /// The pass backwards over a block whose tiles were the last that went through `space`: adds the block's part to
    /// `gradient`. The block's gates are used up. `dropout` is that of the pass forwards.
    ///
    /// # Panics
    /// If `pull` or `gradient` is not as long as the shape says, or the tiles are not the block's.
    pub fn backward(
        &self,
        space: &mut Workspace,
        block: &mut Block,
        bag: &Pooled,
        pull: &[f32],
        dropout: Option<Dropout>,
        gradient: &mut [f64],
    ) {
        let Shape { inputs, hidden, attention } = self.shape;
        assert_eq!((pull.len(), gradient.len()), (hidden, self.shape.len()), "attention_pool: lengths");
        let (level, tiles) = (self.level, block.h.rows());
        let Workspace { x, e, weight, slope, sums } = space;
        assert_eq!(x.rows(), tiles, "attention_pool: tiles of another block");
        weight.resize(tiles, 0.0);
        soften(level, &block.logits, bag.max, bag.sum, weight);
        let mut padded = vec![0.0; hidden.next_multiple_of(PANEL)];
        padded[..hidden].copy_from_slice(pull);
        let mean: f64 = pull.iter().zip(&bag.z).map(|(&p, z)| f64::from(p) * z).sum();
        slope.resize(tiles, 0.0);
        attend(level, &block.h, &padded, weight, mean as f32, slope);

        let at = self.shape.places();
        let half = attention.next_multiple_of(PANEL);
        sums.clear();
        sums.resize(3 * half, 0.0);
        gates_backward(level, slope, &self.attention, &mut block.gates, sums);
        for (part, range) in sums.chunks(half).zip([&at.a, &at.c, &at.d]) {
            add(&mut gradient[range.clone()], part);
        }

        e.reset(tiles, hidden);
        let scale = dropout.map_or(1.0, |d| (1.0 / d.keep()) as f32);
        let (h, weight) = (&block.h, &*weight);
        let step = |panel: usize, first: usize| {
            let (pull, h) = (&padded[panel * PANEL..], &h.panel(panel)[first * PANEL..]);
            Step::Through { weight: &weight[first..], pull, h, scale }
        };
        product(level, &block.gates, 2 * half, &self.back, step, e);

        let panels = half / PANEL;
        outer(level, &block.gates, 0..panels, h, &mut gradient[at.v.clone()], hidden);
        outer(level, &block.gates, panels..2 * panels, h, &mut gradient[at.u.clone()], hidden);
        outer(level, e, 0..hidden.div_ceil(PANEL), x, &mut gradient[at.w.clone()], inputs);
        sums.resize(hidden.next_multiple_of(PANEL), 0.0);
        weighted_sums(level, e, None, sums);
        add(&mut gradient[at.b], sums);
    }
}

fn add(sums: &mut [f64], part: &[f32]) {
    sums.iter_mut().zip(part).for_each(|(sum, &x)| *sum += f64::from(x));
}

/// A bag's vector, and the softmax over its tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooled {
    tiles: usize,
    /// Largest logit.
    max: f32,
    /// Sum of `exp(logit - max)`.
    sum: f64,
    /// Of the tiles so far, in units of `sum`; at the end, `z`.
    z: Vec<f64>,
}

impl Pooled {
    /// No tiles yet.
    pub fn new(shape: Shape) -> Self {
        Self { tiles: 0, max: f32::NEG_INFINITY, sum: 0.0, z: vec![0.0; shape.hidden] }
    }

    /// Adds the next block of the bag.
    pub fn add(&mut self, level: Level, space: &mut Workspace, block: &Block) {
        let tiles = block.logits.len();
        if tiles == 0 {
            return;
        }
        let Workspace { weight, sums, .. } = space;
        let max = block.logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        weight.resize(tiles, 0.0);
        soften(level, &block.logits, max, 1.0, weight);
        sums.resize(self.z.len().next_multiple_of(PANEL), 0.0);
        weighted_sums(level, &block.h, Some(weight), sums);
        let sum: f64 = weight.iter().map(|&w| f64::from(w)).sum();
        // Both in units of the larger of the two largest logits.
        let whole = self.max.max(max);
        let shrink = |from: f32| match from == whole {
            true => 1.0,
            false => libm::exp(f64::from(from) - f64::from(whole)),
        };
        let (old, new) = (shrink(self.max), shrink(max));
        self.sum = self.sum * old + sum * new;
        self.z.iter_mut().zip(&*sums).for_each(|(z, &s)| *z = *z * old + f64::from(s) * new);
        (self.max, self.tiles) = (whole, self.tiles + tiles);
    }

    /// The bag, once all its blocks were added; `None` for a bag without tiles, which has no vector.
    pub fn finish(mut self) -> Option<Self> {
        if self.tiles == 0 {
            return None;
        }
        self.z.iter_mut().for_each(|z| *z /= self.sum);
        Some(self)
    }

    /// Tiles `T`.
    pub fn tiles(&self) -> usize {
        self.tiles
    }

    /// The bag's vector `[H]`.
    pub fn z(&self) -> &[f64] {
        &self.z
    }

    /// The attention of all tiles of the bag by their logits, which adds up to 1.
    pub fn attention(&self, logits: &[f32]) -> Vec<f64> {
        let weight = |&l: &f32| libm::exp(f64::from(l) - f64::from(self.max));
        let sum: f64 = logits.iter().map(weight).sum();
        logits.iter().map(|l| weight(l) / sum).collect()
    }
}

/// Calls `work` for chunks of the rows of each panel: panel, first row, values.
fn for_chunks(panels: &mut Panels, work: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let rows = panels.rows();
    if rows == 0 {
        return;
    }
    let chunks = panels.values_mut().chunks_mut(rows * PANEL).enumerate();
    let chunks: Vec<(usize, usize, &mut [f32])> = chunks
        .flat_map(|(panel, of)| {
            of.chunks_mut(CHUNK * PANEL).enumerate().map(move |(k, chunk)| (panel, k * CHUNK, chunk))
        })
        .collect();
    chunks.into_par_iter().with_max_len(1).for_each(|(panel, first, chunk)| work(panel, first, chunk));
}
