//! Negative log partial likelihood of Cox's model and its gradient in the log-risk.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | `score` | `[B, N]` f32, risk order | log-risk `h` |
//! | `weight` | `[B, N]` f32, risk order, optional | case weight `w >= 0`; 0 is absent |
//! | `gradient` | `[B, N]` f32, risk order | d nll / d `h` |
//! | `losses` | `[B]` | `nll` in nats, `event_weight` `D` in units of `w` |
//!
//! With `S_g = sum of w_j exp(h_j)` over the rows at risk at event time `T_g`, and over its `d_g`
//! events of positive weight `E_g = sum of w_j exp(h_j)` and `W_g = sum of w_j`:
//!
//! - Breslow: `nll = sum_g W_g log S_g - sum_events w_i h_i`;
//! - Efron: `nll = sum_g (W_g / d_g) sum_{r < d_g} log(S_g - (r / d_g) E_g) - sum_events w_i h_i`.
//!
//! With `A_g` and `B_g` the sums of `c / den` and of `c (r / d_g) / den` over the terms of a group
//! (`c` the factor of its logarithm) and `R_i` the sum of `A_g` over the event times for which row
//! `i` is at risk: `d nll / d h_i = w_i exp(h_i) (R_i - e_i B_g(i)) - w_i e_i`.
//!
//! Source: Efron, JASA 72 (1977); weights as in R's `coxph` (Therneau and Grambsch, "Modeling
//! Survival Data", 2000, ch. 3). Strata add up. Left truncation: at risk in `(entry, time]`.

pub mod device;
mod fast;
mod op;
mod order;
mod problem;
pub mod reference;
mod terms;
mod truncation;
mod wide;

use rayon::prelude::*;

pub(crate) use device::{EVENT, HEAD, NO_GROUP};
pub use op::CoxNll;
pub use order::{CoxInputError, RiskOrder};

use self::problem::Problem;
use crate::simd::Level;

/// How tied event times are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ties {
    /// All tied events leave the risk set together.
    Breslow,
    /// Tied events leave in an averaged order.
    #[default]
    Efron,
}

impl Ties {
    /// Name in a study file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Breslow => "breslow",
            Self::Efron => "efron",
        }
    }

    /// The treatment of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Breslow, Self::Efron].into_iter().find(|ties| ties.name() == name)
    }
}

/// The loss of one problem.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CoxLoss {
    /// Negative log partial likelihood; divided by `event_weight` if that was asked for.
    pub nll: f64,
    /// Summed weight `D` of the events.
    pub event_weight: f64,
}

/// Buffers that a problem needs and the next one may reuse.
#[derive(Debug, Clone, Default)]
pub struct CoxScratch {
    groups: fast::GroupSums,
    block: fast::Block,
    mass: Vec<f64>,
    surveys: Vec<fast::Survey>,
}

/// Loss and gradient of one problem, on one thread. `score`, `weight` and `gradient` are `[N]` in
/// risk order; `weight` (`None`: all 1) is not negative, and a row of weight 0 is absent. With
/// `normalise` both are divided by `event_weight`; without events both are 0.
///
/// A score that is not a number makes loss and gradient not a number.
///
/// # Panics
/// If a slice is not as long as the order.
pub fn cox_nll(
    order: &RiskOrder,
    ties: Ties,
    score: &[f32],
    weight: Option<&[f32]>,
    gradient: &mut [f32],
    normalise: bool,
    scratch: &mut CoxScratch,
) -> CoxLoss {
    cox_nll_at(Level::current(), order, ties, score, weight, gradient, normalise, scratch)
}

/// [`cox_nll`] with a given instruction set, for tests that compare them.
///
/// # Panics
/// If a slice is not as long as the order, or the processor lacks the level.
pub fn cox_nll_at(
    level: Level,
    order: &RiskOrder,
    ties: Ties,
    score: &[f32],
    weight: Option<&[f32]>,
    gradient: &mut [f32],
    normalise: bool,
    scratch: &mut CoxScratch,
) -> CoxLoss {
    let n = order.len();
    assert!(score.len() == n && gradient.len() == n && weight.is_none_or(|w| w.len() == n));
    Problem { order, ties, score, weight, normalise }.solve(level, gradient, scratch, false)
}

/// [`cox_nll`] of `B` problems over one order: `score`, `weight` and `gradient` are `[B, N]`,
/// `losses` is `[B]`. Problems, and the blocks of long ones where there are fewer problems than
/// threads, are spread over the current rayon pool; the bits of a problem are those of [`cox_nll`].
///
/// # Panics
/// If a slice has the wrong length.
pub fn cox_nll_batch(
    order: &RiskOrder,
    ties: Ties,
    score: &[f32],
    weight: Option<&[f32]>,
    gradient: &mut [f32],
    normalise: bool,
    losses: &mut [CoxLoss],
) {
    cox_nll_batch_at(Level::current(), order, ties, score, weight, gradient, normalise, losses);
}

/// [`cox_nll_batch`] with a given instruction set.
///
/// # Panics
/// If a slice has the wrong length, or the processor lacks the level.
pub fn cox_nll_batch_at(
    level: Level,
    order: &RiskOrder,
    ties: Ties,
    score: &[f32],
    weight: Option<&[f32]>,
    gradient: &mut [f32],
    normalise: bool,
    losses: &mut [CoxLoss],
) {
    let n = order.len();
    let total = n * losses.len();
    assert!(score.len() == total && gradient.len() == total && weight.is_none_or(|w| w.len() == total));
    if n == 0 {
        losses.fill(CoxLoss::default());
        return;
    }
    let spread = losses.len() < rayon::current_num_threads();
    let problems = losses.par_iter_mut().zip(gradient.par_chunks_mut(n)).enumerate();
    problems.for_each_init(CoxScratch::default, |scratch, (k, (loss, gradient))| {
        let rows = k * n..(k + 1) * n;
        let (score, weight) = (&score[rows.clone()], weight.map(|w| &w[rows]));
        *loss = Problem { order, ties, score, weight, normalise }.solve(level, gradient, scratch, spread);
    });
}

#[cfg(test)]
mod tests;
