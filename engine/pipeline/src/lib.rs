//! Floor 4: batches of independent cases over threads, shards and ranks.
//!
//! A [`Batch`] says what a case reads and how it is computed; [`run`] computes the cases of a
//! [`Shard`] within a budget of threads and memory and appends each result to a [`Journal`] as it
//! comes. The same batch run again takes finished cases from the journal, whatever stopped the
//! first run. Results are given in the order of the cases, so they do not depend on threads,
//! shards or interruptions.

mod batch;
pub mod bits;
mod budget;
mod error;
mod journal;
mod shard;
mod stamp;

pub use batch::{Batch, Finished, Ran, run};
pub use budget::Budget;
pub use error::PipelineError;
pub use journal::{Entry, Journal, Outcome, journal_of};
pub use shard::Shard;
pub use stamp::Stamp;
