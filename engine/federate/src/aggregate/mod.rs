//! The two order-free sums over sites.
//!
//! - [`param_sum`]: weighted means of model parameters in fixed point,
//! - [`exact`]: the [`osteon_core::Reduce`] seam over a communicator,
//! - [`scale`]: the fixed-point scale of a run,

pub mod exact;
pub mod param_sum;
pub mod scale;

pub use exact::CommReduce;
pub use osteon_kernels::ops::weighted_sum::Param;
pub use param_sum::{Mean, ParamSum};
pub use scale::ParamScale;
