//! `batch_norm`: normalises each unit over the patients of a batch.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | z | `[N, H]` | pre-activation |
//! | weight | `[N]` | case weight; 0 is absent |
//! | scale, shift | `[H]` | trainable |
//! | y | `[N, H]` | `scale x + shift`, `x = (z - mean) / sqrt(var + eps)` |
//! | mean, var | `[H]` | weighted moments of `z`; `var` divides by the summed weight |
//! | dy | `[N, H]` | loss per unit of `y` |
//! | dz, dscale, dshift | `[N, H]`, `[H]`, `[H]` | gradients |
//!
//! Ioffe and Szegedy, ICML 2015. The statistics of a batch are what training uses; running means
//! of them are buffers of the model, used by prediction and averaged in a federation like
//! parameters (the policy of decision 0001).
//!
//! `dz = scale / sd (dy - w (sum dy + x sum dy x) / W)` with weights `w`, `W = sum w`: `dy` already
//! carries each patient's weight, the statistics bring in `w`.

pub mod device;
mod fast;
mod op;

pub use fast::{backward, forward};
pub use op::BatchNormOp;

/// Added to the variance, as in PyTorch.
pub const EPSILON: f64 = 1e-5;
/// Share of a new batch in the running statistics, as in PyTorch.
pub const MOMENTUM: f64 = 0.1;
