//! Weighted concordance and its variance.

use serde::Serialize;

use super::counts::undefined;
use crate::interval::{Interval, normal_quantile};
use crate::{MetricError, outcome};
use osteon_kernels::ops::c_index::{Fenwick, Rank, Ranking};

/// A concordance with its variance. Pair sums are `sum w_i w_j` over pairs, times the weight of
/// the earlier time where the metric has one; without weights they are exact counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Concordance {
    /// `(concordant + tied_risk / 2) / comparable`.
    pub c: f64,
    /// Infinitesimal jackknife variance over patients, as R `survival::concordance` reports it.
    pub variance: f64,
    /// Weight of the concordant pairs.
    pub concordant: f64,
    /// Weight of the discordant pairs.
    pub discordant: f64,
    /// Weight of the pairs with equal risks.
    pub tied_risk: f64,
    /// Weight of all comparable pairs.
    pub comparable: f64,
}

impl Concordance {
    /// Standard error of `c`.
    pub fn se(&self) -> f64 {
        self.variance.sqrt()
    }

    /// `c` plus and minus a normal quantile of standard errors, cut to `[0, 1]`.
    ///
    /// # Errors
    /// If `level` is not between 0 and 1.
    pub fn interval(&self, level: f64) -> Result<Interval, MetricError> {
        let half = normal_quantile(level)? * self.se();
        Ok(Interval {
            lower: (self.c - half).max(0.0),
            upper: (self.c + half).min(1.0),
            level,
            method: "normal, infinitesimal jackknife",
        })
    }
}

/// Harrell's concordance with case weights (default 1) and its variance, in O(n log n).
///
/// # Errors
/// Columns of different lengths, a time that is not finite, a NaN score, a negative weight, or no
/// comparable pair.
pub fn concordance(
    time: &[f64],
    event: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
) -> Result<Concordance, MetricError> {
    time_weighted(time, event, score, weights, |_| 1.0)
}

/// Influence of one patient on the pair sums: the sums of the pairs it is part of.
#[derive(Clone, Copy, Default)]
struct Share {
    concordant: f64,
    discordant: f64,
    tied: f64,
}

impl Share {
    fn add(&mut self, higher: f64, lower: f64, tied: f64) {
        self.concordant += higher;
        self.discordant += lower;
        self.tied += tied;
    }
}

/// The weight of `row` as the earlier member of a pair is `time_weight(row)`.
pub(crate) fn time_weighted(
    time: &[f64],
    event: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    time_weight: impl Fn(usize) -> f64,
) -> Result<Concordance, MetricError> {
    outcome::scored(time, event, score)?;
    outcome::weights(weights, time.len())?;
    let ranking = Ranking::new(time, event, score);
    let weight = |row: usize| weights.map_or(1.0, |w| w[row]);
    let mut shares = vec![Share::default(); time.len()];
    let total = as_earlier(&ranking, weight, &time_weight, &mut shares);
    as_later(&ranking, weight, &time_weight, &mut shares);

    let comparable = total.concordant + total.discordant + total.tied;
    if comparable <= 0.0 {
        return Err(undefined());
    }
    // d = (concordant - discordant) / comparable = 2 C - 1, differentiated in each weight.
    let d = (total.concordant - total.discordant) / comparable;
    let squares = shares.iter().enumerate().map(|(row, s)| {
        let slope = s.concordant - s.discordant - d * (s.concordant + s.discordant + s.tied);
        (weight(row) * slope / comparable).powi(2)
    });
    Ok(Concordance {
        c: (d + 1.0) / 2.0,
        variance: squares.sum::<f64>() / 4.0,
        concordant: total.concordant,
        discordant: total.discordant,
        tied_risk: total.tied,
        comparable,
    })
}

/// Pairs of each event with the later patients; returns the sums over all pairs.
fn as_earlier(
    ranking: &Ranking,
    weight: impl Fn(usize) -> f64,
    time_weight: impl Fn(usize) -> f64,
    shares: &mut [Share],
) -> Share {
    let n = shares.len();
    let mut later = Fenwick::<f64>::new(n);
    let mut total = Share::default();
    for tied_time in ranking.times().rev() {
        for rank in tied_time.censored() {
            later.add(rank.lower(), weight(rank.row()));
        }
        // Read from the tree, not summed beside it, so that rounding cannot leave a remainder.
        let all = later.below(n);
        for rank in tied_time.events() {
            let (below, with_tied) = (later.below(rank.lower()), later.below(rank.up_to()));
            let t = time_weight(rank.row());
            let (c, d, tied) = (t * below, t * (all - with_tied), t * (with_tied - below));
            shares[rank.row()].add(c, d, tied);
            let w = weight(rank.row());
            total.add(w * c, w * d, w * tied);
        }
        for rank in tied_time.events() {
            later.add(rank.lower(), weight(rank.row()));
        }
    }
    total
}

/// Pairs of each patient with the earlier events.
fn as_later(
    ranking: &Ranking,
    weight: impl Fn(usize) -> f64,
    time_weight: impl Fn(usize) -> f64,
    shares: &mut [Share],
) {
    let n = shares.len();
    let mut earlier = Fenwick::<f64>::new(n);
    let read = |rank: &Rank, earlier: &Fenwick<f64>, shares: &mut [Share]| {
        let (below, with_tied) = (earlier.below(rank.lower()), earlier.below(rank.up_to()));
        shares[rank.row()].add(earlier.below(n) - with_tied, below, with_tied - below);
    };
    for tied_time in ranking.times() {
        for rank in tied_time.events() {
            read(rank, &earlier, shares);
        }
        for rank in tied_time.events() {
            earlier.add(rank.lower(), weight(rank.row()) * time_weight(rank.row()));
        }
        for rank in tied_time.censored() {
            read(rank, &earlier, shares);
        }
    }
}
