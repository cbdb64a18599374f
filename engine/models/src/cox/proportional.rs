//! Test of proportional hazards.

use serde::{Deserialize, Serialize};

use super::design::Design;
use super::symmetric::Cholesky;
use super::{Cohort, CoxError, CoxFit, Test, Ties};

/// How time enters the alternative `b(t) = b + c (g(t) - mean g)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeScale {
    /// `g(t) = 1 - S(t-)`, the Kaplan-Meier curve of the whole cohort (the default of R `cox.zph`).
    #[default]
    KaplanMeier,
    /// `g(t) = t`.
    Identity,
    /// Rank of the time among all patients, ties averaged.
    Rank,
    /// `g(t) = log t`.
    Log,
}

/// Result of the test: small p-values speak against proportional hazards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProportionalHazards {
    /// Time scale used.
    pub scale: TimeScale,
    /// One test per column `[F]`, one degree of freedom each.
    pub columns: Vec<Test>,
    /// All columns at once, `F` degrees of freedom.
    pub global: Test,
}

/// Schoenfeld residual test of a fitted model (Grambsch and Therneau, Biometrika 81, 1994), in its
/// exact form as a score test of `x (g(t) - mean g)` added to the model, which is what R `cox.zph`
/// computes from survival 3.0 on (the correlation of scaled residuals before that is its
/// approximation). The cohort and the treatment of ties are those of the fit.
///
/// # Errors
/// As [`super::fit`]; a `Log` scale with an event at a time that is not positive.
pub fn proportional_hazards(
    cohort: &Cohort<'_>,
    fit: &CoxFit,
    ties: Ties,
    scale: TimeScale,
) -> Result<ProportionalHazards, CoxError> {
    let design = Design::new(cohort, ties)?;
    let f = design.features();
    if fit.coefficients.len() != f {
        let found = fit.coefficients.len();
        return Err(CoxError::Length { what: "coefficients", found, expected: f });
    }
    let beta: Vec<f64> = fit.coefficients.iter().zip(&design.sd).map(|(b, sd)| b * sd).collect();
    let point = design.at(&beta).ok_or(CoxError::Numerical("the likelihood of the fit is not a number"))?;
    let mut g = transform(cohort, &design, scale)?;
    let events: f64 = point.sums.d.iter().map(|&d| f64::from(d)).sum();
    let mean = g.iter().zip(&point.sums.d).map(|(g, &d)| g * f64::from(d)).sum::<f64>() / events;
    g.iter_mut().for_each(|g| *g -= mean);

    let gradient = weighted_gradient(&design, &point, &g);
    let plain = design.information(&point, |_| 1.0);
    let cross = design.information(&point, |k| g[k]);
    let square = design.information(&point, |k| g[k] * g[k]);
    let fault = CoxError::Numerical("the information of the time-dependent columns is singular");
    let factor = Cholesky::new(&plain, f, 0.0).map_err(|_| fault.clone())?;
    // What is left of the information on c when b is not known: square - cross plain^-1 cross.
    let mut rest = square;
    for j in 0..f {
        let solved = factor.solve(&cross[j * f..][..f]);
        for i in 0..f {
            let dot: f64 = cross[i * f..][..f].iter().zip(&solved).map(|(a, b)| a * b).sum();
            rest[i * f + j] -= dot;
        }
    }
    let column = |j: usize| Test::new(gradient[j] * gradient[j] / rest[j * f + j], 1);
    let global = Cholesky::new(&rest, f, 0.0).map_err(|_| fault)?.quadratic_form(&gradient);
    Ok(ProportionalHazards { scale, columns: (0..f).map(column).collect(), global: Test::new(global, f) })
}

/// `sum_k g_k` times the gradient's contribution of event time `k`, that is of the sum of its
/// Schoenfeld residuals.
fn weighted_gradient(design: &Design, point: &super::design::Point, g: &[f64]) -> Vec<f64> {
    let (f, l) = (design.features(), &point.likelihood);
    let mut sum = vec![0.0; f];
    for p in (0..design.sets.rows.len()).filter(|&p| design.sets.event[p]) {
        let k = design.sets.to[p] as usize - 1;
        super::sums::add(&mut sum, g[k] * design.sets.weight[p], &design.x[p * f..][..f]);
    }
    for (k, g) in g.iter().enumerate() {
        super::sums::add(&mut sum, -g * l.hazard[k], &point.sums.s1[k * f..][..f]);
        super::sums::add(&mut sum, g * l.tied_hazard[k], &point.sums.e1[k * f..][..f]);
    }
    sum
}

/// `g` at each event time `[K]`.
fn transform(cohort: &Cohort<'_>, design: &Design, scale: TimeScale) -> Result<Vec<f64>, CoxError> {
    let present = |row: &usize| cohort.weights.is_none_or(|w| w[*row] > 0.0);
    let rows: Vec<usize> = (0..cohort.time.len()).filter(present).collect();
    let sorted = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values
    };
    let all = sorted(rows.iter().map(|&r| cohort.time[r]).collect());
    let before = |t: f64| all.partition_point(|&x| x < t) as f64;
    let times = design.sets.times.iter().map(|k| k.time);
    match scale {
        TimeScale::Identity => Ok(times.collect()),
        TimeScale::Log => match times.clone().find(|&t| t <= 0.0) {
            None => Ok(times.map(f64::ln).collect()),
            Some(t) => {
                let row = cohort.time.iter().position(|&x| x == t).unwrap_or(0);
                Err(CoxError::Value { what: "time on a log scale".into(), row, value: t })
            }
        },
        TimeScale::Rank => {
            Ok(times.map(|t| (before(t) + 1.0 + all.partition_point(|&x| x <= t) as f64) / 2.0).collect())
        }
        TimeScale::KaplanMeier => {
            let entries = sorted(cohort.entry.map_or(vec![], |e| rows.iter().map(|&r| e[r]).collect()));
            let events = rows.iter().filter(|&&r| cohort.event[r]).map(|&r| cohort.time[r]).collect();
            let mut survival = 1.0;
            let mut curve: Vec<(f64, f64)> = Vec::new();
            for tied in sorted(events).chunk_by(|a, b| a == b) {
                let not_yet = entries.len() - entries.partition_point(|&x| x < tied[0]);
                let at_risk = all.len() as f64 - before(tied[0]) - not_yet as f64;
                curve.push((tied[0], 1.0 - survival));
                survival *= 1.0 - tied.len() as f64 / at_risk;
            }
            Ok(times.map(|t| curve[curve.partition_point(|c| c.0 < t)].1).collect())
        }
    }
}
