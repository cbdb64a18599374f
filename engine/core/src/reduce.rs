//! The seam through which sums over sites enter an algorithm.
//!
//! An algorithm that needs a total over all patients (moments for a scaler, the risk sets of an
//! exact federated Cox model, event counts) asks a [`Reduce`] for it and never learns who holds
//! the rows. In one process [`Here`] answers; in a federation the communicator does.

use crate::ExactSum;

/// A collective that could not be completed, with the text that every rank reports.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ReduceError(pub String);

/// Sums over whoever holds the data. Every participant makes the same calls in the same order.
pub trait Reduce {
    /// Replaces each accumulator by its sum over all participants; exact, so free of order.
    ///
    /// # Errors
    /// If a participant is lost, or any term anywhere was not finite.
    fn sum(&self, sums: &mut [ExactSum]) -> Result<(), ReduceError>;

    /// Replaces each count by its sum over all participants (wrapping at 2^64).
    ///
    /// # Errors
    /// If a participant is lost.
    fn count(&self, counts: &mut [u64]) -> Result<(), ReduceError>;

    /// Replaces the words of order-free sums by their sums over all participants (wrapping at 2^64).
    ///
    /// # Errors
    /// If a participant is lost.
    fn words(&self, words: &mut [u64]) -> Result<(), ReduceError> {
        self.count(words)
    }

    /// Replaces each value by its maximum over all participants.
    ///
    /// # Errors
    /// If a participant is lost.
    fn max(&self, values: &mut [u64]) -> Result<(), ReduceError>;
}

/// All rows are here: sums are already complete.
#[derive(Debug, Clone, Copy, Default)]
pub struct Here;

impl Reduce for Here {
    fn sum(&self, sums: &mut [ExactSum]) -> Result<(), ReduceError> {
        match sums.iter().map(ExactSum::faults).sum::<u64>() {
            0 => Ok(()),
            n => Err(ReduceError(format!("{n} terms of a sum are NaN or infinite"))),
        }
    }

    fn count(&self, _counts: &mut [u64]) -> Result<(), ReduceError> {
        Ok(())
    }

    fn max(&self, _values: &mut [u64]) -> Result<(), ReduceError> {
        Ok(())
    }
}
