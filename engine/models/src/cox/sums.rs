//! What the rows of one place contribute to the risk sets.

use super::risk_sets::RiskSets;

/// Sums over risk sets and tied events at each of `K` event times. All but `shift` are sums over
/// rows, so those of several sites add up if their `shift` is the same number (their maximum).
#[derive(Debug, Clone, PartialEq)]
pub struct RiskSums {
    /// Number of features `F`.
    pub features: usize,
    /// The log-risk that risks are relative to: every `exp` is of `log-risk - shift`.
    pub shift: f64,
    /// Risk of the risk set `[K]`.
    pub s0: Vec<f64>,
    /// Risk times features of the risk set `[K, F]`.
    pub s1: Vec<f64>,
    /// Risk of the events at this time `[K]`.
    pub e0: Vec<f64>,
    /// Risk times features of the events at this time `[K, F]`.
    pub e1: Vec<f64>,
    /// Events at this time `[K]`.
    pub d: Vec<u32>,
    /// Summed weight of the events at this time `[K]`.
    pub w: Vec<f64>,
    /// Weighted sum of the events' log-risk.
    pub event_log_risk: f64,
    /// Weighted sum of the events' features `[F]`.
    pub event_x: Vec<f64>,
}

/// The greatest log-risk; negative infinity if there are no rows.
pub fn greatest(log_risk: &[f64]) -> f64 {
    log_risk.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Case weight times relative risk per row.
pub(crate) fn risks(sets: &RiskSets, log_risk: &[f64], shift: f64) -> Vec<f64> {
    sets.weight.iter().zip(log_risk).map(|(w, h)| w * (h - shift).exp()).collect()
}

/// Adds up the risk sets. `x` is `[N, F]` and `log_risk`, `risk` are `[N]`, all in the order of
/// [`RiskSets::rows`]; `risk` is `weight * exp(log_risk - shift)`. `F` may be 0.
///
/// With left truncation a row is added at its last event time and taken away before its first.
pub fn risk_set_sums(
    sets: &RiskSets,
    x: &[f64],
    features: usize,
    log_risk: &[f64],
    risk: &[f64],
    shift: f64,
) -> RiskSums {
    let (k, f) = (sets.times.len(), features);
    let mut sums = RiskSums {
        features,
        shift,
        s0: vec![0.0; k],
        s1: vec![0.0; k * f],
        e0: vec![0.0; k],
        e1: vec![0.0; k * f],
        d: vec![0; k],
        w: vec![0.0; k],
        event_log_risk: 0.0,
        event_x: vec![0.0; f],
    };
    for p in 0..sets.rows.len() {
        let x = &x[p * f..][..f];
        let own = sets.to[p] as usize - 1;
        sums.s0[own] += risk[p];
        add(&mut sums.s1[own * f..][..f], risk[p], x);
        if let Some(before) = (sets.from[p] as usize).checked_sub(1).filter(|&k| !sets.last[k]) {
            sums.s0[before] -= risk[p];
            add(&mut sums.s1[before * f..][..f], -risk[p], x);
        }
        if sets.event[p] {
            sums.e0[own] += risk[p];
            add(&mut sums.e1[own * f..][..f], risk[p], x);
            sums.d[own] += 1;
            sums.w[own] += sets.weight[p];
            sums.event_log_risk += sets.weight[p] * log_risk[p];
            add(&mut sums.event_x, sets.weight[p], x);
        }
    }
    sets.accumulate(&mut sums.s0, 1);
    sets.accumulate(&mut sums.s1, f);
    sums
}

pub(crate) fn add(sum: &mut [f64], factor: f64, x: &[f64]) {
    for (s, x) in sum.iter_mut().zip(x) {
        *s += factor * x;
    }
}
