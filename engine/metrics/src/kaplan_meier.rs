//! The product-limit estimator of survival, and of censoring.

use serde::{Deserialize, Serialize};

use crate::interval::{Interval, normal_quantile};
use crate::{MetricError, outcome};
use osteon_kernels::order::Order;

/// A Kaplan-Meier curve; one entry per distinct time, ascending. With case weights all numbers
/// of patients are sums of weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KaplanMeier {
    /// Distinct times.
    pub time: Vec<f64>,
    /// Patients with this time or a later one.
    pub at_risk: Vec<f64>,
    /// Events at this time.
    pub events: Vec<f64>,
    /// Censored at this time; they are at risk for its events.
    pub censored: Vec<f64>,
    /// `S(t) = prod (1 - d / n)` over times up to and including this one.
    pub survival: Vec<f64>,
    /// Greenwood's sum `d / (n (n - d))`: the variance of `log S(t)`. Infinite once `S = 0`.
    pub greenwood: Vec<f64>,
}

/// The scale on which a pointwise interval of `S(t)` is symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// `log S`: the default of R `survfit`; the upper limit is cut at 1.
    Log,
    /// `log(-log S)`: limits always within (0, 1) (Kalbfleisch and Prentice).
    LogLog,
}

/// Estimates the survival curve (Kaplan and Meier, JASA 53, 1958; variance: Greenwood 1926).
///
/// # Errors
/// No patients, columns of different lengths, a time that is not finite, a negative weight.
pub fn kaplan_meier(
    time: &[f64],
    event: &[bool],
    weights: Option<&[f64]>,
) -> Result<KaplanMeier, MetricError> {
    outcome::outcome(time, event)?;
    outcome::weights(weights, time.len())?;
    if time.is_empty() {
        return Err(MetricError::Undefined {
            metric: "Kaplan-Meier",
            reason: "there are no patients".into(),
        });
    }
    let by_time = Order::ascending(time);
    let mut rows = Vec::new();
    // From the last time back, so that the numbers at risk are sums and not differences.
    let mut at_risk = 0.0;
    for tied in by_time.groups().rev() {
        let (mut events, mut censored) = (0.0, 0.0);
        for row in tied.iter().map(|&row| row as usize) {
            let w = weights.map_or(1.0, |w| w[row]);
            *(if event[row] { &mut events } else { &mut censored }) += w;
        }
        at_risk += events + censored;
        rows.push((time[tied[0] as usize], at_risk, events, censored));
    }
    Ok(KaplanMeier::of_rows(rows.into_iter().rev()))
}

/// The curve of patients who are known by their numbers at distinct `time`s (ascending) only, such as
/// sums over sites: `events` and all who `leave` (events and censored) at each.
///
/// # Errors
/// Lists of different lengths, no patients, more events than leave.
pub fn kaplan_meier_of_counts(
    time: &[f64],
    events: &[u64],
    leaving: &[u64],
) -> Result<KaplanMeier, MetricError> {
    outcome::same_length("events", events.len(), time.len())?;
    outcome::same_length("leaving", leaving.len(), time.len())?;
    let undefined = |reason: &str| MetricError::Undefined { metric: "Kaplan-Meier", reason: reason.into() };
    if events.iter().zip(leaving).any(|(d, n)| d > n) {
        return Err(undefined("more patients have the event than leave"));
    }
    let mut at_risk: u64 = leaving.iter().sum();
    if at_risk == 0 {
        return Err(undefined("there are no patients"));
    }
    let row = |((&time, &events), &leaving): ((&f64, &u64), &u64)| {
        let row = (time, at_risk as f64, events as f64, (leaving - events) as f64);
        at_risk -= leaving;
        row
    };
    Ok(KaplanMeier::of_rows(time.iter().zip(events).zip(leaving).map(row)))
}

impl KaplanMeier {
    /// From time, number at risk, events and censored, ascending in time.
    fn of_rows(rows: impl ExactSizeIterator<Item = (f64, f64, f64, f64)>) -> Self {
        let (mut survival, mut greenwood) = (1.0, 0.0);
        let mut curve = Self::with_capacity(rows.len());
        for (time, at_risk, events, censored) in rows {
            if events > 0.0 {
                survival *= 1.0 - events / at_risk;
                greenwood += events / (at_risk * (at_risk - events));
            }
            curve.time.push(time);
            curve.at_risk.push(at_risk);
            curve.events.push(events);
            curve.censored.push(censored);
            curve.survival.push(survival);
            curve.greenwood.push(greenwood);
        }
        curve
    }

    fn with_capacity(n: usize) -> Self {
        let column = || Vec::with_capacity(n);
        Self {
            time: column(),
            at_risk: column(),
            events: column(),
            censored: column(),
            survival: column(),
            greenwood: column(),
        }
    }

    /// `S(t)`: the probability of no event up to and including `t`.
    pub fn at(&self, t: f64) -> f64 {
        step_value(&self.survival, self.time.partition_point(|&x| x <= t))
    }

    /// `S(t-)`: the probability of no event before `t`.
    pub fn before(&self, t: f64) -> f64 {
        step_value(&self.survival, self.time.partition_point(|&x| x < t))
    }

    /// Standard error of `S` per time (Greenwood).
    pub fn se(&self) -> Vec<f64> {
        let se = |(&s, &g): (&f64, &f64)| if s > 0.0 { s * g.sqrt() } else { 0.0 };
        self.survival.iter().zip(&self.greenwood).map(se).collect()
    }

    /// Pointwise interval per time; `None` where it does not exist (`S = 0`; on the log-log scale
    /// also `S = 1`).
    ///
    /// # Errors
    /// If `level` is not between 0 and 1.
    pub fn interval(&self, level: f64, scale: Scale) -> Result<Vec<Option<Interval>>, MetricError> {
        let z = normal_quantile(level)?;
        let limits = |(&s, &g): (&f64, &f64)| {
            let half = z * g.sqrt();
            let (lower, upper, method) = match scale {
                _ if s <= 0.0 => return None,
                Scale::Log => (s * (-half).exp(), (s * half.exp()).min(1.0), "log, Greenwood"),
                Scale::LogLog if s >= 1.0 => return None,
                Scale::LogLog => {
                    let half = half / s.ln();
                    (s.powf((-half).exp()), s.powf(half.exp()), "log-log, Greenwood")
                }
            };
            Some(Interval { lower, upper, level, method })
        };
        Ok(self.survival.iter().zip(&self.greenwood).map(limits).collect())
    }

    /// Median time: where `S` first falls below one half; if `S` equals one half over an interval,
    /// its middle (as R `survfit`). `None` if `S` stays above.
    pub fn median(&self) -> Option<f64> {
        // S is a product of rounded factors; R's tolerance for "equal to one half".
        let tolerance = f64::EPSILON.sqrt();
        let first = self.survival.iter().position(|&s| s < 0.5 + tolerance)?;
        if self.survival[first] < 0.5 - tolerance {
            return Some(self.time[first]);
        }
        let below = self.survival.iter().position(|&s| s < 0.5 - tolerance);
        Some(below.map_or(self.time[first], |next| (self.time[first] + self.time[next]) / 2.0))
    }
}

/// The probability `G` of still being under observation: the product-limit estimator with
/// censorings as its events. At a shared time events come first, so that those who had one are no
/// longer at risk of being censored then: `G(t) = prod (1 - c / (n - d))`, as R `concordance`
/// (survival 3.5) computes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CensoringSurvival {
    time: Vec<f64>,
    observed: Vec<f64>,
}

impl CensoringSurvival {
    /// Estimates `G` from a cohort, in general the training one.
    ///
    /// # Errors
    /// As [`kaplan_meier`].
    pub fn fit(time: &[f64], event: &[bool], weights: Option<&[f64]>) -> Result<Self, MetricError> {
        let curve = kaplan_meier(time, event, weights)?;
        let mut g = 1.0;
        let mut observed = Vec::with_capacity(curve.time.len());
        for (step, &censored) in curve.censored.iter().enumerate() {
            if censored > 0.0 {
                // Those who stay, counted directly: exactly 0 after the last time.
                let stay = curve.at_risk.get(step + 1).copied().unwrap_or(0.0);
                g *= stay / (curve.at_risk[step] - curve.events[step]);
            }
            observed.push(g);
        }
        Ok(Self { time: curve.time, observed })
    }

    /// `G(t)`.
    pub fn at(&self, t: f64) -> f64 {
        step_value(&self.observed, self.time.partition_point(|&x| x <= t))
    }

    /// `G(t-)`.
    pub fn before(&self, t: f64) -> f64 {
        step_value(&self.observed, self.time.partition_point(|&x| x < t))
    }
}

/// A right-continuous step function that starts at 1, after its first `steps` steps.
fn step_value(values: &[f64], steps: usize) -> f64 {
    if steps == 0 { 1.0 } else { values[steps - 1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_give_the_curve_of_the_patients() {
        let time = [3.0, 1.0, 2.0, 2.0, 5.0, 5.0, 1.0];
        let event = [true, true, false, true, false, true, true];
        let patients = kaplan_meier(&time, &event, None).expect("a curve");
        let counts = kaplan_meier_of_counts(&[1.0, 2.0, 3.0, 5.0], &[2, 1, 1, 1], &[2, 2, 1, 2]);
        assert_eq!(counts.expect("a curve"), patients);
        assert!(kaplan_meier_of_counts(&[1.0], &[2], &[1]).is_err());
        assert!(kaplan_meier_of_counts(&[1.0], &[0], &[0]).is_err());
    }
}
