//! Newton's method, and what it leaves behind.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::design::{Design, Point};
use super::separation::separating_columns;
use super::symmetric::{Cholesky, Singular};
use super::{Cohort, CoxError, Options, residuals};

/// Smallest pivot of the information at 0, relative to its diagonal, of a column of its own.
const COLLINEAR: f64 = 1e-9;
/// Information of a standardised column, per unit of event weight, that is rounding only.
const CONSTANT: f64 = 1e-11;
/// Distance from the maximum, in standard errors, of a converged fit.
const SETTLED: f64 = 1e-10;
/// The same where rounding keeps Newton's method from coming closer.
const STALLED: f64 = 1e-6;
/// Gain in log-likelihood below which a step that still moves a log-risk by [`RUNAWAY`] means that
/// the coefficients diverge: the implied standard error of that log-risk is above 20.
const FLAT: f64 = 1e-4;
/// See [`FLAT`]; a diverging log-risk moves by 1 per step.
const RUNAWAY: f64 = 0.3;

/// A chi-squared test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Statistic.
    pub chi2: f64,
    /// Degrees of freedom.
    pub df: usize,
    /// Upper tail probability.
    pub p: f64,
}

impl Test {
    pub(super) fn new(chi2: f64, df: usize) -> Self {
        let p = ChiSquared::new(df as f64).map_or(1.0, |d| d.sf(chi2.max(0.0)));
        Self { chi2, df, p }
    }
}

/// A fitted model; coefficients are log hazard ratios per unit of the input columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoxFit {
    /// Column names `[F]`.
    pub names: Vec<String>,
    /// Coefficients `[F]`.
    pub coefficients: Vec<f64>,
    /// Standard errors `[F]` from the inverse (penalised) information.
    pub se: Vec<f64>,
    /// Inverse (penalised) information `[F, F]`.
    pub covariance: Vec<f64>,
    /// Lin-Wei sandwich covariance `[F, F]`, on request.
    pub robust_covariance: Option<Vec<f64>>,
    /// Log partial likelihood with all coefficients 0.
    pub log_likelihood_null: f64,
    /// Log partial likelihood of the fit, without the penalty.
    pub log_likelihood: f64,
    /// Twice the gain in log-likelihood.
    pub likelihood_ratio: Test,
    /// Score test at 0, from the (penalised) information there.
    pub score: Test,
    /// Wald test, from [`Self::covariance`].
    pub wald: Test,
    /// Newton steps taken.
    pub iterations: usize,
    /// Rows with a positive weight.
    pub n: usize,
    /// Events among them.
    pub events: usize,
}

impl CoxFit {
    /// Standard errors `[F]` from the sandwich covariance, if it was asked for.
    pub fn robust_se(&self) -> Option<Vec<f64>> {
        self.robust_covariance.as_ref().map(|c| root_diagonal(c, self.names.len()))
    }

    /// Log-risk `x b` of each row of `x` `[N, F]`, not centred.
    ///
    /// # Errors
    /// If `x` is not made of rows of `F` columns.
    pub fn predict(&self, x: &[f64]) -> Result<Vec<f64>, CoxError> {
        predict(&self.coefficients, x)
    }
}

/// Log-risk `x b` of each row of `x` `[N, F]` under coefficients `[F]`.
///
/// # Errors
/// If `x` is not made of rows of `F` columns.
pub fn predict(coefficients: &[f64], x: &[f64]) -> Result<Vec<f64>, CoxError> {
    let f = coefficients.len();
    if f == 0 || !x.len().is_multiple_of(f) {
        return Err(CoxError::Length { what: "a row of x", found: x.len() % f.max(1), expected: f });
    }
    let row = |x: &[f64]| x.iter().zip(coefficients).map(|(x, b)| x * b).sum();
    Ok(x.chunks_exact(f).map(row).collect())
}

/// Fits a Cox model.
///
/// # Errors
/// Bad values by row; no events; constant, collinear and separating columns by name (with a ridge
/// penalty the last two have a solution and are accepted); no convergence.
pub fn fit(cohort: &Cohort<'_>, options: &Options<'_>) -> Result<CoxFit, CoxError> {
    let design = Design::new(cohort, options.ties)?;
    let n = (0..cohort.time.len()).filter(|&row| cohort.weights.is_none_or(|w| w[row] > 0.0)).count();
    let spread = spreads(&design.x, design.features());
    newton(&Local { design, cohort, spread, options }, options, n)
}

/// A partial likelihood of standardised columns, wherever its rows are. Where they are at several
/// places, each place makes the same calls in the same order and gets the same answers.
pub(crate) trait Objective {
    /// Column names `[F]`.
    fn names(&self) -> &[String];

    /// Standard deviation of each input column `[F]`.
    fn sd(&self) -> &[f64];

    /// Range of each standardised column `[F]`.
    fn spread(&self) -> &[f64];

    /// The likelihood at standardised coefficients; `None` where it leaves the numbers.
    fn at(&self, beta: &[f64]) -> Result<Option<Point>, CoxError>;

    /// Information `[F, F]` at a point.
    fn information(&self, point: &Point) -> Result<Vec<f64>, CoxError>;

    /// Columns along which the likelihood only rises, as far as one sweep over the rows can tell.
    fn separating(&self) -> Vec<(usize, char)> {
        Vec::new()
    }

    /// The sandwich covariance `[F, F]`, if it was asked for.
    fn sandwich(&self, _point: &Point, _covariance: &[f64]) -> Result<Option<Vec<f64>>, CoxError> {
        Ok(None)
    }
}

/// All rows are here.
struct Local<'l> {
    design: Design,
    cohort: &'l Cohort<'l>,
    spread: Vec<f64>,
    options: &'l Options<'l>,
}

impl Objective for Local<'_> {
    fn names(&self) -> &[String] {
        self.cohort.names
    }

    fn sd(&self) -> &[f64] {
        &self.design.sd
    }

    fn spread(&self) -> &[f64] {
        &self.spread
    }

    fn at(&self, beta: &[f64]) -> Result<Option<Point>, CoxError> {
        Ok(self.design.at(beta))
    }

    fn information(&self, point: &Point) -> Result<Vec<f64>, CoxError> {
        Ok(self.design.information(point, |_| 1.0))
    }

    fn separating(&self) -> Vec<(usize, char)> {
        if self.design.sets.truncated { Vec::new() } else { separating_columns(&self.design) }
    }

    fn sandwich(&self, point: &Point, covariance: &[f64]) -> Result<Option<Vec<f64>>, CoxError> {
        let (options, n) = (self.options, self.cohort.time.len());
        (options.robust || options.cluster.is_some())
            .then(|| residuals::sandwich(&self.design, point, covariance, n, options.cluster))
            .transpose()
    }
}

/// Maximises a likelihood over `n` patients of positive weight, from coefficients 0.
pub(crate) fn newton(objective: &dyn Objective, options: &Options<'_>, n: usize) -> Result<CoxFit, CoxError> {
    if !(options.ridge.is_finite() && options.ridge >= 0.0) {
        return Err(CoxError::Setting { what: "ridge", value: options.ridge });
    }
    let start = vec![0.0; objective.sd().len()];
    let null = at_zero(objective, &start)?;
    let info = objective.information(&null)?;
    let score = check_columns(objective, &null, &info, options.ridge)?;

    let optimum = maximise(objective, options, null.likelihood.value, start)?;
    let Optimum { beta, point, info, iterations } = optimum;
    let factor = Cholesky::new(&info, beta.len(), 0.0).map_err(|s| singular(s, objective.names()))?;
    let covariance = factor.inverse();
    let robust = objective.sandwich(&point, &covariance)?;
    let wald: f64 = quadratic(&info, &beta);
    let df = beta.len();
    let (value, null_value) = (point.likelihood.value, null.likelihood.value);
    let sd = objective.sd();
    let covariance = unscale(covariance, sd);
    Ok(CoxFit {
        names: objective.names().to_vec(),
        coefficients: beta.iter().zip(sd).map(|(b, sd)| b / sd).collect(),
        se: root_diagonal(&covariance, df),
        covariance,
        robust_covariance: robust.map(|r| unscale(r, sd)),
        log_likelihood_null: null_value,
        log_likelihood: value,
        likelihood_ratio: Test::new(2.0 * (value - null_value), df),
        score: Test::new(score, df),
        wald: Test::new(wald, df),
        iterations,
        n,
        events: point.sums.d.iter().map(|&d| d as usize).sum(),
    })
}

/// Names the columns that make the problem unsolvable; returns the score test statistic.
fn check_columns(objective: &dyn Objective, null: &Point, info: &[f64], ridge: f64) -> Result<f64, CoxError> {
    let f = objective.sd().len();
    let weight: f64 = null.sums.w.iter().sum();
    let constant = (0..f).find(|&j| info[j * f + j] <= CONSTANT * weight);
    if let Some(j) = constant.filter(|_| ridge == 0.0) {
        return Err(CoxError::Constant(objective.names()[j].clone()));
    }
    let mut penalised = info.to_vec();
    add_ridge(&mut penalised, f, ridge);
    let factor = Cholesky::new(&penalised, f, COLLINEAR).map_err(|s| singular(s, objective.names()))?;
    let columns = if ridge == 0.0 { objective.separating() } else { Vec::new() };
    if !columns.is_empty() {
        return Err(separation(objective.names(), columns));
    }
    Ok(factor.quadratic_form(&null.likelihood.gradient))
}

struct Optimum {
    beta: Vec<f64>,
    point: Point,
    /// Penalised information at the optimum.
    info: Vec<f64>,
    iterations: usize,
}

fn at_zero(objective: &dyn Objective, start: &[f64]) -> Result<Point, CoxError> {
    objective.at(start)?.ok_or(CoxError::Numerical("the likelihood at 0 is not a number"))
}

fn maximise(
    objective: &dyn Objective,
    options: &Options<'_>,
    null: f64,
    mut beta: Vec<f64>,
) -> Result<Optimum, CoxError> {
    let f = beta.len();
    let (names, spread) = (objective.names(), objective.spread());
    let penalty = |beta: &[f64]| options.ridge / 2.0 * beta.iter().map(|b| b * b).sum::<f64>();
    let diverging = |step: &[f64]| {
        let moved = |j: usize| step[j] * spread[j];
        let most = (0..f).map(|j| moved(j).abs()).fold(0.0, f64::max);
        let columns = (0..f).filter(|&j| moved(j).abs() >= RUNAWAY * most);
        let signed = columns.map(|j| (j, if step[j] > 0.0 { '+' } else { '-' }));
        (most > RUNAWAY).then(|| separation(names, signed.collect()))
    };
    let (mut value, mut previous) = (null, f64::INFINITY);
    let mut point = at_zero(objective, &beta)?;
    let mut info = objective.information(&point)?;
    add_ridge(&mut info, f, options.ridge);
    for iteration in 0..=options.max_iterations {
        let gradient: Vec<f64> =
            point.likelihood.gradient.iter().zip(&beta).map(|(g, b)| g - options.ridge * b).collect();
        // The information dies out along diverging coefficients.
        let factor = Cholesky::new(&info, f, 0.0)
            .map_err(|s| diverging(&beta).unwrap_or_else(|| singular(s, names)))?;
        let step = factor.solve(&gradient);
        let distance = step.iter().zip(&gradient).map(|(s, g)| s * g).sum::<f64>().max(0.0).sqrt();
        if distance <= SETTLED || (distance <= STALLED && distance > previous / 2.0) {
            return Ok(Optimum { beta, point, info, iterations: iteration });
        }
        let mut found = None;
        for halvings in 0..40 {
            let length = 0.5f64.powi(halvings);
            let next: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b + length * s).collect();
            let Some(at) = objective.at(&next)? else { continue };
            if at.likelihood.value - penalty(&next) >= value - 1e-11 * (1.0 + value.abs()) {
                found = Some((next, at, halvings == 0));
                break;
            }
        }
        let (next, next_point, whole) = found.ok_or(CoxError::NotConverged(iteration))?;
        let next_value = next_point.likelihood.value - penalty(&next);
        let flat = whole && options.ridge == 0.0 && next_value - value < FLAT;
        if let Some(error) = diverging(&step).filter(|_| flat) {
            return Err(error);
        }
        (beta, point, value, previous) = (next, next_point, next_value, distance);
        info = objective.information(&point)?;
        add_ridge(&mut info, f, options.ridge);
    }
    Err(CoxError::NotConverged(options.max_iterations))
}

/// Range of each standardised column.
fn spreads(x: &[f64], f: usize) -> Vec<f64> {
    let mut limits = vec![(f64::INFINITY, f64::NEG_INFINITY); f];
    for x in x.chunks_exact(f) {
        for (l, &x) in limits.iter_mut().zip(x) {
            *l = (l.0.min(x), l.1.max(x));
        }
    }
    limits.into_iter().map(|(low, high)| high - low).collect()
}

fn add_ridge(info: &mut [f64], f: usize, ridge: f64) {
    for j in 0..f {
        info[j * f + j] += ridge;
    }
}

fn quadratic(matrix: &[f64], b: &[f64]) -> f64 {
    let row = |r: &[f64]| r.iter().zip(b).map(|(m, b)| m * b).sum::<f64>();
    matrix.chunks_exact(b.len()).zip(b).map(|(r, b)| b * row(r)).sum()
}

fn root_diagonal(matrix: &[f64], f: usize) -> Vec<f64> {
    (0..f).map(|j| matrix[j * f + j].sqrt()).collect()
}

/// A covariance of standardised coefficients, per unit of the input columns.
fn unscale(mut covariance: Vec<f64>, sd: &[f64]) -> Vec<f64> {
    for (i, row) in covariance.chunks_exact_mut(sd.len()).enumerate() {
        for (c, sd_j) in row.iter_mut().zip(sd) {
            *c /= sd[i] * sd_j;
        }
    }
    covariance
}

fn singular(s: Singular, names: &[String]) -> CoxError {
    let name = |j: usize| names[j].clone();
    match s.of.is_empty() {
        true => CoxError::Constant(name(s.column)),
        false => CoxError::Collinear { column: name(s.column), of: s.of.into_iter().map(name).collect() },
    }
}

fn separation(names: &[String], columns: Vec<(usize, char)>) -> CoxError {
    let columns = columns.into_iter().map(|(j, sign)| (names[j].clone(), sign)).collect();
    CoxError::Separation { columns }
}
