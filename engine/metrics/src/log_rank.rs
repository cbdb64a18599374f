//! The log-rank test.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::{MetricError, outcome};
use osteon_kernels::order::Order;

/// Result of a log-rank test of `k` groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRank {
    /// Group labels, ascending.
    pub groups: Vec<u32>,
    /// Events seen per group.
    pub observed: Vec<f64>,
    /// Events expected per group if all had the same hazard.
    pub expected: Vec<f64>,
    /// `(O - E)' V^- (O - E)`.
    pub chi2: f64,
    /// Degrees of freedom: the groups that were at risk at some event, less one.
    pub df: usize,
    /// Upper tail of the chi-squared distribution.
    pub p: f64,
}

/// Tests whether the groups have the same hazard (Mantel 1966; variance: multivariate
/// hypergeometric, as R `survdiff` with `rho = 0`). With `strata` the sums run within each.
///
/// # Errors
/// Columns of different lengths, a time that is not finite, no events, fewer than two groups ever
/// at risk together.
pub fn log_rank(
    time: &[f64],
    event: &[bool],
    group: &[u32],
    strata: Option<&[u32]>,
) -> Result<LogRank, MetricError> {
    outcome::outcome(time, event)?;
    outcome::same_length("group", group.len(), time.len())?;
    if let Some(strata) = strata {
        outcome::same_length("strata", strata.len(), time.len())?;
    }
    if !event.contains(&true) {
        return Err(MetricError::NoEvents);
    }
    let mut groups: Vec<u32> = group.to_vec();
    groups.sort_unstable();
    groups.dedup();
    let k = groups.len();
    let index: Vec<usize> = group.iter().map(|g| groups.partition_point(|x| x < g)).collect();

    let mut by_stratum: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for row in Order::ascending(time).rows {
        by_stratum.entry(strata.map_or(0, |s| s[row as usize])).or_default().push(row);
    }
    let mut sums = Sums { observed: vec![0.0; k], expected: vec![0.0; k], variance: vec![0.0; k * k] };
    for rows in by_stratum.values() {
        sums.add_stratum(time, event, &index, rows);
    }
    sums.test(groups)
}

/// The test of groups that are known by their numbers at distinct times only, such as sums over
/// sites: `at_risk` and `events` are `[T, k]`, row-major, ascending in time.
///
/// # Errors
/// Tables that are no tables of `k` groups, no events, fewer than two groups ever at risk together.
pub fn log_rank_of_counts(k: usize, at_risk: &[u64], events: &[u64]) -> Result<LogRank, MetricError> {
    outcome::same_length("events", events.len(), at_risk.len())?;
    outcome::same_length("at_risk", at_risk.len() % k.max(1), 0)?;
    if events.iter().all(|&d| d == 0) {
        return Err(MetricError::NoEvents);
    }
    let mut sums = Sums { observed: vec![0.0; k], expected: vec![0.0; k], variance: vec![0.0; k * k] };
    for (at_risk, events) in at_risk.chunks_exact(k).zip(events.chunks_exact(k)) {
        let at_risk: Vec<f64> = at_risk.iter().map(|&n| n as f64).collect();
        sums.observed.iter_mut().zip(events).for_each(|(o, &d)| *o += d as f64);
        sums.add_time(&at_risk, events.iter().sum::<u64>() as f64);
    }
    sums.test((0..k as u32).collect())
}

struct Sums {
    observed: Vec<f64>,
    expected: Vec<f64>,
    /// `[k, k]` row-major.
    variance: Vec<f64>,
}

impl Sums {
    /// Adds the 2 x k tables of one stratum; `rows` ascend in time.
    fn add_stratum(&mut self, time: &[f64], event: &[bool], group: &[usize], rows: &[u32]) {
        let k = self.observed.len();
        let mut at_risk = vec![0.0; k];
        for tied in rows.chunk_by(|&a, &b| time[a as usize] == time[b as usize]).rev() {
            let mut d = 0.0;
            for row in tied.iter().map(|&row| row as usize) {
                at_risk[group[row]] += 1.0;
                if event[row] {
                    self.observed[group[row]] += 1.0;
                    d += 1.0;
                }
            }
            self.add_time(&at_risk, d);
        }
    }

    /// Adds what is expected of the groups at a time with `d` events.
    fn add_time(&mut self, at_risk: &[f64], d: f64) {
        if d == 0.0 {
            return;
        }
        let (k, n) = (at_risk.len(), at_risk.iter().sum::<f64>());
        let factor = if n > 1.0 { d * (n - d) / (n - 1.0) } else { 0.0 };
        for a in 0..k {
            let share = at_risk[a] / n;
            self.expected[a] += d * share;
            self.variance[a * k + a] += factor * share;
            for b in 0..k {
                self.variance[a * k + b] -= factor * share * at_risk[b] / n;
            }
        }
    }

    fn test(self, groups: Vec<u32>) -> Result<LogRank, MetricError> {
        let (chi2, df) = self.quadratic_form();
        if df == 0 {
            return Err(MetricError::Undefined {
                metric: "log-rank test",
                reason: "no two groups are at risk at the same event".into(),
            });
        }
        let p = ChiSquared::new(df as f64).map_or(f64::NAN, |d| d.sf(chi2));
        Ok(LogRank { groups, observed: self.observed, expected: self.expected, chi2, df, p })
    }

    /// `(O - E)' V^- (O - E)` and the rank of `V`, by elimination with pivots from the diagonal.
    fn quadratic_form(&self) -> (f64, usize) {
        let k = self.observed.len();
        let mut v = self.variance.clone();
        let mut u: Vec<f64> = self.observed.iter().zip(&self.expected).map(|(o, e)| o - e).collect();
        let scale = (0..k).map(|a| v[a * k + a]).fold(0.0, f64::max);
        let mut left: Vec<usize> = (0..k).collect();
        let mut chi2 = 0.0;
        // The rows of V sum to 0, so its rank is at most k - 1; a remaining pivot is rounding.
        for rank in 0..k {
            let pivot = left.iter().copied().max_by(|&a, &b| v[a * k + a].total_cmp(&v[b * k + b]));
            let Some(p) = pivot.filter(|&p| v[p * k + p] > 1e-10 * scale && rank + 1 < k) else {
                return (chi2, rank);
            };
            left.retain(|&a| a != p);
            chi2 += u[p] * u[p] / v[p * k + p];
            for &a in &left {
                let ratio = v[a * k + p] / v[p * k + p];
                u[a] -= ratio * u[p];
                for &b in &left {
                    v[a * k + b] -= ratio * v[p * k + b];
                }
            }
        }
        (chi2, k.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_give_the_test_of_the_patients() {
        let time = [1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 5.0, 6.0];
        let event = [true, false, true, true, true, true, true, false, true];
        let group = [0, 1, 0, 1, 0, 0, 1, 1, 1];
        let patients = log_rank(&time, &event, &group, None).expect("a test");
        let at_risk = [4, 5, 3, 4, 2, 3, 1, 3, 0, 3, 0, 1];
        let events = [1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 0, 1];
        let counts = log_rank_of_counts(2, &at_risk, &events).expect("a test");
        assert!((counts.chi2 - patients.chi2).abs() < 1e-12 && counts.df == patients.df);
        assert_eq!(counts.observed, patients.observed);
        assert!(log_rank_of_counts(2, &at_risk[..5], &events[..5]).is_err());
    }
}
