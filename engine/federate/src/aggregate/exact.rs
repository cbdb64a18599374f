//! Exact sums of `f64` terms over ranks: the [`Reduce`] seam for algorithms that never see ranks.

use osteon_core::exact::WIRE_WORDS;
use osteon_core::{ExactSum, Reduce, ReduceError};

use crate::Comm;
use crate::message::Kind;

/// Answers an algorithm's sums with those over all ranks of a communicator.
#[derive(Clone, Copy)]
pub struct CommReduce<'c>(pub &'c Comm);

impl Reduce for CommReduce<'_> {
    fn sum(&self, sums: &mut [ExactSum]) -> Result<(), ReduceError> {
        let mut words = Vec::with_capacity(sums.len() * WIRE_WORDS);
        for sum in sums.iter() {
            sum.to_wire(&mut words);
        }
        self.0.sum(Kind::ExactSum, &mut words)?;
        let mut faults = 0;
        for (sum, words) in sums.iter_mut().zip(words.chunks_exact(WIRE_WORDS)) {
            *sum = ExactSum::from_wire(words);
            faults += sum.faults();
        }
        // The counts are sums over all ranks, so every rank decides alike.
        match faults {
            0 => Ok(()),
            n => Err(ReduceError(format!("{n} terms of a sum over sites are NaN or infinite"))),
        }
    }

    fn count(&self, counts: &mut [u64]) -> Result<(), ReduceError> {
        Ok(self.0.sum(Kind::Count, counts)?)
    }

    fn words(&self, words: &mut [u64]) -> Result<(), ReduceError> {
        Ok(self.0.sum(Kind::ExactSum, words)?)
    }

    fn max(&self, values: &mut [u64]) -> Result<(), ReduceError> {
        Ok(self.0.max(Kind::Max, values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::threads;

    /// Terms whose float sum depends on their order.
    fn terms() -> Vec<f64> {
        (0..97).map(|i| f64::from(i - 40).powi(7) * 10f64.powi(i % 23 - 11)).collect()
    }

    fn total(ranks: usize) -> Vec<u64> {
        let totals = threads::spawn(ranks, |comm| {
            let mut sums = [ExactSum::new(), ExactSum::new()];
            for (i, x) in terms().into_iter().enumerate().filter(|(i, _)| i % comm.size() == comm.rank()) {
                sums[i % 2].add(x);
            }
            CommReduce(&comm).sum(&mut sums).expect("finite terms");
            sums.iter().map(|s| s.value().map_or(0, f64::to_bits)).collect::<Vec<_>>()
        });
        assert!(totals.iter().all(|t| *t == totals[0]));
        totals[0].clone()
    }

    #[test]
    fn the_sum_has_the_same_bits_for_any_rank_count() {
        let mut here = [ExactSum::new(), ExactSum::new()];
        terms().into_iter().enumerate().for_each(|(i, x)| here[i % 2].add(x));
        let here: Vec<u64> = here.iter().map(|s| s.value().map_or(0, f64::to_bits)).collect();
        for ranks in 1..=5 {
            assert_eq!(total(ranks), here, "{ranks} ranks");
        }
    }

    #[test]
    fn a_nan_on_one_rank_is_an_error_on_all() {
        let ends = threads::spawn(3, |comm| {
            let mut sums = [ExactSum::new()];
            sums[0].add(if comm.rank() == 1 { f64::NAN } else { 1.0 });
            CommReduce(&comm).sum(&mut sums).map_err(|e| e.to_string())
        });
        let text = "1 terms of a sum over sites are NaN or infinite";
        assert!(ends.iter().all(|e| e.as_ref().err().map(String::as_str) == Some(text)));
    }
}
