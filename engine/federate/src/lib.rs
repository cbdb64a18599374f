//! Floor 4: communication, exact aggregation, strategies, rounds, checkpoints.
//!
//! - [`comm`]: who takes part; one process, threads, or the ranks of an MPI job,
//! - [`message`]: the typed list of what may cross a rank boundary,
//! - [`aggregate`]: the two order-free sums,
//! - [`strategies`], [`sampling`], [`placement`], [`sites`]: what a round consists of,
//! - [`rounds`]: the round loop, generic over a [`rounds::Learner`],
//! - [`privacy`]: the accountant and the noise of private steps,
//! - [`metrics`]: what the sites report,
//! - [`checkpoint`], [`hash`]: what a run leaves on disk and how two runs are compared,
//! - [`mod@bench`]: the cost of a round beside the bare collective.

pub mod aggregate;
pub mod bench;
pub mod checkpoint;
pub mod comm;
mod error;
pub mod hash;
pub mod message;
pub mod metrics;
pub mod placement;
pub mod privacy;
pub mod rounds;
pub mod sampling;
pub mod sites;
pub mod strategies;
pub mod tensors;

pub use aggregate::{Centre, CommReduce, Mean, ParamScale, ParamSum};
pub use comm::{Comm, ConnectOptions, GpuAware, connect, mpi_library};
pub use error::FederateError;
pub use message::Kind;
pub use tensors::TensorSpec;
