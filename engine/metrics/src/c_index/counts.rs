//! Exact pair counts in O(n log n).

use osteon_kernels::ops::c_index::{Ranking, count};
use serde::{Deserialize, Serialize};

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
    let pairs = count(&Ranking::new(time, event, score));
    Ok(ConcordanceCounts {
        concordant: pairs.concordant,
        discordant: pairs.discordant,
        tied_risk: pairs.tied_risk,
        tied_time: pairs.tied_time,
    })
}
