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

use super::Ties;
use super::order::EventGroup;
use crate::simd::math::{exp_shifted, ln_d};
use crate::simd::{LANES, LANES_F64, Simd};

/// Rows of a block; part of the numeric profile.
pub(super) const BLOCK: usize = 1024;
/// Largest `max h - min h` of this path: masses then lie within `2^-722..2^722`, and with weights
/// down to the smallest normal `f32` and `2^31` rows every sum, reciprocal and product is normal.
pub(super) const MAX_RANGE: f32 = 1000.0;
/// Largest `|h|` for which the argument reduction of the exponential is exact enough.
pub(super) const MAX_SCORE: f32 = 4096.0;
/// Groups of up to so many terms share vectors with their neighbours.
const SMALL: usize = 32;
/// Terms whose mantissas are multiplied before the product's exponent is taken out.
const PRODUCT: usize = 512 * LANES_F64;

static IOTA: [f64; LANES_F64] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
const LN_2: f64 = std::f64::consts::LN_2;

/// One stratum of one problem; positions count from its first row.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub score: &'a [f32],
    pub weight: Option<&'a [f32]>,
    pub flags: &'a [u16],
    pub groups: &'a [EventGroup],
    pub ties: Ties,
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
    /// Denominators of small groups, then their reciprocals.
    terms: Vec<f64>,
    /// Factor of the logarithm of each term.
    factors: Vec<f64>,
    slots: Vec<u32>,
}

impl Default for Block {
    fn default() -> Self {
        let terms = BLOCK + SMALL + LANES;
        Self {
            rows: vec![0.0; BLOCK + 2 * LANES],
            terms: vec![0.0; terms],
            factors: vec![0.0; terms],
            slots: vec![0; BLOCK + 1],
        }
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
fn load_d<S: Simd>(s: S, values: &[f64], i: usize) -> S::D {
    debug_assert!(i + LANES_F64 <= values.len());
    // SAFETY: the buffers of a `Block` have a vector of slack behind the last index in use.
    unsafe { s.load_d(values.as_ptr().add(i)) }
}

/// Stores 8 values at `i`.
#[inline(always)]
fn store_d<S: Simd>(s: S, values: &mut [f64], i: usize, x: S::D) {
    debug_assert!(i + LANES_F64 <= values.len());
    // SAFETY: as for `load_d`.
    unsafe { s.store_d(values.as_mut_ptr().add(i), x) }
}

/// Range of the scores and weight of the events in rows `i0..i1`, a block.
#[inline(always)]
pub(super) fn survey<S: Simd>(s: S, span: &Span, i0: usize, i1: usize) -> Survey {
    let (mut highest, mut lowest) = (s.splat(f32::NEG_INFINITY), s.splat(f32::INFINITY));
    let (mut low, mut high) = (s.splat_d(0.0), s.splat_d(0.0));
    let mut events = 0;
    for i in (i0..i1).step_by(LANES) {
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

/// Prefix sums of the masses of rows `i0..i1` into `prefix`: entry `p` is the sum of the first `p`.
#[inline(always)]
pub(super) fn scan<S: Simd>(
    s: S,
    span: &Span,
    shift: f32,
    i0: usize,
    i1: usize,
    open: Option<&EventGroup>,
    block: &mut Block,
) -> BlockSums {
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

/// Events of positive weight in a group, and their weight.
#[inline(always)]
pub(super) fn tally(span: &Span, group: &EventGroup) -> (u32, f64) {
    let Some(weight) = span.weight else {
        return (group.end - group.first, f64::from(group.end - group.first));
    };
    let weight = &weight[group.first as usize..group.end as usize];
    weight.iter().filter(|&&w| w > 0.0).fold((0, 0.0), |(n, sum), &w| (n + 1, sum + f64::from(w)))
}

/// Product of positive numbers, lane by lane: mantissas and exponents apart, so that thousands of
/// them share one logarithm. Each factor adds a relative error of at most 2^-53 to the product,
/// less than the logarithm of each would have.
struct Product<S: Simd> {
    mantissa: S::D,
    exponent: S::D,
}

impl<S: Simd> Product<S> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Self { mantissa: s.splat_d(1.0), exponent: s.splat_d(0.0) }
    }

    #[inline(always)]
    fn push(&mut self, s: S, x: S::D) {
        let (e, m) = s.split_d(x);
        self.mantissa = s.mul_d(self.mantissa, m);
        self.exponent = s.add_d(self.exponent, e);
    }

    #[inline(always)]
    fn renormalise(&mut self, s: S) {
        let (e, m) = s.split_d(self.mantissa);
        self.mantissa = m;
        self.exponent = s.add_d(self.exponent, e);
    }

    #[inline(always)]
    fn ln(&self, s: S) -> S::D {
        s.fma_d(self.exponent, s.splat_d(LN_2), ln_d(s, self.mantissa))
    }
}

/// Risk sets of the groups that end in the block at `i0`, from its prefix sums: `a` takes `S`, `b`
/// takes `E`.
#[inline(always)]
pub(super) fn risk_sets(
    i0: usize,
    groups: &[EventGroup],
    carry: Carry,
    block: &Block,
    a: &mut [f64],
    b: &mut [f64],
) {
    let prefix = &block.rows;
    for ((group, a), b) in groups.iter().zip(a).zip(b) {
        let upto = prefix[group.end as usize - i0];
        *a = carry.before + upto;
        *b = match (group.first as usize).checked_sub(i0) {
            Some(first) => upto - prefix[first],
            None => *a - carry.open,
        };
    }
}

/// From `S` in `a` and `E` in `b`, both per group, to `A` and `B`; returns the sum of the
/// logarithms. `groups` are those of one block. `UNIT`: every logarithm has the factor 1 (no
/// weights, and Efron or no ties).
#[inline(always)]
pub(super) fn events<S: Simd, const UNIT: bool>(
    s: S,
    span: &Span,
    groups: &[EventGroup],
    block: &mut Block,
    a: &mut [f64],
    b: &mut [f64],
) -> f64 {
    let Block { terms, factors, slots, .. } = block;
    let iota = load_d(s, &IOTA, 0);
    let mut product = Product::new(s);
    let mut logs = s.splat_d(0.0);
    let mut used = 0;
    for (g, group) in groups.iter().enumerate() {
        let risk = a[g];
        let (count, total) = tally(span, group);
        if count <= 1 || span.ties == Ties::Breslow {
            terms[used] = risk;
            if !UNIT {
                factors[used] = total;
            }
            slots[g] = count.min(1);
            used += count.min(1) as usize;
            continue;
        }
        let n = count as usize;
        let factor = if UNIT { 1.0 } else { total / f64::from(count) };
        let (step, risk) = (s.splat_d(-b[g] / f64::from(count)), s.splat_d(risk));
        slots[g] = count;
        if n <= SMALL {
            for r in (0..n).step_by(LANES_F64) {
                // Writes past the group are overwritten by the next one.
                let rank = s.add_d(iota, s.splat_d(r as f64));
                store_d(s, terms, used + r, s.fma_d(rank, step, risk));
                if !UNIT {
                    store_d(s, factors, used + r, s.splat_d(factor));
                }
            }
            used += n;
            continue;
        }
        let limit = s.splat_d(f64::from(count));
        let (mut sum_a, mut sum_b) = (s.splat_d(0.0), s.splat_d(0.0));
        let mut own = Product::new(s);
        for start in (0..n).step_by(PRODUCT) {
            for r in (start..n.min(start + PRODUCT)).step_by(LANES_F64) {
                let rank = s.add_d(iota, s.splat_d(r as f64));
                let inside = s.gt_d(limit, rank);
                let term = s.select_d(inside, s.fma_d(rank, step, risk), s.splat_d(1.0));
                let inverse = s.select_d(inside, s.div_d(s.splat_d(1.0), term), s.splat_d(0.0));
                sum_a = s.add_d(sum_a, inverse);
                sum_b = s.fma_d(rank, inverse, sum_b);
                own.push(s, term);
            }
            own.renormalise(s);
        }
        a[g] = factor * s.sum_d(sum_a);
        b[g] = factor * s.sum_d(sum_b) / f64::from(count);
        if UNIT {
            product.mantissa = s.mul_d(product.mantissa, own.mantissa);
            product.exponent = s.add_d(product.exponent, own.exponent);
        } else {
            logs = s.fma_d(s.splat_d(factor), own.ln(s), logs);
        }
    }

    store_d(s, terms, used, s.splat_d(1.0));
    store_d(s, factors, used, s.splat_d(0.0));
    for k in (0..used).step_by(LANES_F64) {
        let term = load_d(s, terms, k);
        if UNIT {
            product.push(s, term);
        } else {
            logs = s.fma_d(load_d(s, factors, k), ln_d(s, term), logs);
        }
        store_d(s, terms, k, s.div_d(s.splat_d(1.0), term));
    }

    let mut used = 0;
    for g in 0..groups.len() {
        let n = slots[g] as usize;
        if n == 1 {
            a[g] = if UNIT { terms[used] } else { factors[used] * terms[used] };
            b[g] = 0.0;
        } else if n == 0 {
            a[g] = 0.0;
            b[g] = 0.0;
        } else if n <= SMALL {
            let limit = s.splat_d(n as f64);
            let (mut sum_a, mut sum_b) = (s.splat_d(0.0), s.splat_d(0.0));
            for r in (0..n).step_by(LANES_F64) {
                let rank = s.add_d(iota, s.splat_d(r as f64));
                let inverse = load_d(s, terms, used + r);
                let inverse = s.select_d(s.gt_d(limit, rank), inverse, s.splat_d(0.0));
                sum_a = s.add_d(sum_a, inverse);
                sum_b = s.fma_d(rank, inverse, sum_b);
            }
            let factor = if UNIT { 1.0 } else { factors[used] };
            a[g] = factor * s.sum_d(sum_a);
            b[g] = factor * s.sum_d(sum_b) / n as f64;
        } else {
            continue;
        }
        used += n;
    }
    s.sum_d(if UNIT { product.ln(s) } else { logs })
}

/// Replaces `A` by `R`: adds up the groups of a block from its end, and `later`, the sum of `A`
/// over all later blocks. Returns the sum over the block.
#[inline(always)]
pub(super) fn rates(a: &mut [f64], later: f64) -> f64 {
    let mut sum = 0.0;
    for a in a.iter_mut().rev() {
        sum += *a;
        *a = later + sum;
    }
    sum
}

/// Gradient of rows `i0..i1` into `out`, which is that block of it. `rate` and `b` belong to the
/// groups of the block; `next` is the group open at its end with its `B`.
#[inline(always)]
pub(super) fn gradient<S: Simd>(
    s: S,
    span: &Span,
    shift: f32,
    scale: f64,
    i0: usize,
    groups: &[EventGroup],
    rate: &[f64],
    b: &[f64],
    later: f64,
    next: Option<(&EventGroup, f64)>,
    block: &mut Block,
    out: &mut [f32],
) {
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
        if b != 0.0 {
            fill((group.first as usize).saturating_sub(i0), end, rate - b);
        }
        from = end;
    }
    fill(from, rows, later);
    if let Some((group, b)) = next.filter(|(group, _)| (group.first as usize) < i0 + rows) {
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
