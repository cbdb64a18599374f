//! Brier score of predicted survival.

use crate::{CensoringSurvival, MetricError, outcome};

/// Mean squared error of predicted survival at each of the times `at`, with
/// inverse-probability-of-censoring weights (Graf et al., Statistics in Medicine 18, 1999):
///
/// `BS(t) = 1/N sum_i [ S_i(t)^2 e_i 1(t_i <= t) / G(t_i-) + (1 - S_i(t))^2 1(t_i > t) / G(t) ]`.
///
/// | buffer | shape | unit |
/// |---|---|---|
/// | `time`, `event` | `[N]` | as `at` |
/// | `survival` | `[N, T]` row-major | probability of no event by `at[j]` |
/// | `at` | `[T]` | time |
/// | result | `[T]` | |
///
/// `G` is the Kaplan-Meier curve of the censoring in the training cohort.
///
/// # Errors
/// Shapes that do not match, a value that is not a probability, no patients;
/// [`MetricError::Undefined`] where a needed `G` is 0.
pub fn brier_score(
    time: &[f64],
    event: &[bool],
    survival: &[f64],
    censoring: &CensoringSurvival,
    at: &[f64],
) -> Result<Vec<f64>, MetricError> {
    outcome::outcome(time, event)?;
    outcome::finite("evaluation time", at)?;
    outcome::same_length("survival", survival.len(), time.len() * at.len())?;
    if let Some(cell) = survival.iter().position(|s| !(0.0..=1.0).contains(s)) {
        let (row, value) = (cell / at.len(), survival[cell]);
        return Err(MetricError::Value { what: "predicted survival", row, value });
    }
    let undefined = |reason| MetricError::Undefined { metric: "Brier score", reason };
    if time.is_empty() {
        return Err(undefined("there are no patients".into()));
    }
    let g_at: Vec<f64> = at.iter().map(|&t| censoring.at(t)).collect();
    let mut sums = vec![0.0; at.len()];
    for (row, predicted) in survival.chunks_exact(at.len().max(1)).enumerate() {
        let g_own = censoring.before(time[row]);
        for (j, &s) in predicted.iter().enumerate() {
            let (error, g) = match (time[row] > at[j], event[row]) {
                (true, _) => (1.0 - s, g_at[j]),
                (false, true) => (s, g_own),
                // Censored by then: its weight has gone to those followed longer.
                (false, false) => continue,
            };
            if g <= 0.0 {
                return Err(undefined(format!("nobody is followed up to time {}", at[j])));
            }
            sums[j] += error * error / g;
        }
    }
    Ok(sums.into_iter().map(|s| s / time.len() as f64).collect())
}

/// [`brier_score`] integrated over the ascending times `at` by the trapezoid rule and divided by
/// their range.
///
/// # Errors
/// As [`brier_score`], and if `at` is not strictly ascending or holds fewer than two times.
pub fn integrated_brier_score(
    time: &[f64],
    event: &[bool],
    survival: &[f64],
    censoring: &CensoringSurvival,
    at: &[f64],
) -> Result<f64, MetricError> {
    if at.len() < 2 {
        let value = at.len() as f64;
        return Err(MetricError::Setting { what: "number of evaluation times", value, range: "at least 2" });
    }
    if let Some(pair) = at.windows(2).find(|pair| pair[1] <= pair[0]) {
        let range = "above the one before it";
        return Err(MetricError::Setting { what: "evaluation time", value: pair[1], range });
    }
    let scores = brier_score(time, event, survival, censoring, at)?;
    let area: f64 =
        at.windows(2).zip(scores.windows(2)).map(|(t, b)| (t[1] - t[0]) * (b[0] + b[1]) / 2.0).sum();
    Ok(area / (at[at.len() - 1] - at[0]))
}
