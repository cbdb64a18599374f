//! The two order-free sums over sites, and what a strategy makes of them.
//!
//! - [`param_sum`]: weighted means of model parameters in fixed point,
//! - [`each`]: the same integers of every site, for centres that are no sums,
//! - [`centre`]: what either comes to,
//! - [`mask`]: pairwise masks that cancel in the sum,
//! - [`exact`]: the [`osteon_core::Reduce`] seam over a communicator,
//! - [`scale`]: the fixed-point scale of a run.

pub mod centre;
pub mod each;
pub mod exact;
pub mod mask;
pub mod param_sum;
pub mod scale;

pub use centre::{Centre, Rule};
pub use each::Each;
pub use exact::CommReduce;
pub use mask::Masks;
pub use osteon_kernels::ops::weighted_sum::Param;
pub use param_sum::{Mean, ParamSum};
pub use scale::ParamScale;
