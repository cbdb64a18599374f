//! `weighted_sum`: the weighted mean of parameter vectors in fixed point, whatever their order.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | x | `[K, P]` | parameters of `K` sites |
//! | weight | `[K]` | non-negative integers (patients, events) |
//! | sum | `[P]` | `sum_k round(x_k 2^s) n_k`, u64 wrapping |
//! | mean | `[P]` | `sum / (2^s sum_k n_k)` |
//!
//! Integer addition has no order, so the mean has the same bits for any grouping of the sites
//! (decision 0001). Rounding is to nearest, ties to even.
//!
//! It has no device version, and is the processor's: WGSL has neither `f64` to scale in nor 64-bit integers to sum
//! in, and the vectors are on the host when they are summed, for they come from a message or go into one.

mod fixed;
mod op;

pub use fixed::{Param, add_scaled, largest, mean};
pub use op::WeightedSumOp;
