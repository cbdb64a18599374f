//! Linear Cox regression: exact Newton in f64.
//!
//! Letters: `N` patients, `F` features, `K` distinct event times (per stratum). With risk
//! `r_i = w_i exp(x_i b)`, at event time `k` the risk set has the sums `S0 = sum r`,
//! `S1 = sum r x`, its events `E0`, `E1` likewise, `d` events of total weight `W`.
//!
//! One iteration is two steps with a seam between them. [`sums::risk_set_sums`] adds up what the
//! rows of one place contribute (`K (2 F + 4)` numbers, additive over sites);
//! [`likelihood::Likelihood::from_sums`] turns the totals into log-likelihood, gradient and
//! hazard increments. The information then needs one weighted Gram matrix of the rows
//! ([`likelihood::Likelihood::row_information`], `F F` numbers, again additive), because
//! `sum_k A_k S2_k = sum_i r_i x_i x_i' sum_(k where i is at risk) A_k`: no `[K, F, F]` array.
//! Work is `O(N F + (N + K) F F)` per iteration, for any number of ties.
//!
//! Sources: Cox 1972; Breslow 1974; Efron 1977; weights, strata and left truncation as R
//! `survival::coxph` (Therneau and Grambsch 2000), against which all of it is tested.

pub(crate) mod design;
mod error;
pub(crate) mod fit;
mod gram;
pub mod likelihood;
mod proportional;
mod residuals;
pub mod risk_sets;
mod separation;
pub mod sums;
mod symmetric;
#[cfg(test)]
mod tests;

pub use error::CoxError;
pub use fit::{CoxFit, Test, fit, predict};
pub use osteon_kernels::ops::cox_nll::Ties;
pub use proportional::{ProportionalHazards, TimeScale, proportional_hazards};

/// A cohort as the fit sees it. Slices have one entry per patient.
#[derive(Debug, Clone, Copy)]
pub struct Cohort<'a> {
    /// Features `[N, F]`, row-major, no missing values.
    pub x: &'a [f64],
    /// Column names `[F]`.
    pub names: &'a [String],
    /// Time of event or censoring.
    pub time: &'a [f64],
    /// Whether the event was seen.
    pub event: &'a [bool],
    /// Start of observation: at risk over `(entry, time]`. `None`: from before the first event.
    pub entry: Option<&'a [f64]>,
    /// Stratum: its own baseline hazard, the same coefficients.
    pub strata: Option<&'a [u32]>,
    /// Case weights, at least 0; weight 0 means absent, also among tied events.
    pub weights: Option<&'a [f64]>,
}

/// Settings of a fit.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Treatment of ties.
    pub ties: Ties,
    /// Penalty `ridge / 2 * sum (sd_j b_j)^2`, with `sd_j` the column's standard deviation, so
    /// that a unit of measurement does not change the fit. On the sum of log-likelihood terms.
    pub ridge: f64,
    /// Whether to estimate the sandwich covariance as well.
    pub robust: bool,
    /// Rows with the same number are one cluster of the sandwich; implies `robust`.
    pub cluster: Option<&'a [u32]>,
    /// Newton steps after which the fit is given up.
    pub max_iterations: usize,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { ties: Ties::Efron, ridge: 0.0, robust: false, cluster: None, max_iterations: 50 }
    }
}
