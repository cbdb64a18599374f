//! Stable orders of `f64` columns.

/// Bits of the key looked at per pass.
const DIGIT: u32 = 11;
const PASSES: usize = 64_usize.div_ceil(DIGIT as usize);
const BUCKETS: usize = 1 << DIGIT;
/// Below this many values the histograms of the radix sort cost more than comparisons.
const SMALL: usize = 2048;

/// The rows in ascending order of `values`; equal values keep their row order. No value is NaN.
///
/// A least-significant-digit radix sort over the order-preserving bit pattern: times and scores
/// are the only sorts of the concordance, and half of its cost.
pub(crate) fn ascending(values: &[f64]) -> Vec<u32> {
    let mut keyed: Vec<(u64, u32)> =
        values.iter().enumerate().map(|(row, &v)| (sortable_bits(v), row as u32)).collect();
    if keyed.len() < SMALL {
        keyed.sort_unstable();
    } else {
        radix_sort(&mut keyed);
    }
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// Ends of the runs of equal values along `order`, that is the tie groups.
pub(crate) fn runs<'a>(
    order: &'a [u32],
    values: &'a [f64],
) -> impl DoubleEndedIterator<Item = &'a [u32]> + use<'a> {
    order.chunk_by(|&a, &b| values[a as usize] == values[b as usize])
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
            prop_assert_eq!(ascending(&values), expected);
        }
    }

    #[test]
    fn signed_zeros_and_infinities() {
        let values = [0.0, f64::INFINITY, -0.0, f64::NEG_INFINITY, -1.0];
        assert_eq!(ascending(&values), [3, 4, 0, 2, 1]);
        assert_eq!(runs(&ascending(&values), &values).count(), 4);
    }
}
