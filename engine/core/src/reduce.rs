//! The seam through which sums over sites enter an algorithm.
//!
//! An algorithm that needs a total over all patients (moments for a scaler, the risk sets of an
//! exact federated Cox model, event counts) asks a [`Reduce`] for it and never learns who holds
//! the rows. In one process [`Here`] answers; in a federation the communicator does.

use crate::ExactSum;

/// A collective that could not be completed, with the text that every rank reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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

    /// Replaces the list by the distinct values of all participants, ascending. Lists may differ in
    /// length. This tells everyone every value: it is for what may be told (event times).
    ///
    /// # Errors
    /// If a participant is lost.
    fn union(&self, values: &mut Vec<u64>) -> Result<(), ReduceError>;
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

    fn union(&self, values: &mut Vec<u64>) -> Result<(), ReduceError> {
        values.sort_unstable();
        values.dedup();
        Ok(())
    }
}

/// Finite numbers as integers of the same order, so that a maximum over integers is one over
/// numbers. -0 is made 0 first; no number has the key 0.
pub fn key(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The inverse of [`key`].
pub fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_numbers() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 1.0, 1e300, f64::INFINITY];
        assert!(numbers.windows(2).all(|w| key(w[0]) < key(w[1])));
        assert!(numbers.iter().all(|&x| key(x) > 0 && number(key(x)) == x));
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn a_union_is_sorted_and_distinct() {
        let mut values = vec![3, 1, 3, 2, 1];
        Here.union(&mut values).expect("here");
        assert_eq!(values, [1, 2, 3]);
    }
}
