//! Stable orders of `f64` columns: the sorts beneath rank statistics.

use std::ops::Range;

/// Bits of the key looked at per pass.
const DIGIT: u32 = 11;
const PASSES: usize = 64_usize.div_ceil(DIGIT as usize);
const BUCKETS: usize = 1 << DIGIT;
/// Below this many values the histograms of the radix sort cost more than comparisons.
const SMALL: usize = 2048;

/// Rows in ascending order of a column, and where its values change.
pub struct Order {
    /// Rows by ascending value; equal values keep their row order.
    pub rows: Vec<u32>,
    /// End of each run of equal values, as a place in `rows`.
    ends: Vec<u32>,
}

impl Order {
    /// Sorts a column without NaN, of fewer than 2^32 rows.
    ///
    /// A least-significant-digit radix sort over the order-preserving bit pattern: the sorts of
    /// times and scores are half of the cost of a concordance.
    pub fn ascending(values: &[f64]) -> Self {
        let mut keyed: Vec<(u64, u32)> =
            values.iter().enumerate().map(|(row, &v)| (sortable_bits(v), row as u32)).collect();
        if keyed.len() < SMALL {
            keyed.sort_unstable();
        } else {
            radix_sort(&mut keyed);
        }
        let mut ends = Vec::with_capacity(keyed.len());
        for (place, pair) in keyed.windows(2).enumerate() {
            if pair[0].0 != pair[1].0 {
                ends.push(place as u32 + 1);
            }
        }
        if !keyed.is_empty() {
            ends.push(keyed.len() as u32);
        }
        Self { rows: keyed.into_iter().map(|(_, row)| row).collect(), ends }
    }

    /// Places of each run of equal values, ascending.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = Range<usize>> {
        (0..self.ends.len()).map(|run| {
            let start = if run == 0 { 0 } else { self.ends[run - 1] };
            start as usize..self.ends[run] as usize
        })
    }

    /// Rows of each run of equal values, ascending.
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = &[u32]> {
        self.runs().map(|run| &self.rows[run])
    }
}

/// A bit pattern whose unsigned order is the order of the numbers; -0 and 0 are one value.
fn sortable_bits(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i64 >> 63) as u64) | 1 << 63)
}

fn radix_sort(keyed: &mut Vec<(u64, u32)>) {
    let digit = |key: u64, pass: usize| (key >> (pass as u32 * DIGIT)) as usize & (BUCKETS - 1);
    let mut counts = vec![[0u32; BUCKETS]; PASSES];
    for &(key, _) in keyed.iter() {
        for (pass, count) in counts.iter_mut().enumerate() {
            count[digit(key, pass)] += 1;
        }
    }
    let mut sorted = vec![(0, 0); keyed.len()];
    for (pass, count) in counts.iter_mut().enumerate() {
        if count.contains(&(keyed.len() as u32)) {
            continue;
        }
        let mut start = 0;
        for bucket in count.iter_mut() {
            start += std::mem::replace(bucket, start);
        }
        for &entry in keyed.iter() {
            let place = &mut count[digit(entry.0, pass)];
            sorted[*place as usize] = entry;
            *place += 1;
        }
        std::mem::swap(keyed, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn agrees_with_a_stable_comparison_sort(
            values in proptest::collection::vec(prop_oneof![-3i32..3, any::<i32>()], 0..5000),
            scale in prop_oneof![Just(1.0), Just(1e-300), Just(0.37)],
        ) {
            let values: Vec<f64> = values.into_iter().map(|v| f64::from(v) * scale).collect();
            let mut expected: Vec<u32> = (0..values.len() as u32).collect();
            expected.sort_by(|&a, &b| values[a as usize].partial_cmp(&values[b as usize]).expect("no NaN"));
            prop_assert_eq!(Order::ascending(&values).rows, expected);
        }
    }

    #[test]
    fn signed_zeros_and_infinities() {
        let values = [0.0, f64::INFINITY, -0.0, f64::NEG_INFINITY, -1.0];
        let order = Order::ascending(&values);
        assert_eq!(order.rows, [3, 4, 0, 2, 1]);
        assert_eq!(order.runs().collect::<Vec<_>>(), [0..1, 1..2, 2..4, 4..5]);
        assert_eq!(Order::ascending(&[]).runs().count(), 0);
    }
}
