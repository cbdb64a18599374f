//! Order statistics over rows that are spread over sites, from counts alone.

use osteon_core::reduce::{key, number};
use osteon_core::{Reduce, ReduceError};

/// Smallest and largest value of each column over all sites; `None` for a column without values.
pub(crate) fn extremes(
    columns: &[Vec<f64>],
    reduce: &dyn Reduce,
) -> Result<Vec<Option<(f64, f64)>>, ReduceError> {
    // The complement turns a minimum into a maximum; 0 is the neutral element of both.
    let mut bounds: Vec<u64> = Vec::with_capacity(2 * columns.len());
    for column in columns {
        bounds.push(column.iter().map(|&x| !key(x)).max().unwrap_or(0));
        bounds.push(column.iter().map(|&x| key(x)).max().unwrap_or(0));
    }
    reduce.max(&mut bounds)?;
    let range = |pair: &[u64]| (pair[1] != 0).then(|| (number(!pair[0]), number(pair[1])));
    Ok(bounds.chunks_exact(2).map(range).collect())
}

/// The median of each column over all sites: of an even number of values the mean of the middle two,
/// as numpy. `ranges` are the columns' [`extremes`], `counts` their numbers of values over all sites;
/// a column without values gets `None`.
///
/// Each round halves the range of bit patterns in which the two middle values may lie and asks once
/// how many values of all columns are not above the midpoints: at most 64 rounds, each of two counts
/// per column.
pub(crate) fn medians(
    columns: &[Vec<f64>],
    ranges: &[Option<(f64, f64)>],
    counts: &[u64],
    reduce: &dyn Reduce,
) -> Result<Vec<Option<f64>>, ReduceError> {
    let sorted: Vec<Vec<u64>> = columns
        .iter()
        .map(|column| {
            let mut keys: Vec<u64> = column.iter().map(|&x| key(x)).collect();
            keys.sort_unstable();
            keys
        })
        .collect();
    // Two searches per column: (column, values that must not be above, low, high).
    let mut searches: Vec<(usize, u64, u64, u64)> = Vec::new();
    for (k, range) in ranges.iter().enumerate() {
        if let Some((least, most)) = range {
            for rank in [counts[k].div_ceil(2), counts[k] / 2 + 1] {
                searches.push((k, rank, key(*least), key(*most)));
            }
        }
    }
    while searches.iter().any(|(_, _, low, high)| low < high) {
        let middle = |low: u64, high: u64| low + (high - low) / 2;
        let mut below: Vec<u64> = searches
            .iter()
            .map(|&(k, _, low, high)| sorted[k].partition_point(|&v| v <= middle(low, high)) as u64)
            .collect();
        reduce.count(&mut below)?;
        for ((_, rank, low, high), below) in searches.iter_mut().zip(below) {
            let middle = middle(*low, *high);
            if *low < *high {
                if below >= *rank { *high = middle } else { *low = middle + 1 }
            }
        }
    }
    let mut medians = vec![None; columns.len()];
    for pair in searches.chunks_exact(2) {
        let (a, b) = (number(pair[0].2), number(pair[1].2));
        // Equal to (a + b) / 2, but for values whose sum overflows.
        let mean = if (a + b).is_finite() { (a + b) / 2.0 } else { a / 2.0 + b / 2.0 };
        medians[pair[0].0] = Some(mean);
    }
    Ok(medians)
}

#[cfg(test)]
mod tests {
    use super::*;
    use osteon_core::Here;
    use proptest::prelude::*;

    fn median(values: &[f64]) -> Option<f64> {
        let columns = [values.to_vec()];
        let ranges = extremes(&columns, &Here).expect("here");
        medians(&columns, &ranges, &[values.len() as u64], &Here).expect("here")[0]
    }

    #[test]
    fn odd_even_one_and_none() {
        assert_eq!(median(&[3.0, -1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[-7.0]), Some(-7.0));
        assert_eq!(median(&[-0.0, 0.0]), Some(0.0));
        assert_eq!(median(&[1.7e308, 1.7e308]), Some(1.7e308));
        assert_eq!(median(&[]), None);
    }

    proptest! {
        #[test]
        fn as_by_sorting(values in proptest::collection::vec(-1e6f64..1e6, 1..40)) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let n = sorted.len();
            let expected = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
            prop_assert_eq!(median(&values), Some(expected));
        }

        #[test]
        fn keys_keep_order(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            prop_assert_eq!(key(a) < key(b), a < b);
            prop_assert_eq!(number(key(a)), a);
        }
    }
}
