//! Which patients fall where: test sets, folds, simulated sites.
//!
//! A split depends on the seed and the number of rows only, never on their content, so that the
//! arms of a study are paired. Row indices count from 0 and each part is sorted.

use osteon_core::rng::{Purpose, Stream};

use crate::dataset::Labels;
use crate::error::DataError;

/// Sub-streams of [`Purpose::Split`].
const TEST: u64 = 0;
const FOLDS: u64 = 1;
const SITES: u64 = 2;

/// Rows to learn from and rows to judge by; disjoint, and together all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to judge by.
    pub test: Vec<usize>,
}

/// Draws a test set of `fraction * n` rows, rounded to the nearest (halves to even). A fraction of 0
/// gives an empty test set.
///
/// # Errors
/// If the fraction is not in `[0, 1)` or leaves no row to learn from.
pub fn train_test(n: usize, fraction: f64, seed: u64) -> Result<Split, DataError> {
    let size = test_size(n, fraction)?;
    let order = shuffled(n, seed, TEST);
    Ok(parts(order, size))
}

/// As [`train_test`], with events and censored rows in the proportion of the whole (largest
/// remainder).
///
/// # Errors
/// As [`train_test`].
pub fn train_test_stratified(event: &[bool], fraction: f64, seed: u64) -> Result<Split, DataError> {
    let n = event.len();
    let size = test_size(n, fraction)?;
    let order = shuffled(n, seed, TEST);
    let (events, censored): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|&row| event[row]);
    let shares = [events.len() as f64 / n as f64, censored.len() as f64 / n as f64];
    let sizes = largest_remainder(size, &shares);
    let (a, b) = (parts(events, sizes[0]), parts(censored, sizes[1]));
    Ok(Split { train: merged(a.train, b.train), test: merged(a.test, b.test) })
}

/// Draws `k` folds whose sizes differ by at most one; each row is in one test set.
///
/// # Errors
/// If there are fewer than two folds or more folds than rows.
pub fn folds(n: usize, k: usize, seed: u64) -> Result<Vec<Split>, DataError> {
    if k < 2 || k > n {
        return Err(DataError::Split(format!("{k} folds of {n} rows: needs 2 to {n}")));
    }
    let order = shuffled(n, seed, FOLDS);
    let fold = |f: usize| {
        let (test, train): (Vec<_>, Vec<_>) = order.iter().enumerate().partition(|(place, _)| place % k == f);
        let rows = |part: Vec<(usize, &usize)>| sorted(part.into_iter().map(|(_, &row)| row).collect());
        Split { train: rows(train), test: rows(test) }
    };
    Ok((0..k).map(fold).collect())
}

/// Deals rows to simulated sites in these fractions, by largest remainder (ties to the earlier
/// site). A site may end with no row.
///
/// # Errors
/// If the fractions are negative or do not add up to 1, or there are more sites than rows.
pub fn sites(rows: &[usize], fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    let total: f64 = fractions.iter().sum();
    if fractions.iter().any(|f| !f.is_finite() || *f < 0.0) || (total - 1.0).abs() > 1e-9 {
        return Err(DataError::Split(format!(
            "site fractions {fractions:?} must be positive and add up to 1"
        )));
    }
    if fractions.len() > rows.len() {
        return Err(DataError::Split(format!("{} sites for {} patients", fractions.len(), rows.len())));
    }
    let order = shuffled(rows.len(), seed, SITES);
    let mut order = order.into_iter();
    let sizes = largest_remainder(rows.len(), fractions);
    Ok(sizes.into_iter().map(|size| sorted(order.by_ref().take(size).map(|k| rows[k]).collect())).collect())
}

/// The rows of each site of a column, in order of the names.
pub fn by_site(sites: &Labels, rows: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new(); sites.names.len()];
    for &row in rows {
        all[sites.codes[row] as usize].push(row);
    }
    all
}

/// Sizes that add up to `n` and are nearest to the fractions: each gets its whole part, the rest
/// goes to the largest remainders (Hamilton's method), equal ones to the earlier.
///
/// A quota is computed as `n * percent / 100` in `f64`, which is how the sizes of published
/// federations were: of the equal remainders of 464.4 and 77.4 (774 patients), rounding then makes
/// the second the larger. Any IEEE machine gives the same sizes.
pub fn largest_remainder(n: usize, fractions: &[f64]) -> Vec<usize> {
    let quotas: Vec<f64> = fractions.iter().map(|f| n as f64 * (f * 100.0) / 100.0).collect();
    let mut sizes: Vec<usize> = quotas.iter().map(|q| q.floor() as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| quotas[b].fract().total_cmp(&quotas[a].fract()));
    let rest = n.saturating_sub(sizes.iter().sum());
    for &k in order.iter().cycle().take(rest) {
        sizes[k] += 1;
    }
    sizes
}

fn test_size(n: usize, fraction: f64) -> Result<usize, DataError> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(DataError::Split(format!("test fraction {fraction} is not in [0, 1)")));
    }
    let exact = (fraction * n as f64 * 1e9).round() / 1e9;
    let size = exact.round_ties_even() as usize;
    if size >= n {
        return Err(DataError::Split(format!(
            "a test fraction of {fraction} of {n} rows leaves none to learn from"
        )));
    }
    Ok(size)
}

fn shuffled(n: usize, seed: u64, sub: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Stream::new(seed, Purpose::Split, sub).shuffle(&mut order);
    order
}

fn parts(mut order: Vec<usize>, test: usize) -> Split {
    let train = order.split_off(test);
    Split { train: sorted(train), test: sorted(order) }
}

fn merged(a: Vec<usize>, b: Vec<usize>) -> Vec<usize> {
    sorted(a.into_iter().chain(b).collect())
}

fn sorted(mut rows: Vec<usize>) -> Vec<usize> {
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Node sizes of the five cohorts of the GenoMed4All federation study: 90 % to learn from, then
    /// 60/30/10 and 45/20/15/10/10 by largest remainder.
    #[test]
    fn published_node_sizes() {
        type Row = (usize, usize, usize, [usize; 3], [usize; 5]);
        let table: [Row; 5] = [
            (4427, 3984, 443, [2391, 1195, 398], [1793, 797, 598, 398, 398]),
            (1547, 1392, 155, [835, 418, 139], [627, 278, 209, 139, 139]),
            (1737, 1563, 174, [938, 469, 156], [703, 313, 235, 156, 156]),
            (1005, 905, 100, [543, 272, 90], [407, 181, 136, 91, 90]),
            (860, 774, 86, [464, 232, 78], [348, 155, 116, 78, 77]),
        ];
        for (n, train, test, three, five) in table {
            let split = train_test(n, 0.1, 1).expect("a split");
            assert_eq!((split.train.len(), split.test.len()), (train, test));
            for (fractions, expected) in
                [(&[0.6, 0.3, 0.1][..], &three[..]), (&[0.45, 0.2, 0.15, 0.1, 0.1], &five)]
            {
                let sites = sites(&split.train, fractions, 1).expect("sites");
                assert_eq!(sites.iter().map(Vec::len).collect::<Vec<_>>(), expected);
                let mut all: Vec<usize> = sites.concat();
                all.extend(&split.test);
                all.sort_unstable();
                assert_eq!(all, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        assert!(
            sites(&[0, 1], &[0.4, 0.3, 0.3], 0).expect_err("too many").to_string().contains("3 sites for 2")
        );
        assert!(sites(&[0, 1], &[0.6, 0.6], 0).is_err());
        assert!(train_test(10, 1.0, 0).is_err());
        assert!(train_test(0, 0.0, 0).is_err());
        assert!(folds(3, 4, 0).is_err());
        // A site without a patient is legal.
        let empty = sites(&[4, 7], &[1.0, 0.0], 0).expect("an empty site");
        assert_eq!(empty, [vec![4, 7], vec![]]);
        assert_eq!(train_test(3, 0.0, 0).expect("no test").test, Vec::<usize>::new());
    }

    #[test]
    fn seeds_give_other_splits_and_the_same_again() {
        let of = |seed| train_test(100, 0.2, seed).expect("a split");
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    proptest! {
        #[test]
        fn stratified_parts_keep_the_proportion(event in proptest::collection::vec(any::<bool>(), 2..200), seed: u64) {
            let n = event.len();
            let split = train_test_stratified(&event, 0.25, seed).expect("a split");
            prop_assert_eq!(split.test.len(), train_test(n, 0.25, seed).expect("a split").test.len());
            let drawn = split.test.iter().filter(|&&r| event[r]).count() as f64;
            let all = event.iter().filter(|&&e| e).count() as f64;
            prop_assert!((drawn - all * split.test.len() as f64 / n as f64).abs() < 1.0);
            let mut rows = [split.train, split.test].concat();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn each_row_is_tested_once(n in 2usize..60, k in 2usize..10, seed: u64) {
            prop_assume!(k <= n);
            let folds = folds(n, k, seed).expect("folds");
            let mut tested: Vec<usize> = folds.iter().flat_map(|f| f.test.clone()).collect();
            tested.sort_unstable();
            prop_assert_eq!(tested, (0..n).collect::<Vec<_>>());
            for fold in &folds {
                prop_assert_eq!(fold.train.len() + fold.test.len(), n);
                prop_assert!(fold.train.iter().all(|r| !fold.test.contains(r)));
                prop_assert!(fold.test.len() == n / k || fold.test.len() == n / k + 1);
            }
        }
    }
}
