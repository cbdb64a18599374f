//! Exact sums of `f64` terms over ranks: the [`Reduce`] seam for algorithms that never see ranks.

use osteon_core::exact::LIMBS;
use osteon_core::{ExactSum, Reduce, ReduceError};

use crate::Comm;
use crate::message::Kind;

/// Answers an algorithm's sums with those over all ranks of a communicator.
#[derive(Clone, Copy)]
pub struct CommReduce<'c>(pub &'c Comm);

impl Reduce for CommReduce<'_> {
    fn sum(&self, sums: &mut [ExactSum]) -> Result<(), ReduceError> {
        // Only the limbs that any rank uses cross; a fault count ends the message.
        let used: Vec<_> = sums.iter_mut().map(ExactSum::window).filter(|w| !w.is_empty()).collect();
        let low = used.iter().map(|w| w.start).min().unwrap_or(LIMBS);
        let high = used.iter().map(|w| w.end).max().unwrap_or(0);
        let mut window = [(LIMBS - low) as u64, high as u64];
        self.0.max(Kind::Max, &mut window)?;
        let (low, high) = (LIMBS - window[0] as usize, window[1] as usize);
        let width = high.saturating_sub(low);
        let mut words = Vec::with_capacity(sums.len() * width + 1);
        if width > 0 {
            sums.iter().for_each(|sum| sum.to_window(low..high, &mut words));
        }
        words.push(sums.iter().map(ExactSum::faults).sum());
        self.0.sum(Kind::ExactSum, &mut words)?;
        // The count is a sum over all ranks, so every rank decides alike.
        if let Some(faults) = words.pop().filter(|&n| n > 0) {
            return Err(ReduceError(format!("{faults} terms of a sum over sites are NaN or infinite")));
        }
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum = ExactSum::from_window(low, &words[k * width..(k + 1) * width]);
        }
        Ok(())
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

    fn union(&self, values: &mut Vec<u64>) -> Result<(), ReduceError> {
        let (rank, size) = (self.0.rank(), self.0.size());
        let mut counts = vec![0; size];
        counts[rank] = values.len() as u64;
        self.0.sum(Kind::Union, &mut counts)?;
        let mut all = vec![0; counts.iter().sum::<u64>() as usize];
        let start = counts[..rank].iter().sum::<u64>() as usize;
        all[start..start + values.len()].copy_from_slice(values);
        self.0.sum(Kind::Union, &mut all)?;
        all.sort_unstable();
        all.dedup();
        *values = all;
        Ok(())
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
    fn a_union_is_the_same_on_every_rank() {
        let unions = threads::spawn(3, |comm| {
            // Rank 0 has none.
            let mut mine: Vec<u64> = (0..comm.rank() as u64 * 2).map(|i| 10 - i * i).collect();
            CommReduce(&comm).union(&mut mine).expect("a union");
            mine
        });
        assert!(unions.iter().all(|u| *u == [1, 6, 9, 10]), "{unions:?}");
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
