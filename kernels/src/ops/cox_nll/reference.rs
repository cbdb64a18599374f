//! The oracle: each risk set summed from its definition in `f64`.

use super::{CoxLoss, RiskOrder, Ties};

/// [`super::cox_nll`] for `f64` scores, term by term from the formula: for every event time the
/// rows at risk are gone through, with their largest score taken out of the exponentials, so that
/// no range of scores is too wide. `O(N)` memory, `O(N x event times)` work.
///
/// # Panics
/// If a slice is not as long as the order.
pub fn cox_nll(
    order: &RiskOrder,
    ties: Ties,
    score: &[f64],
    weight: Option<&[f64]>,
    gradient: &mut [f64],
    normalise: bool,
) -> CoxLoss {
    let n = order.len();
    assert!(score.len() == n && gradient.len() == n && weight.is_none_or(|w| w.len() == n));
    let w = |i: usize| weight.map_or(1.0, |w| w[i]);
    gradient.fill(0.0);
    let mut loss = CoxLoss::default();
    for stratum in &order.strata {
        let start = stratum.rows.start;
        for g in stratum.groups.clone() {
            let (first, end) = (start + order.groups[g].first as usize, start + order.groups[g].end as usize);
            let deaths: Vec<usize> = (first..end).filter(|&i| w(i) > 0.0).collect();
            if deaths.is_empty() {
                continue;
            }
            let here = g - stratum.groups.start;
            let still_at_risk =
                |i: usize| order.truncation.as_ref().is_none_or(|t| here < t.until[i] as usize);
            let at_risk: Vec<usize> = (start..end).filter(|&i| w(i) > 0.0 && still_at_risk(i)).collect();
            let largest = at_risk.iter().fold(f64::NEG_INFINITY, |m, &i| m.max(score[i]));
            let mass = |i: usize| w(i) * (score[i] - largest).exp();
            let all: f64 = at_risk.iter().map(|&i| mass(i)).sum();
            let dying: f64 = deaths.iter().map(|&i| mass(i)).sum();
            let count = deaths.len() as f64;
            let total: f64 = deaths.iter().map(|&i| w(i)).sum();
            // (denominator, fraction of the dying taken out, weight of the term)
            let terms: Vec<(f64, f64, f64)> = match ties {
                Ties::Breslow => vec![(all, 0.0, total)],
                Ties::Efron => (0..deaths.len())
                    .map(|r| r as f64 / count)
                    .map(|f| (all - f * dying, f, total / count))
                    .collect(),
            };
            let rate: f64 = terms.iter().map(|(den, _, c)| c / den).sum();
            // What a death feels: the part of itself that is still in each denominator.
            let death_rate: f64 = terms.iter().map(|(den, f, c)| c * (1.0 - f) / den).sum();
            loss.event_weight += total;
            loss.nll += terms.iter().map(|(den, _, c)| c * (den.ln() + largest)).sum::<f64>();
            for &i in &at_risk {
                gradient[i] += mass(i) * if i < first { rate } else { death_rate };
            }
            for &i in &deaths {
                loss.nll -= w(i) * score[i];
                gradient[i] -= w(i);
            }
        }
    }
    if normalise {
        let scale = if loss.event_weight > 0.0 { 1.0 / loss.event_weight } else { 0.0 };
        loss.nll *= scale;
        gradient.iter_mut().for_each(|g| *g *= scale);
    }
    loss
}
