//! Record-level differential privacy: what a run of noisy steps costs, and the noise's source.
//!
//! - [`accountant`]: epsilon of a number of sampled Gaussian steps,
//! - [`secret`]: random words that only the rank that holds a site can make.

pub mod accountant;
pub mod secret;

pub use accountant::{Steps, epsilon};
pub use secret::Secret;
