//! The terms of the event groups on the fast path: from risk sets to logarithms and rates.

use super::fast::{BLOCK, Span, load_d, store_d};
use super::order::EventGroup;
use crate::simd::math::ln_d;
use crate::simd::{LANES, LANES_F64, Simd};

/// Groups of up to so many terms share vectors with their neighbours.
const SMALL: usize = 32;
/// Terms whose mantissas are multiplied before the product's exponent is taken out.
const PRODUCT: usize = 512 * LANES_F64;

static IOTA: [f64; LANES_F64] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
const LN_2: f64 = std::f64::consts::LN_2;

/// Working space for the terms of one block.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Denominators of small groups, then their reciprocals.
    terms: Vec<f64>,
    /// Factor of the logarithm of each term.
    factors: Vec<f64>,
    /// Terms of each group.
    slots: Vec<u32>,
}

impl Default for Terms {
    fn default() -> Self {
        let terms = BLOCK + SMALL + LANES;
        Self { terms: vec![0.0; terms], factors: vec![0.0; terms], slots: vec![0; BLOCK + 1] }
    }
}

/// Events of positive weight in a group, and their weight.
#[inline(always)]
pub(super) fn tally(span: &Span, group: &EventGroup) -> (u32, f64) {
    let Some(weight) = span.weight else {
        return (group.end - group.first, f64::from(group.end - group.first));
    };
    let weight = &weight[group.first as usize..group.end as usize];
    weight.iter().fold((0, 0.0), |(n, sum), &w| (n + u32::from(w > 0.0), sum + f64::from(w)))
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

/// From `S` in `a` and `E` in `b`, both per group of one block, to `A` and `B`; returns the sum of
/// the logarithms. `UNIT`: every logarithm has the factor 1 (no weights, and Efron or no ties).
#[inline(always)]
pub(super) fn events<S: Simd, const UNIT: bool>(
    s: S,
    span: &Span,
    groups: &[EventGroup],
    terms: &mut Terms,
    a: &mut [f64],
    b: &mut [f64],
) -> f64 {
    if span.is_averaged() {
        averaged::<S, UNIT>(s, span, groups, terms, a, b)
    } else {
        single::<S, UNIT>(s, span, groups, terms, a)
    }
}

/// Groups of one term each: Breslow, or no ties.
#[inline(always)]
fn single<S: Simd, const UNIT: bool>(
    s: S,
    span: &Span,
    groups: &[EventGroup],
    terms: &mut Terms,
    a: &mut [f64],
) -> f64 {
    let factors = &mut terms.factors;
    if !UNIT {
        match span.weight {
            Some(weight) if !span.tied => {
                for (factor, group) in factors.iter_mut().zip(groups) {
                    *factor = f64::from(weight[group.first as usize]);
                }
            }
            _ => {
                for (factor, group) in factors.iter_mut().zip(groups) {
                    *factor = tally(span, group).1;
                }
            }
        }
    }
    let (zero, one) = (s.splat_d(0.0), s.splat_d(1.0));
    let mut product = Product::new(s);
    let mut logs = zero;
    for (k, a) in a.chunks_mut(LANES_F64).enumerate() {
        let mut whole = [1.0; LANES_F64];
        whole[..a.len()].copy_from_slice(a);
        let term = load_d(s, &whole, 0);
        let inverse = if UNIT {
            product.push(s, term);
            s.div_d(one, term)
        } else {
            let factor = load_d(s, factors, k * LANES_F64);
            // Nobody may be at risk yet where the event itself is absent.
            let term = s.select_d(s.gt_d(factor, zero), term, one);
            logs = s.fma_d(factor, ln_d(s, term), logs);
            s.div_d(factor, term)
        };
        store_d(s, &mut whole, 0, inverse);
        a.copy_from_slice(&whole[..a.len()]);
    }
    s.sum_d(if UNIT { product.ln(s) } else { logs })
}

/// Groups of one term per event: Efron with ties. Groups of up to [`SMALL`] events lie packed in
/// `terms`, so that their divisions and logarithms fill vectors; larger ones are done at once.
#[inline(always)]
fn averaged<S: Simd, const UNIT: bool>(
    s: S,
    span: &Span,
    groups: &[EventGroup],
    terms: &mut Terms,
    a: &mut [f64],
    b: &mut [f64],
) -> f64 {
    let Terms { terms, factors, slots } = terms;
    let iota = load_d(s, &IOTA, 0);
    let (zero, one) = (s.splat_d(0.0), s.splat_d(1.0));
    let mut product = Product::new(s);
    let mut logs = zero;
    let mut used = 0;
    for (g, group) in groups.iter().enumerate() {
        let (count, total) = tally(span, group);
        let (n, events) = (count as usize, f64::from(count));
        let factor = if UNIT { 1.0 } else { total / events };
        let (step, risk) = (s.splat_d(-b[g] / events), s.splat_d(a[g]));
        slots[g] = count;
        // Writes past the group, and for a group without events, are overwritten by the next.
        store_d(s, terms, used, s.fma_d(iota, step, risk));
        if !UNIT {
            store_d(s, factors, used, s.splat_d(factor));
        }
        if n <= LANES_F64 {
            used += n;
        } else if n <= SMALL {
            for r in (LANES_F64..n).step_by(LANES_F64) {
                let rank = s.add_d(iota, s.splat_d(r as f64));
                store_d(s, terms, used + r, s.fma_d(rank, step, risk));
                if !UNIT {
                    store_d(s, factors, used + r, s.splat_d(factor));
                }
            }
            used += n;
        } else {
            let limit = s.splat_d(events);
            let (mut sum_a, mut sum_b) = (zero, zero);
            let mut own = Product::new(s);
            for start in (0..n).step_by(PRODUCT) {
                for r in (start..n.min(start + PRODUCT)).step_by(LANES_F64) {
                    let rank = s.add_d(iota, s.splat_d(r as f64));
                    let inside = s.gt_d(limit, rank);
                    let term = s.select_d(inside, s.fma_d(rank, step, risk), one);
                    let inverse = s.select_d(inside, s.div_d(one, term), zero);
                    sum_a = s.add_d(sum_a, inverse);
                    sum_b = s.fma_d(rank, inverse, sum_b);
                    own.push(s, term);
                }
                own.renormalise(s);
            }
            a[g] = factor * s.sum_d(sum_a);
            b[g] = factor * s.sum_d(sum_b) / events;
            if UNIT {
                product.mantissa = s.mul_d(product.mantissa, own.mantissa);
                product.exponent = s.add_d(product.exponent, own.exponent);
            } else {
                logs = s.fma_d(s.splat_d(factor), own.ln(s), logs);
            }
        }
    }

    store_d(s, terms, used, one);
    store_d(s, factors, used, zero);
    for k in (0..used).step_by(LANES_F64) {
        let term = load_d(s, terms, k);
        if UNIT {
            product.push(s, term);
        } else {
            logs = s.fma_d(load_d(s, factors, k), ln_d(s, term), logs);
        }
        store_d(s, terms, k, s.div_d(one, term));
    }

    let mut used = 0;
    for g in 0..groups.len() {
        let n = slots[g] as usize;
        if n > SMALL {
            continue;
        }
        let limit = s.splat_d(n as f64);
        let inverse = s.select_d(s.gt_d(limit, iota), load_d(s, terms, used), zero);
        let (mut sum_a, mut sum_b) = (inverse, s.mul_d(iota, inverse));
        for r in (LANES_F64..n).step_by(LANES_F64) {
            let rank = s.add_d(iota, s.splat_d(r as f64));
            let inverse = s.select_d(s.gt_d(limit, rank), load_d(s, terms, used + r), zero);
            sum_a = s.add_d(sum_a, inverse);
            sum_b = s.fma_d(rank, inverse, sum_b);
        }
        let factor = if UNIT { 1.0 } else { factors[used] };
        a[g] = factor * s.sum_d(sum_a);
        b[g] = factor * s.sum_d(sum_b) / (n as f64).max(1.0);
        used += n;
    }
    s.sum_d(if UNIT { product.ln(s) } else { logs })
}
