//! Columns brought to mean 0 and standard deviation 1, rows in the order of the risk sets.

use super::likelihood::Likelihood;
use super::risk_sets::{Outcome, RiskSets, event_times};
use super::sums::{RiskSums, greatest, risk_set_sums, risks};
use super::{Cohort, CoxError, Ties};

impl Cohort<'_> {
    pub(crate) fn outcome(&self) -> Outcome<'_> {
        Outcome {
            time: self.time,
            event: self.event,
            entry: self.entry,
            strata: self.strata,
            weights: self.weights,
        }
    }

    pub(crate) fn check(&self) -> Result<(), CoxError> {
        self.outcome().check()?;
        let (n, f) = (self.time.len(), self.names.len());
        if self.x.len() != n * f {
            return Err(CoxError::Length { what: "x", found: self.x.len(), expected: n * f });
        }
        if f == 0 {
            return Err(CoxError::Length { what: "names", found: 0, expected: 1 });
        }
        match self.x.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(cell) => Err(CoxError::Value {
                what: self.names[cell % f].clone(),
                row: cell / f,
                value: self.x[cell],
            }),
        }
    }
}

/// A checked cohort, ready for Newton's method. Standardised columns keep the information well
/// conditioned whatever the units; only the fit sees them.
pub(super) struct Design {
    pub sets: RiskSets,
    /// `[N, F]` standardised, in the order of `sets.rows`.
    pub x: Vec<f64>,
    /// Standard deviation of each input column.
    pub sd: Vec<f64>,
    pub ties: Ties,
}

/// The partial likelihood and what led to it at one point.
pub(crate) struct Point {
    pub risk: Vec<f64>,
    pub sums: RiskSums,
    pub likelihood: Likelihood,
}

impl Design {
    pub(super) fn new(cohort: &Cohort<'_>, ties: Ties) -> Result<Self, CoxError> {
        cohort.check()?;
        let f = cohort.names.len();
        let outcome = cohort.outcome();
        let times = event_times(&outcome);
        if times.is_empty() {
            return Err(CoxError::NoEvents);
        }
        let sets = RiskSets::new(&outcome, times);
        let mut x = Vec::with_capacity(sets.rows.len() * f);
        for &row in &sets.rows {
            x.extend_from_slice(&cohort.x[row as usize * f..][..f]);
        }
        let mean = column_means(&x, f, |_, v| v);
        let sd: Vec<f64> =
            column_means(&x, f, |j, v| (v - mean[j]).powi(2)).into_iter().map(f64::sqrt).collect();
        for j in 0..f {
            // A constant whose mean was rounded leaves a deviation of rounding size.
            let constant = x.iter().skip(j).step_by(f).all(|&v| v == x[j]);
            if constant || sd[j] == 0.0 || !sd[j].is_finite() {
                return Err(CoxError::Constant(cohort.names[j].clone()));
            }
        }
        for row in x.chunks_exact_mut(f) {
            for (j, v) in row.iter_mut().enumerate() {
                *v = (*v - mean[j]) / sd[j];
            }
        }
        Ok(Self { sets, x, sd, ties })
    }

    pub(super) fn features(&self) -> usize {
        self.sd.len()
    }

    /// Evaluates at standardised coefficients; `None` where the likelihood leaves the numbers.
    pub(super) fn at(&self, beta: &[f64]) -> Option<Point> {
        let f = self.features();
        let log_risk: Vec<f64> =
            self.x.chunks_exact(f).map(|x| x.iter().zip(beta).map(|(x, b)| x * b).sum()).collect();
        let shift = greatest(&log_risk);
        let risk = risks(&self.sets, &log_risk, shift);
        let sums = risk_set_sums(&self.sets, &self.x, f, &log_risk, &risk, shift);
        let likelihood = Likelihood::from_sums(&sums, self.ties)?;
        Some(Point { risk, sums, likelihood })
    }

    /// Information `[F, F]` at a point, event time `k` counted `scale(k)` times.
    pub(super) fn information(&self, point: &Point, scale: impl Fn(usize) -> f64 + Copy) -> Vec<f64> {
        let l = &point.likelihood;
        let rows = l.scaled_row_information(&self.sets, &self.x, &point.risk, scale);
        l.scaled_information(&point.sums, rows, scale)
    }
}

/// Mean of `of(column, value)` per column of `x` `[N, F]`.
fn column_means(x: &[f64], f: usize, of: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    let n = (x.len() / f) as f64;
    let mut sums = vec![0.0; f];
    for row in x.chunks_exact(f) {
        for (j, (sum, &v)) in sums.iter_mut().zip(row).enumerate() {
            *sum += of(j, v);
        }
    }
    sums.into_iter().map(|sum| sum / n).collect()
}
