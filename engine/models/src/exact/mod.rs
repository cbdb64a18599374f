//! Cox models on patients who are spread over sites, as if they were in one place.
//!
//! The sites agree on event times ([`grid`]), and then add up, at each step, what their patients
//! contribute to every risk set ([`sums`]): one [`Reduce`] per step. All terms are computed per
//! patient and added exactly, so the totals, and all that follows from them, have the same bits
//! however the patients are spread. [`fit`] is the linear model; `deepsurv` trains networks by the
//! same sums; [`crate::baseline`] estimates baseline hazards by them.
//!
//! What crosses between sites, and what can be learnt from it: docs/exact_cox.md. The idea for the
//! linear model is that of Lu et al., "WebDISCO", JAMIA 22 (2015).

mod fit;
pub mod grid;
pub mod sums;
#[cfg(test)]
mod tests;

pub use fit::{check, fit};
pub use grid::{Cells, Grouping, SharedTimes};

use osteon_core::reduce::{key, number};
use osteon_core::{Reduce, ReduceError};

/// The greatest of each list over all participants; `None` for a list that is empty everywhere.
pub(crate) fn greatest_of<'v>(
    lists: impl Iterator<Item = &'v [f64]>,
    reduce: &dyn Reduce,
) -> Result<Vec<Option<f64>>, ReduceError> {
    let mut keys: Vec<u64> = lists.map(|l| l.iter().map(|&x| key(x)).max().unwrap_or(0)).collect();
    reduce.max(&mut keys)?;
    Ok(keys.into_iter().map(|k| (k > 0).then(|| number(k))).collect())
}
