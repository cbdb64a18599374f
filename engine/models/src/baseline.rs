//! Baseline cumulative hazard of any model that gives log-risks.

use osteon_core::Reduce;
use serde::{Deserialize, Serialize};

use crate::cox::likelihood::Likelihood;
use crate::cox::risk_sets::{EventTime, Outcome, RiskSets, event_times};
use crate::cox::sums::{greatest, risk_set_sums, risks};
use crate::cox::{CoxError, Ties};
use crate::exact::{self, SharedTimes, greatest_of};

/// Cumulative baseline hazard of one stratum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StratumHazard {
    /// Stratum.
    pub stratum: u32,
    /// Event times, ascending.
    pub times: Vec<f64>,
    /// `H0` at these times, for the log-risk [`BaselineHazard::shift`].
    pub cumulative: Vec<f64>,
}

/// Step functions `H0(t)`, one per stratum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineHazard {
    /// The log-risk that the hazards belong to (the greatest of the cohort), so that neither they
    /// nor the risks overflow: a log-risk `h` has the hazard `H0(t) exp(h - shift)`.
    pub shift: f64,
    /// By ascending stratum; strata without events have none.
    pub strata: Vec<StratumHazard>,
}

impl BaselineHazard {
    /// Estimates the baseline from a cohort and its log-risks `[N]`.
    ///
    /// Breslow: `H0(t) = sum_(t_k <= t) W_k / sum_(at risk) w exp(h)`. Efron: each of `d` tied
    /// events sees the risk set less the part of them that went before (R `survfit.coxph`).
    ///
    /// # Errors
    /// Columns of different lengths, bad values by row, no events.
    pub fn fit(outcome: &Outcome<'_>, log_risk: &[f64], ties: Ties) -> Result<Self, CoxError> {
        outcome.check()?;
        let n = outcome.time.len();
        if log_risk.len() != n {
            return Err(CoxError::Length { what: "log-risk", found: log_risk.len(), expected: n });
        }
        if let Some(row) = log_risk.iter().position(|h| !h.is_finite()) {
            return Err(CoxError::Value { what: "log-risk".into(), row, value: log_risk[row] });
        }
        let times = event_times(outcome);
        if times.is_empty() {
            return Err(CoxError::NoEvents);
        }
        let sets = RiskSets::new(outcome, times);
        let log_risk: Vec<f64> = sets.rows.iter().map(|&row| log_risk[row as usize]).collect();
        let shift = greatest(&log_risk);
        let risk = risks(&sets, &log_risk, shift);
        let sums = risk_set_sums(&sets, &[], 0, &log_risk, &risk, shift);
        let likelihood = Likelihood::from_sums(&sums, ties)
            .ok_or(CoxError::Numerical("the log-risks differ by more than numbers can hold"))?;
        Ok(Self::of(&sets.times, &likelihood, shift))
    }

    /// The baseline of the patients of all participants; each holds its own in `outcome` with their
    /// log-risks `[N]` (maybe none), already checked. The same on all participants, with the same
    /// bits for any spread of the patients.
    ///
    /// # Errors
    /// On all participants: log-risks that are no numbers or differ too much; one is lost.
    pub fn fit_shared(
        outcome: &Outcome<'_>,
        log_risk: &[f64],
        ties: Ties,
        times: &SharedTimes,
        reduce: &dyn Reduce,
    ) -> Result<Self, CoxError> {
        let (time, entry) = times.group(outcome);
        let grouped = Outcome { time: &time, entry: entry.as_deref(), ..*outcome };
        let sets = RiskSets::new(&grouped, times.times.clone());
        let log_risk: Vec<f64> = sets.rows.iter().map(|&row| log_risk[row as usize]).collect();
        let shift = greatest_of(std::iter::once(log_risk.as_slice()), reduce)?[0].unwrap_or(0.0);
        let risk = exact::sums::risks(&sets.weight, &log_risk, shift);
        let (weight, log_risk, risk) = (&sets.weight, &log_risk, &risk);
        let part = exact::sums::Part { sets: &sets, weight, x: &[], features: 0, log_risk, risk, shift };
        let sums = exact::sums::risk_sums(&[part], ties, true, reduce)?.remove(0);
        let likelihood = Likelihood::from_sums(&sums, ties)
            .ok_or(CoxError::Numerical("the log-risks differ by more than numbers can hold"))?;
        Ok(Self::of(&sets.times, &likelihood, shift))
    }

    fn of(times: &[EventTime], likelihood: &Likelihood, shift: f64) -> Self {
        let steps: Vec<_> = times.iter().zip(&likelihood.hazard).collect();
        let stratum = |steps: &[(&EventTime, &f64)]| {
            let increments = steps.iter().map(|(_, hazard)| **hazard);
            StratumHazard {
                stratum: steps[0].0.stratum,
                times: steps.iter().map(|(k, _)| k.time).collect(),
                cumulative: RiskSets::running(increments).split_off(1),
            }
        };
        let strata = steps.chunk_by(|a, b| a.0.stratum == b.0.stratum).map(stratum).collect();
        Self { shift, strata }
    }

    /// `H0(t)` of a stratum for the log-risk [`Self::shift`]; 0 before its first event, and `None`
    /// for a stratum in which no event was seen.
    pub fn cumulative(&self, stratum: u32, t: f64) -> Option<f64> {
        let found = self.strata.binary_search_by_key(&stratum, |s| s.stratum).ok()?;
        let hazard = &self.strata[found];
        let steps = hazard.times.partition_point(|&x| x <= t);
        Some(if steps == 0 { 0.0 } else { hazard.cumulative[steps - 1] })
    }

    /// `S(t) = exp(-H0(t) exp(h))` of a patient with log-risk `h`, at each of `times`. Beyond the
    /// last event time it stays at its last value. `None` as [`Self::cumulative`].
    pub fn survival(&self, stratum: u32, log_risk: f64, times: &[f64]) -> Option<Vec<f64>> {
        let risk = (log_risk - self.shift).exp();
        // No hazard yet is certain survival, however great the risk: 0 times infinity is no number.
        let at = |h: f64| if h == 0.0 { 1.0 } else { (-h * risk).exp() };
        times.iter().map(|&t| self.cumulative(stratum, t).map(at)).collect()
    }
}
