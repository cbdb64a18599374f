//! Time-dependent area under the ROC curve.

use crate::{CensoringSurvival, MetricError, outcome};
use osteon_kernels::order::Order;

/// Cumulative/dynamic AUC at each of `at`: how well the score tells the patients who had the event
/// by `t` (cases, weighted by `1 / G(t_i-)`) from those still event-free after `t` (controls).
/// Equal scores count one half. O(n) per time after one sort.
///
/// Source: Uno et al., JASA 102 (2007); Hung and Chiang, Canadian Journal of Statistics 38 (2010).
/// `G` is the Kaplan-Meier curve of the censoring in the training cohort.
///
/// # Errors
/// Columns of different lengths, values that are not numbers; [`MetricError::Undefined`] at a time
/// with no case or no control, or with a case where `G(t-) = 0`.
pub fn dynamic_auc(
    time: &[f64],
    event: &[bool],
    score: &[f64],
    censoring: &CensoringSurvival,
    at: &[f64],
) -> Result<Vec<f64>, MetricError> {
    outcome::scored(time, event, score)?;
    outcome::finite("evaluation time", at)?;
    let by_score = Order::ascending(score);
    at.iter().map(|&t| at_time(time, event, censoring, &by_score, t)).collect()
}

fn at_time(
    time: &[f64],
    event: &[bool],
    censoring: &CensoringSurvival,
    by_score: &Order,
    t: f64,
) -> Result<f64, MetricError> {
    let undefined = |reason: String| MetricError::Undefined { metric: "AUC", reason };
    let (mut cases, mut controls, mut ranked) = (0.0, 0.0, 0.0);
    for tied in by_score.groups() {
        let (mut cases_here, mut controls_here) = (0.0, 0.0);
        for row in tied.iter().map(|&row| row as usize) {
            if time[row] > t {
                controls_here += 1.0;
            } else if event[row] {
                let g = censoring.before(time[row]);
                if g <= 0.0 {
                    return Err(undefined(format!("nobody is followed up to the event at {}", time[row])));
                }
                cases_here += 1.0 / g;
            }
        }
        ranked += cases_here * (controls + controls_here / 2.0);
        cases += cases_here;
        controls += controls_here;
    }
    match (cases > 0.0, controls > 0.0) {
        (true, true) => Ok(ranked / (cases * controls)),
        (false, _) => Err(undefined(format!("no event by time {t}"))),
        (_, false) => Err(undefined(format!("nobody is event-free after time {t}"))),
    }
}
