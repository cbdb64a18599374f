//! Left truncation on the fast path: risk sets as the difference of two sums.
//!
//! `S(T)` is the sum over rows with time at or after `T` less the sum over rows that enter at or
//! after `T`; the rate of a row is a difference of two suffix sums in the same way. Both cancel:
//! their relative error is up to `N max(w e^h) / min(w e^h)` times 2^-53. Where that could exceed
//! [`LOSS`] the caller takes the wide path, which never subtracts.

use super::CoxScratch;
use super::fast::{self, Span, Survey};
use super::order::{Stratum, Truncation};
use super::terms;
use crate::simd::{Kernel, LANES, Simd};

/// Largest amplification of rounding errors that is accepted: 2^27 leaves a relative error of
/// 2^-26, that of an `f32`.
const LOSS: f64 = 134_217_728.0;

/// When the rows of one stratum leave the risk sets.
pub(super) struct Departures<'a> {
    /// Rows in the order in which they leave.
    pub by_leaving: &'a [u32],
    /// Per group, how many rows have left.
    pub left: &'a [u32],
    /// Per row, the first group that it is not at risk for.
    pub until: &'a [u32],
}

impl<'a> Departures<'a> {
    pub fn of(truncation: &'a Truncation, stratum: &Stratum) -> Self {
        Self {
            by_leaving: &truncation.by_leaving[stratum.rows.clone()],
            left: &truncation.left[stratum.groups.clone()],
            until: &truncation.until[stratum.rows.clone()],
        }
    }
}

/// A left-truncated stratum; `None` where the differences would cancel too much.
pub(super) struct Truncated<'a, 'b> {
    pub span: Span<'a>,
    pub survey: Survey,
    pub scale: f64,
    pub departures: &'b Departures<'a>,
    pub gradient: &'b mut [f32],
    pub scratch: &'b mut CoxScratch,
}

impl Kernel for Truncated<'_, '_> {
    type Out = Option<f64>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Option<f64> {
        let Self { span, survey, scale, departures, gradient, scratch } = self;
        let (n, groups) = (span.score.len(), span.groups);
        let CoxScratch { groups: sums, block, mass, .. } = scratch;
        fast::store_masses(s, &span, survey.shift(), mass);
        let present = |i: usize| span.weight.is_none_or(|w| w[i] > 0.0);
        let (lowest, highest) = (0..n)
            .filter(|&i| present(i))
            .fold((f64::INFINITY, 0.0f64), |(low, high), i| (low.min(mass[i]), high.max(mass[i])));
        if n as f64 * highest > LOSS * lowest {
            return None;
        }

        sums.resize(groups.len());
        let (a, b) = (&mut sums.a[..], &mut sums.b[..]);
        let (mut entered, mut left) = ((0, 0.0), (0, 0.0));
        for (g, group) in groups.iter().enumerate() {
            while entered.0 < group.end as usize {
                entered = (entered.0 + 1, entered.1 + mass[entered.0]);
            }
            while left.0 < departures.left[g] as usize {
                left = (left.0 + 1, left.1 + mass[departures.by_leaving[left.0] as usize]);
            }
            a[g] = entered.1 - left.1;
            b[g] = mass[group.first as usize..group.end as usize].iter().sum();
        }
        let mut loss = 0.0;
        for here in (0..span.blocks()).map(|k| span.ending(k)) {
            let (a, b) = (&mut a[here.clone()], &mut b[here.clone()]);
            loss += terms::events::<S, false>(s, &span, &groups[here], &mut block.terms, a, b);
        }

        let own = b;
        let rates = a;
        fast::rates(rates, 0.0);
        let rate = |g: usize| rates.get(g).copied().unwrap_or(0.0);
        let mut g = 0;
        for i in 0..n {
            while g < groups.len() && groups[g].end as usize <= i {
                g += 1;
            }
            let event = span.flags[i / LANES] >> (i % LANES) & 1 == 1;
            let w = span.weight.map_or(1.0, |w| f64::from(w[i]));
            let until = departures.until[i] as usize;
            let felt = if event && span.is_averaged() { own[g] } else { 0.0 };
            let died = if event { w } else { 0.0 };
            let rate = if until > g { rate(g) - rate(until) - felt } else { 0.0 };
            gradient[i] = (scale * (mass[i] * rate - died)) as f32;
            if died > 0.0 {
                loss -= w * f64::from(span.score[i]);
            }
        }
        let shift = f64::from(survey.shift()) * std::f64::consts::LN_2;
        // The last term is 0 unless a score was not a number, which a logarithm may have hidden.
        Some(loss + shift * survey.event_weight + 0.0 * entered.1)
    }
}
