//! The fast path: vector exponentials, block-local prefix sums in `f64`.
//!
//! The masses `w exp(h) 2^-k` are formed in `f64` from an `f32` polynomial (relative error 5e-8),
//! with `k` in the middle of the range of scores. Everything after that adds, divides or takes
//! logarithms of positive `f64` numbers: risk sets grow along the order and the rates `R` grow
//! against it, so nothing cancels, and a denominator is never below `S / d`. What limits the path
//! is therefore not precision but the exponent of `f64`: see [`MAX_RANGE`].
//!
//! Rows are taken in blocks of [`BLOCK`]. A sum is formed within its block first and then added to
//! the total of the blocks before (or after) it, in order, so that it does not matter who computes
//! which block. Intermediates of a block stay in the first-level cache; exponentials are computed
//! again for the gradient because that is cheaper than to store them.

use std::ops::Range;

use super::Ties;
use super::order::EventGroup;
use super::terms::Terms;
use crate::simd::math::exp_shifted;
use crate::simd::{LANES, LANES_F64, Simd};

/// Rows of a block; part of the numeric profile.
pub(super) const BLOCK: usize = 1024;
/// Largest `max h - min h` of this path: masses then lie within `2^-722..2^722`, and with weights
/// down to the smallest normal `f32` and `2^31` rows every sum, reciprocal and product is normal.
pub(super) const MAX_RANGE: f32 = 1000.0;
/// Largest `|h|` for which the argument reduction of the exponential is exact enough.
pub(super) const MAX_SCORE: f32 = 4096.0;
/// One stratum of one problem; positions count from its first row.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub score: &'a [f32],
    pub weight: Option<&'a [f32]>,
    pub flags: &'a [u16],
    pub groups: &'a [EventGroup],
    /// Per block, how many groups end before it; one entry more than blocks.
    pub block_groups: &'a [u32],
    pub ties: Ties,
    /// Whether some events share a time.
    pub tied: bool,
}

impl Span<'_> {
    /// Blocks of rows.
    pub fn blocks(&self) -> usize {
        self.block_groups.len() - 1
    }

    /// Rows of a block.
    #[inline(always)]
    pub fn rows(&self, block: usize) -> Range<usize> {
        block * BLOCK..self.score.len().min((block + 1) * BLOCK)
    }

    /// Groups that end in a block.
    #[inline(always)]
    pub fn ending(&self, block: usize) -> Range<usize> {
        self.block_groups[block] as usize..self.block_groups[block + 1] as usize
    }

    /// The group that is open, or the next to come, where a block ends.
    #[inline(always)]
    pub fn following(&self, block: usize) -> Option<usize> {
        Some(self.ending(block).end).filter(|&g| g < self.groups.len())
    }

    /// Whether a group may have several terms; otherwise it has one and `B` is 0.
    pub fn is_averaged(&self) -> bool {
        self.tied && self.ties == Ties::Efron
    }
}

/// What the rows of positive weight hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    pub highest: f32,
    pub lowest: f32,
    pub event_weight: f64,
}

impl Default for Survey {
    fn default() -> Self {
        Self { highest: f32::NEG_INFINITY, lowest: f32::INFINITY, event_weight: 0.0 }
    }
}

impl Survey {
    pub fn join(self, next: Self) -> Self {
        Self {
            highest: self.highest.max(next.highest),
            lowest: self.lowest.min(next.lowest),
            event_weight: self.event_weight + next.event_weight,
        }
    }

    /// Whether the fast path is exact for these scores.
    pub fn is_narrow(&self) -> bool {
        self.highest - self.lowest <= MAX_RANGE && self.highest.abs().max(self.lowest.abs()) <= MAX_SCORE
    }

    /// The power of two that is taken out of every mass.
    pub fn shift(&self) -> f32 {
        ((self.highest + self.lowest) * 0.5 * std::f32::consts::LOG2_E).round_ties_even()
    }
}

/// `A` and `B` of each event group; the backward pass turns `A` into `R`.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupSums {
    pub a: Vec<f64>,
    pub b: Vec<f64>,
}

impl GroupSums {
    pub fn resize(&mut self, groups: usize) {
        self.a.resize(groups, 0.0);
        self.b.resize(groups, 0.0);
    }
}

/// Working space of one block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Prefix sums of the masses, then rates of the rows.
    rows: Vec<f64>,
    /// Terms of the groups that end in it.
    pub terms: Terms,
}

impl Default for Block {
    fn default() -> Self {
        Self { rows: vec![0.0; BLOCK + 2 * LANES], terms: Terms::default() }
    }
}

/// What a block needs to know of those before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Carry {
    /// Sum of their masses.
    pub before: f64,
    /// Sum of all masses before the first event of the group that is open at the border.
    pub open: f64,
}

/// Sums of one block that do not depend on others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BlockSums {
    /// Sum of the masses.
    pub mass: f64,
    /// Sum of the masses before the first event of the group that is open at its end, if that
    /// event is in this block.
    pub opens: Option<f64>,
    /// Sum of `w h` over events.
    pub event_score: f64,
}

impl Carry {
    pub fn next(self, sums: &BlockSums) -> Self {
        Self { before: self.before + sums.mass, open: sums.opens.map_or(self.open, |o| self.before + o) }
    }
}

/// The part of `values` from `i`, padded to a vector.
#[inline(always)]
fn load<S: Simd>(s: S, values: &[f32], i: usize, pad: f32) -> S::F {
    if i + LANES <= values.len() {
        // SAFETY: 16 values follow.
        unsafe { s.load(values.as_ptr().add(i)) }
    } else {
        let mut copy = [pad; LANES];
        copy[..values.len() - i].copy_from_slice(&values[i..]);
        // SAFETY: the array holds 16 lanes.
        unsafe { s.load(copy.as_ptr()) }
    }
}

/// Loads 8 values from `i`.
#[inline(always)]
pub(super) fn load_d<S: Simd>(s: S, values: &[f64], i: usize) -> S::D {
    debug_assert!(i + LANES_F64 <= values.len());
    // SAFETY: the buffers of a `Block` have a vector of slack behind the last index in use.
    unsafe { s.load_d(values.as_ptr().add(i)) }
}

/// Stores 8 values at `i`.
#[inline(always)]
pub(super) fn store_d<S: Simd>(s: S, values: &mut [f64], i: usize, x: S::D) {
    debug_assert!(i + LANES_F64 <= values.len());
    // SAFETY: as for `load_d`.
    unsafe { s.store_d(values.as_mut_ptr().add(i), x) }
}

/// Range of the scores and weight of the events of a block.
#[inline(always)]
pub(super) fn survey<S: Simd>(s: S, span: &Span, rows: Range<usize>) -> Survey {
    let (mut highest, mut lowest) = (s.splat(f32::NEG_INFINITY), s.splat(f32::INFINITY));
    let (mut low, mut high) = (s.splat_d(0.0), s.splat_d(0.0));
    let mut events = 0;
    for i in rows.step_by(LANES) {
        let h = load(s, span.score, i, span.score[i]);
        let flags = span.flags[i / LANES];
        if let Some(weight) = span.weight {
            let w = load(s, weight, i, 0.0);
            let alive = s.gt(w, s.splat(0.0));
            highest = s.max(s.select(alive, h, s.splat(f32::NEG_INFINITY)), highest);
            lowest = s.min(s.select(alive, h, s.splat(f32::INFINITY)), lowest);
            let (w0, w1) =
                s.widen(s.select(s.mask_from(flags), s.select(alive, w, s.splat(0.0)), s.splat(0.0)));
            low = s.add_d(low, w0);
            high = s.add_d(high, w1);
        } else {
            highest = s.max(h, highest);
            lowest = s.min(h, lowest);
            events += flags.count_ones();
        }
    }
    let lanes = |x: S::F| {
        let mut out = [0.0f32; LANES];
        // SAFETY: the array holds 16 lanes.
        unsafe { s.store(out.as_mut_ptr(), x) };
        out
    };
    Survey {
        highest: lanes(highest).into_iter().fold(f32::NEG_INFINITY, f32::max),
        lowest: lanes(lowest).into_iter().fold(f32::INFINITY, f32::min),
        event_weight: f64::from(events) + s.sum_d(s.add_d(low, high)),
    }
}

/// Masses of 16 rows; 0 where the weight is.
#[inline(always)]
pub(super) fn masses<S: Simd>(s: S, span: &Span, i: usize, h: S::F, shift: S::F) -> (S::D, S::D) {
    let Some(weight) = span.weight else {
        return exp_shifted(s, h, shift);
    };
    let w = load(s, weight, i, 0.0);
    // An absent row may hold any score, even one that is not a number.
    let h = s.select(s.gt(w, s.splat(0.0)), h, s.splat(0.0));
    let (x0, x1) = exp_shifted(s, h, s.select(s.gt(w, s.splat(0.0)), shift, s.splat(0.0)));
    let (w0, w1) = s.widen(w);
    (s.mul_d(x0, w0), s.mul_d(x1, w1))
}

/// Masses of all rows of a stratum into `mass`, padded to whole vectors.
#[inline(always)]
pub(super) fn store_masses<S: Simd>(s: S, span: &Span, shift: f32, mass: &mut Vec<f64>) {
    let n = span.score.len();
    mass.resize(n.next_multiple_of(LANES), 0.0);
    for i in (0..n).step_by(LANES) {
        let (x0, x1) = masses(s, span, i, load(s, span.score, i, 0.0), s.splat(shift));
        store_d(s, mass, i, x0);
        store_d(s, mass, i + LANES_F64, x1);
    }
}

/// Prefix sums of the masses of a block: entry `p` of [`Block::rows`] is the sum of the first `p`.
/// `open` is the group that is open where the block ends, or the next.
#[inline(always)]
pub(super) fn scan<S: Simd>(
    s: S,
    span: &Span,
    shift: f32,
    rows: Range<usize>,
    open: Option<&EventGroup>,
    block: &mut Block,
) -> BlockSums {
    let (i0, i1) = (rows.start, rows.end);
    let prefix = &mut block.rows;
    prefix[0] = 0.0;
    let shift = s.splat(shift);
    let zero = s.splat(0.0);
    let mut carry = s.splat_d(0.0);
    let mut scores = (s.splat_d(0.0), s.splat_d(0.0));
    for i in (i0..i1).step_by(LANES) {
        let h = load(s, span.score, i, 0.0);
        let (x0, x1) = masses(s, span, i, h, shift);
        let (x0, x1) = (s.prefix_d(x0), s.prefix_d(x1));
        store_d(s, prefix, i - i0 + 1, s.add_d(carry, x0));
        carry = s.add_d(carry, s.last_d(x0));
        store_d(s, prefix, i - i0 + 1 + LANES_F64, s.add_d(carry, x1));
        carry = s.add_d(carry, s.last_d(x1));
        let mut dying = s.select(s.mask_from(span.flags[i / LANES]), h, zero);
        let w = span.weight.map(|weight| load(s, weight, i, 0.0));
        if let Some(w) = w {
            dying = s.select(s.gt(w, zero), dying, zero);
        }
        let (h0, h1) = s.widen(dying);
        let (w0, w1) = w.map_or((s.splat_d(1.0), s.splat_d(1.0)), |w| s.widen(w));
        scores = (s.fma_d(w0, h0, scores.0), s.fma_d(w1, h1, scores.1));
    }
    let first = open.map(|group| group.first as usize).filter(|&first| first >= i0 && first < i1);
    BlockSums {
        mass: prefix[i1 - i0],
        opens: first.map(|first| prefix[first - i0]),
        event_score: s.sum_d(s.add_d(scores.0, scores.1)),
    }
}

/// Risk sets of the groups that end in the block at `i0`, from its prefix sums: `a` takes `S`, `b`
/// takes `E` where terms are averaged over ties.
#[inline(always)]
pub(super) fn risk_sets(
    span: &Span,
    i0: usize,
    groups: &[EventGroup],
    carry: Carry,
    block: &Block,
    a: &mut [f64],
    b: &mut [f64],
) {
    let prefix = &block.rows;
    for (group, a) in groups.iter().zip(&mut *a) {
        *a = carry.before + prefix[group.end as usize - i0];
    }
    if span.is_averaged() {
        for ((group, risk), b) in groups.iter().zip(a).zip(b) {
            *b = match (group.first as usize).checked_sub(i0) {
                Some(first) => prefix[group.end as usize - i0] - prefix[first],
                None => *risk - carry.open,
            };
        }
    }
}

/// Sum of `A` over the groups of a block, from its end.
#[inline(always)]
pub(super) fn total(a: &[f64]) -> f64 {
    a.iter().rev().fold(0.0, |sum, a| sum + a)
}

/// Replaces `A` by `R`: [`total`] of the groups of a block from each one on, plus `later`, the sum
/// of `A` over all later blocks. Returns the block's total.
#[inline(always)]
pub(super) fn rates(a: &mut [f64], later: f64) -> f64 {
    let mut sum = 0.0;
    for a in a.iter_mut().rev() {
        sum += *a;
        *a = later + sum;
    }
    sum
}

/// What the rows of a block feel.
pub(super) struct Rates<'a> {
    /// Groups that end in the block.
    pub groups: &'a [EventGroup],
    /// Their `R`.
    pub rate: &'a [f64],
    /// Their `B`.
    pub b: &'a [f64],
    /// `R` behind the last of them.
    pub later: f64,
    /// The group that is open where the block ends, or the next, and its `B`.
    pub next: Option<(&'a EventGroup, f64)>,
}

/// Gradient of the rows of a block into `out`.
#[inline(always)]
pub(super) fn gradient<S: Simd>(
    s: S,
    span: &Span,
    shift: f32,
    scale: f64,
    rows: Range<usize>,
    felt: Rates,
    block: &mut Block,
    out: &mut [f32],
) {
    let Rates { groups, rate, b, later, next } = felt;
    let i0 = rows.start;
    let averaged = span.is_averaged();
    let rates = &mut block.rows;
    let rows = out.len();
    let mut fill = |from: usize, to: usize, value: f64| {
        // Writes past `to` are overwritten by the next run.
        for p in (from..to).step_by(LANES_F64) {
            store_d(s, rates, p, s.splat_d(value));
        }
    };
    let mut from = 0;
    for ((group, &rate), &b) in groups.iter().zip(rate).zip(b) {
        let end = group.end as usize - i0;
        fill(from, end, rate);
        if averaged && b != 0.0 {
            fill((group.first as usize).saturating_sub(i0), end, rate - b);
        }
        from = end;
    }
    fill(from, rows, later);
    if let Some((group, b)) = next.filter(|(group, _)| averaged && (group.first as usize) < i0 + rows) {
        fill((group.first as usize).saturating_sub(i0), rows, later - b);
    }

    let shift = s.splat(shift);
    let scale = s.splat_d(scale);
    let zero = s.splat(0.0);
    for p in (0..rows).step_by(LANES) {
        let i = i0 + p;
        let (x0, x1) = masses(s, span, i, load(s, span.score, i, 0.0), shift);
        let w = span.weight.map_or(s.splat(1.0), |weight| load(s, weight, i, 0.0));
        let event = s.select(s.mask_from(span.flags[i / LANES]), s.sub(zero, w), zero);
        let (e0, e1) = s.widen(event);
        let g0 = s.mul_d(scale, s.fma_d(x0, load_d(s, rates, p), e0));
        let g1 = s.mul_d(scale, s.fma_d(x1, load_d(s, rates, p + LANES_F64), e1));
        let g = s.narrow(g0, g1);
        if p + LANES <= rows {
            // SAFETY: 16 places follow.
            unsafe { s.store(out.as_mut_ptr().add(p), g) };
        } else {
            let mut copy = [0.0; LANES];
            // SAFETY: the array holds 16 lanes.
            unsafe { s.store(copy.as_mut_ptr(), g) };
            out[p..].copy_from_slice(&copy[..rows - p]);
        }
    }
}
