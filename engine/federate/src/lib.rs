//! Floor 4: communication, exact aggregation, strategies, rounds, checkpoints.
//!
//! - [`comm`]: who takes part; one process, threads, or the ranks of an MPI job,
//! - [`message`]: the typed list of what may cross a rank boundary,
//! - [`aggregate`]: the two order-free sums,
//! - [`bench`]: the cost of a round beside the bare collective.

pub mod aggregate;
pub mod bench;
pub mod checkpoint;
pub mod comm;
mod error;
pub mod hash;
pub mod message;
pub mod metrics;
pub mod placement;
pub mod sampling;
pub mod sites;
pub mod strategies;
pub mod tensors;

pub use aggregate::{CommReduce, Mean, ParamScale, ParamSum};
pub use comm::{Comm, ConnectOptions, connect};
pub use error::FederateError;
pub use message::Kind;
pub use tensors::TensorSpec;
