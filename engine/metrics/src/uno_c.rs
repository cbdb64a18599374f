//! Uno's concordance.

use crate::c_index::{Concordance, time_weighted};
use crate::{CensoringSurvival, MetricError};

/// Concordance in which a pair is weighted by `G(t-)^-2` of its earlier time, so that it does not
/// depend on the censoring (Uno et al., Statistics in Medicine 30, 2011).
///
/// Pairs are those of [`crate::c_index`]; `G` is the Kaplan-Meier curve of the censoring, from the
/// training cohort if the scores were fitted elsewhere. Fitted on the same rows it gives R
/// `concordance(timewt = "n/G2")`. Events after `tau` are left out (`None`: none are). The
/// variance takes `G` as known, as R does.
///
/// # Errors
/// As [`crate::concordance`]; [`MetricError::Undefined`] if an event lies where `G(t-) = 0`,
/// beyond the follow-up of the cohort that `censoring` was fitted on.
pub fn uno_c(
    time: &[f64],
    event: &[bool],
    score: &[f64],
    weights: Option<&[f64]>,
    censoring: &CensoringSurvival,
    tau: Option<f64>,
) -> Result<Concordance, MetricError> {
    let limit = tau.unwrap_or(f64::INFINITY);
    let beyond = time.iter().zip(event).find(|&(&t, &e)| e && t <= limit && censoring.before(t) <= 0.0);
    if let Some((t, _)) = beyond {
        return Err(MetricError::Undefined {
            metric: "Uno's concordance",
            reason: format!("nobody is followed up to the event at time {t}; give a smaller tau"),
        });
    }
    time_weighted(time, event, score, weights, |row| {
        if time[row] <= limit { censoring.before(time[row]).powi(-2) } else { 0.0 }
    })
}
