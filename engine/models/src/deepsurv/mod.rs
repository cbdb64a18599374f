//! DeepSurv: a feed-forward network for the log hazard, trained on the Cox partial likelihood.
//!
//! Katzman et al., "DeepSurv: personalized treatment recommender system using a Cox proportional
//! hazards deep neural network", BMC Medical Research Methodology 2018. The unit of work is a
//! [`Batch`] of independent problems (seeds x bootstraps x folds x sites).

mod batch;
mod fused;
mod layout;
mod list;
mod private;
mod resident;
mod shared;
mod step_list;

pub use crate::descent::{Optimizer, Training};
pub use batch::{Batch, Problem, predict};
pub use fused::Workspace;
pub use layout::{Layout, Role, Tensor};
pub use list::op_list;
pub use private::{Noise, Privacy};
pub use resident::Resident;
pub use shared::SharedOutcome;

use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::cox_nll::Ties;

/// Which weights an L2 penalty acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Scope {
    /// The weights of every layer (no biases).
    All,
    /// The weights of the output layer, as the published DeepSurv code does.
    Output,
}

/// The architecture and loss of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Features `F`.
    pub inputs: usize,
    /// Widths of the hidden layers; none is a linear model.
    pub hidden: Vec<usize>,
    /// Nonlinearity of the hidden layers.
    pub activation: Activation,
    /// Probability that a hidden unit is dropped in training, in `[0, 1)`.
    pub dropout: f64,
    /// Normalise each hidden unit before its nonlinearity.
    pub batch_norm: bool,
    /// The loss gains `l2 * sum w^2`.
    pub l2: f64,
    /// Weights it acts on.
    pub l2_scope: L2Scope,
    /// Treatment of tied event times.
    pub ties: Ties,
}
