//! From risk-set sums to log-likelihood, gradient and hazard increments.

use super::Ties;
use super::gram::{add_outer, mirror, weighted_gram};
use super::risk_sets::{RiskSets, fractions};
use super::sums::{RiskSums, add};

/// The partial likelihood at one point, computed from totals over all sites.
///
/// With `den_r = S0 - f_r E0` and `a = W / d` over the `d` tied events of time `k` (Breslow: one
/// term with `f = 0`, `a = W`), `hazard = sum a / den`, `tied_hazard = sum a f / den`.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// Log partial likelihood.
    pub value: f64,
    /// Its gradient in the coefficients `[F]`.
    pub gradient: Vec<f64>,
    /// Hazard increment per event time `[K]`, relative to `exp(shift)`.
    pub hazard: Vec<f64>,
    /// The part of it that a tied event does not bear itself `[K]`.
    pub tied_hazard: Vec<f64>,
    /// `sum_r a / den^2 (S1 - f E1)` `[K, F]`: hazard times mean features of those at risk.
    pub hazard_x: Vec<f64>,
    /// `sum_r a f / den^2 (S1 - f E1)` `[K, F]`.
    pub tied_hazard_x: Vec<f64>,
}

impl Likelihood {
    /// `None` if a risk set has no risk within the range of numbers (a step gone much too far).
    pub fn from_sums(sums: &RiskSums, ties: Ties) -> Option<Self> {
        let (k, f) = (sums.s0.len(), sums.features);
        let mut l = Self {
            value: sums.event_log_risk,
            gradient: sums.event_x.clone(),
            hazard: vec![0.0; k],
            tied_hazard: vec![0.0; k],
            hazard_x: vec![0.0; k * f],
            tied_hazard_x: vec![0.0; k * f],
        };
        for k in (0..k).filter(|&k| sums.d[k] > 0) {
            let terms = if ties == Ties::Breslow { 1.0 } else { f64::from(sums.d[k]) };
            let a = sums.w[k] / terms;
            // sum a f^i / den^2 for i = 0, 1, 2.
            let mut c = [0.0; 3];
            for fraction in fractions(ties, sums.d[k]) {
                let den = sums.s0[k] - fraction * sums.e0[k];
                if !(den > 0.0 && den.is_finite()) {
                    return None;
                }
                l.value -= a * (den.ln() + sums.shift);
                l.hazard[k] += a / den;
                l.tied_hazard[k] += a * fraction / den;
                for (i, c) in c.iter_mut().enumerate() {
                    *c += a * fraction.powi(i as i32) / (den * den);
                }
            }
            let (s1, e1) = (&sums.s1[k * f..][..f], &sums.e1[k * f..][..f]);
            add(&mut l.gradient, -l.hazard[k], s1);
            add(&mut l.hazard_x[k * f..][..f], c[0], s1);
            if sums.d[k] > 1 && ties == Ties::Efron {
                add(&mut l.gradient, l.tied_hazard[k], e1);
                add(&mut l.hazard_x[k * f..][..f], -c[1], e1);
                add(&mut l.tied_hazard_x[k * f..][..f], c[1], s1);
                add(&mut l.tied_hazard_x[k * f..][..f], -c[2], e1);
            }
        }
        l.value.is_finite().then_some(l)
    }

    /// The part of the information that the totals already hold: the mean features of each risk
    /// set, times themselves, `[F, F]`, weighted by `scale(k)`. It is subtracted from
    /// [`Self::row_weights`]' Gram matrix.
    pub(crate) fn subtract_means(&self, sums: &RiskSums, scale: impl Fn(usize) -> f64, info: &mut [f64]) {
        let f = sums.features;
        for k in (0..sums.s0.len()).filter(|&k| sums.d[k] > 0) {
            let at = k * f..(k + 1) * f;
            add_outer(info, -scale(k), &sums.s1[at.clone()], &self.hazard_x[at.clone()]);
            if self.tied_hazard[k] > 0.0 {
                add_outer(info, scale(k), &sums.e1[at.clone()], &self.tied_hazard_x[at]);
            }
        }
    }

    /// Weight of each row's `x x'` in the information: its risk times the hazard it was exposed
    /// to, where event time `k` counts `scale(k)` times.
    pub(crate) fn row_weights(
        &self,
        sets: &RiskSets,
        risk: &[f64],
        scale: impl Fn(usize) -> f64,
    ) -> Vec<f64> {
        let running = RiskSets::running(self.hazard.iter().enumerate().map(|(k, h)| scale(k) * h));
        (0..risk.len())
            .map(|p| {
                let to = sets.to[p] as usize;
                let own = if sets.event[p] { scale(to - 1) * self.tied_hazard[to - 1] } else { 0.0 };
                risk[p] * (running[to] - running[sets.from[p] as usize] - own)
            })
            .collect()
    }
}

/// Information matrix `[F, F]`, full and symmetric: minus the second derivative of the log
/// partial likelihood, with event time `k` counted `scale(k)` times.
pub(crate) fn information(
    sets: &RiskSets,
    x: &[f64],
    sums: &RiskSums,
    l: &Likelihood,
    risk: &[f64],
    scale: impl Fn(usize) -> f64 + Copy,
) -> Vec<f64> {
    let weights = l.row_weights(sets, risk, scale);
    let mut info = weighted_gram(x, sums.features, &weights);
    l.subtract_means(sums, scale, &mut info);
    mirror(&mut info, sums.features);
    info
}
