//! Exact pair counts in O(n log n).

use serde::{Deserialize, Serialize};

use super::Ranking;
use super::fenwick::RankSet;
use crate::{MetricError, outcome};

/// Pairs of a cohort, or of several cohorts whose patients are compared within each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcordanceCounts {
    /// Comparable pairs in which the earlier event has the higher risk.
    pub concordant: u64,
    /// Comparable pairs in which the earlier event has the lower risk.
    pub discordant: u64,
    /// Comparable pairs with equal risks.
    pub tied_risk: u64,
    /// Pairs of events at the same time; not comparable, reported only.
    pub tied_time: u64,
}

impl ConcordanceCounts {
    /// Pairs that count.
    pub fn comparable(&self) -> u64 {
        self.concordant + self.discordant + self.tied_risk
    }

    /// Adds the pairs of another cohort: the concordance of the sum compares patients within
    /// their own cohort only.
    pub fn merge(&mut self, other: &Self) {
        self.concordant += other.concordant;
        self.discordant += other.discordant;
        self.tied_risk += other.tied_risk;
        self.tied_time += other.tied_time;
    }

    /// The concordance index.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] if no pair is comparable.
    pub fn c(&self) -> Result<f64, MetricError> {
        match self.comparable() {
            0 => Err(undefined()),
            n => Ok((self.concordant as f64 + self.tied_risk as f64 / 2.0) / n as f64),
        }
    }
}

pub(super) fn undefined() -> MetricError {
    MetricError::Undefined {
        metric: "concordance",
        reason: "no patient is known to have outlived another's event".into(),
    }
}

/// Counts the pairs of one cohort of `n` patients. No patients, or no events, give counts of 0;
/// [`ConcordanceCounts::c`] then tells that the index is undefined.
///
/// # Errors
/// Columns of different lengths, a time that is not finite, a NaN score.
pub fn c_index(time: &[f64], event: &[bool], score: &[f64]) -> Result<ConcordanceCounts, MetricError> {
    outcome::scored(time, event, score)?;
    Ok(count(&Ranking::new(time, event, score)))
}

/// Sweeps from the last time to the first; the set holds the risks of all later patients.
fn count(ranking: &Ranking) -> ConcordanceCounts {
    let mut later = RankSet::new(ranking.ranks.len());
    let mut size = 0u64;
    let mut counts = ConcordanceCounts::default();
    for tied_time in ranking.times().rev() {
        for rank in tied_time.censored() {
            later.insert(rank.own as usize);
            size += 1;
        }
        let mut events = 0u64;
        for rank in tied_time.events() {
            let below = u64::from(later.below(rank.lower()));
            let tied = if rank.is_tied() { u64::from(later.below(rank.up_to())) - below } else { 0 };
            counts.concordant += below;
            counts.tied_risk += tied;
            counts.discordant += size - below - tied;
            events += 1;
        }
        for rank in tied_time.events() {
            later.insert(rank.own as usize);
        }
        counts.tied_time += events * events.saturating_sub(1) / 2;
        size += events;
    }
    counts
}
