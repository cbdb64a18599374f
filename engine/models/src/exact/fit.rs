//! The linear model on patients of all sites.

use osteon_core::reduce::{key, number};
use osteon_core::{ExactSum, Reduce};

use super::greatest_of;
use super::grid::{Grouping, SharedTimes};
use super::sums::{Part, risk_sums, risks};
use crate::cox::design::Point;
use crate::cox::fit::{Objective, newton};
use crate::cox::likelihood::Likelihood;
use crate::cox::risk_sets::{Outcome, RiskSets};
use crate::cox::{Cohort, CoxError, CoxFit, Options};

/// Checks the patients held here. Every participant calls it, and all stop if one has an error:
/// [`fit`] meets no bad value then.
///
/// # Errors
/// Bad values by row; columns of different lengths.
pub fn check(cohort: &Cohort<'_>) -> Result<(), CoxError> {
    cohort.check()
}

/// Fits a Cox model to the patients of all participants by Newton's method; each holds its own in
/// `cohort` (maybe none). Every participant gets the same fit, with the same bits for any spread of
/// the patients. The standard deviations that the ridge refers to are those of all patients.
///
/// # Errors
/// As [`crate::cox::fit`], on all participants alike; a robust covariance is refused.
pub fn fit(
    cohort: &Cohort<'_>,
    options: &Options<'_>,
    grouping: &Grouping,
    reduce: &dyn Reduce,
) -> Result<(CoxFit, SharedTimes), CoxError> {
    if options.robust || options.cluster.is_some() {
        return Err(CoxError::Numerical("the sandwich covariance is not summed over sites"));
    }
    let outcome = cohort.outcome();
    let times = SharedTimes::agree(&outcome, grouping, reduce)?;
    let design = SpreadDesign::new(cohort, options, &times, reduce)?;
    let mut rows = [(0..cohort.time.len()).filter(|&row| outcome.weight(row) > 0.0).count() as u64];
    reduce.count(&mut rows)?;
    Ok((newton(&design, options, rows[0] as usize)?, times))
}

/// The rows held here, standardised by the moments of all.
struct SpreadDesign<'d> {
    names: &'d [String],
    sets: RiskSets,
    /// `[N, F]` standardised, in the order of `sets.rows`.
    x: Vec<f64>,
    sd: Vec<f64>,
    spread: Vec<f64>,
    options: &'d Options<'d>,
    weighted: bool,
    reduce: &'d dyn Reduce,
}

impl<'d> SpreadDesign<'d> {
    fn new(
        cohort: &Cohort<'d>,
        options: &'d Options<'d>,
        times: &SharedTimes,
        reduce: &'d dyn Reduce,
    ) -> Result<Self, CoxError> {
        let f = cohort.names.len();
        let outcome = cohort.outcome();
        let (time, entry) = times.group(&outcome);
        let grouped = Outcome { time: &time, entry: entry.as_deref(), ..outcome };
        let sets = RiskSets::new(&grouped, times.times.clone());
        let mut x = Vec::with_capacity(sets.rows.len() * f);
        for &row in &sets.rows {
            x.extend_from_slice(&cohort.x[row as usize * f..][..f]);
        }
        let mut most: Vec<u64> = vec![0; 2 * f + 2];
        for (cell, &v) in x.iter().enumerate() {
            let j = cell % f;
            most[j] = most[j].max(key(v));
            most[f + j] = most[f + j].max(key(-v));
        }
        most[2 * f] = u64::from(sets.weight.iter().any(|&w| w != 1.0));
        most[2 * f + 1] = u64::from(sets.truncated);
        reduce.max(&mut most)?;
        if let Some(j) = (0..f).find(|&j| number(most[j]) == -number(most[f + j])) {
            return Err(CoxError::Constant(cohort.names[j].clone()));
        }
        let mut rows = [sets.rows.len() as u64];
        reduce.count(&mut rows)?;
        let means = |of: &dyn Fn(usize, f64) -> f64| -> Result<Vec<f64>, CoxError> {
            let mut sums = vec![ExactSum::new(); f];
            x.iter().enumerate().for_each(|(cell, &v)| sums[cell % f].add(of(cell % f, v)));
            reduce.sum(&mut sums)?;
            Ok(sums.iter().map(|s| s.value().unwrap_or(f64::NAN) / rows[0] as f64).collect())
        };
        let mean = means(&|_, v| v)?;
        let variance = means(&|j, v| (v - mean[j]).powi(2))?;
        let sd: Vec<f64> = variance.into_iter().map(f64::sqrt).collect();
        if let Some(j) = sd.iter().position(|sd| !(*sd > 0.0 && sd.is_finite())) {
            return Err(CoxError::Constant(cohort.names[j].clone()));
        }
        let spread = (0..f).map(|j| (number(most[j]) + number(most[f + j])) / sd[j]).collect();
        for (cell, v) in x.iter_mut().enumerate() {
            *v = (*v - mean[cell % f]) / sd[cell % f];
        }
        let weighted = most[2 * f] == 1;
        Ok(Self { names: cohort.names, sets, x, sd, spread, options, weighted, reduce })
    }
}

impl Objective for SpreadDesign<'_> {
    fn names(&self) -> &[String] {
        self.names
    }

    fn sd(&self) -> &[f64] {
        &self.sd
    }

    fn spread(&self) -> &[f64] {
        &self.spread
    }

    fn at(&self, beta: &[f64]) -> Result<Option<Point>, CoxError> {
        let f = self.sd.len();
        let log_risk: Vec<f64> =
            self.x.chunks_exact(f).map(|x| x.iter().zip(beta).map(|(x, b)| x * b).sum()).collect();
        let negated: Vec<f64> = log_risk.iter().map(|h| -h).collect();
        let ends = greatest_of([log_risk.as_slice(), &negated].into_iter(), self.reduce)?;
        let shift = ends[0].unwrap_or(0.0);
        if ends.iter().flatten().any(|end| !end.is_finite()) {
            return Ok(None);
        }
        let weight = &self.sets.weight;
        let risk = risks(weight, &log_risk, shift);
        let part = Part {
            sets: &self.sets,
            weight,
            x: &self.x,
            features: f,
            log_risk: &log_risk,
            risk: &risk,
            shift,
        };
        let sums = risk_sums(&[part], self.options.ties, self.weighted, self.reduce)?.remove(0);
        let likelihood = Likelihood::from_sums(&sums, self.options.ties);
        Ok(likelihood.map(|likelihood| Point { risk, sums, likelihood }))
    }

    fn information(&self, point: &Point) -> Result<Vec<f64>, CoxError> {
        let f = self.sd.len();
        let expected = point.likelihood.expected_events(&self.sets, &point.risk);
        let mut sums = vec![ExactSum::new(); f * (f + 1) / 2];
        for (x, &expected) in self.x.chunks_exact(f).zip(&expected) {
            let mut sums = sums.iter_mut();
            for i in 0..f {
                let scaled = expected * x[i];
                x[i..].iter().zip(&mut sums).for_each(|(x, sum)| sum.add(scaled * x));
            }
        }
        self.reduce.sum(&mut sums)?;
        let mut rows = vec![0.0; f * f];
        let mut totals = sums.iter().map(|s| s.value().unwrap_or(f64::NAN));
        for i in 0..f {
            rows[i * f + i..(i + 1) * f].iter_mut().zip(&mut totals).for_each(|(r, t)| *r = t);
        }
        Ok(point.likelihood.information(&point.sums, rows))
    }
}
