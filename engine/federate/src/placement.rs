//! Which rank holds which site.

/// The rank of each site: largest first, each to the rank with the least work so far (Graham's LPT rule,
/// at most 4/3 of the best possible makespan). `sizes` are patients, or 1 where nobody knows them yet.
/// Ties go to the lower site and the rank with fewer sites, then the lower rank. Ranks may stay idle.
///
/// # Panics
/// If there is no rank.
pub fn place(sizes: &[u64], ranks: usize) -> Vec<usize> {
    assert!(ranks > 0, "a job has at least one rank");
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&k| (std::cmp::Reverse(sizes[k]), k));
    let mut load = vec![(0u64, 0usize); ranks];
    let mut rank_of = vec![0; sizes.len()];
    for k in order {
        let least = (0..ranks).min_by_key(|&r| load[r]).unwrap_or_default();
        load[least].0 += sizes[k];
        load[least].1 += 1;
        rank_of[k] = least;
    }
    rank_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sites_come_first_and_ranks_may_idle() {
        assert_eq!(place(&[10, 60, 30], 2), [1, 0, 1]);
        assert_eq!(place(&[60, 30, 10], 5), [0, 1, 2]);
        assert_eq!(place(&[5, 5, 5, 5], 1), [0; 4]);
        assert_eq!(place(&[0, 0, 0], 3), [0, 1, 2]);
        assert!(place(&[], 3).is_empty());
    }

    #[test]
    fn the_load_is_within_four_thirds_of_even() {
        let sizes: Vec<u64> = (0..50u64).map(|k| 20 + k * k % 97).collect();
        let ranks = 4;
        let rank_of = place(&sizes, ranks);
        let load = |r| sizes.iter().zip(&rank_of).filter(|(_, at)| **at == r).map(|(s, _)| s).sum::<u64>();
        let largest = (0..ranks).map(load).max().expect("ranks");
        assert!(3 * largest * ranks as u64 <= 4 * sizes.iter().sum::<u64>());
    }
}
