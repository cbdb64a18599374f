//! Floor 0 of Osteon: what every room may use and what uses nothing of ours.
//!
//! - [`exact`]: an order-free sum of `f64` values, [`fixed`]: many of them in a narrower range,
//! - [`reduce`]: the seam through which sums over sites enter an algorithm,
//! - [`rng`]: counter-based random numbers (Philox 4x32-10) in named streams,
//! - [`exit`]: exit codes and the [`exit::Failure`] trait that error types implement,
//! - [`files`]: atomic file writes and SHA-256,
//! - [`phases`]: time per phase of a run,
//! - [`threads`]: the number of threads this process was given, [`memory`]: its memory,
//! - [`provenance`]: version, commit and host of a run,
//! - [`names`]: the nearest known name to a misspelt one.

pub mod exact;
pub mod exit;
pub mod files;
pub mod fixed;
pub mod memory;
pub mod names;
pub mod phases;
pub mod provenance;
pub mod reduce;
pub mod rng;
pub mod threads;

pub use exact::ExactSum;
pub use exit::{ExitCode, Failure};
pub use fixed::FixedSums;
pub use reduce::{Here, Reduce, ReduceError};
