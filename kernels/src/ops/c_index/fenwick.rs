//! Prefix sums that grow: the sets of risks already passed by the sweep over time.

use std::ops::AddAssign;

/// A Fenwick tree (Fenwick, Software: Practice and Experience 24, 1994): sums of a prefix of
/// ranks, and additions at a rank, in O(log n).
pub struct Fenwick<T> {
    tree: Vec<T>,
}

impl<T: Copy + Default + AddAssign> Fenwick<T> {
    /// Empty, over `ranks` ranks.
    pub fn new(ranks: usize) -> Self {
        Self { tree: vec![T::default(); ranks + 1] }
    }

    /// Adds at a rank.
    pub fn add(&mut self, rank: usize, amount: T) {
        let mut node = rank + 1;
        while node < self.tree.len() {
            self.tree[node] += amount;
            node += node & node.wrapping_neg();
        }
    }

    /// Sum over the ranks below `rank`.
    pub fn below(&self, rank: usize) -> T {
        let (mut node, mut sum) = (rank, T::default());
        while node > 0 {
            sum += self.tree[node];
            node &= node - 1;
        }
        sum
    }
}

/// A set of ranks as bits, with a Fenwick tree over the words: 64 times smaller than a tree over
/// the ranks, so that it stays in the first-level cache at a million patients.
pub struct RankSet {
    words: Vec<u64>,
    per_word: Fenwick<u32>,
}

impl RankSet {
    /// Empty, over `ranks` ranks.
    pub fn new(ranks: usize) -> Self {
        // One word more, so that `below(ranks)` needs no special case.
        let words = ranks / 64 + 1;
        Self { words: vec![0; words], per_word: Fenwick::new(words) }
    }

    /// Makes a rank a member.
    pub fn insert(&mut self, rank: usize) {
        self.words[rank / 64] |= 1 << (rank % 64);
        self.per_word.add(rank / 64, 1);
    }

    /// Members below `rank`.
    pub fn below(&self, rank: usize) -> u32 {
        let below_in_word = self.words[rank / 64] & ((1 << (rank % 64)) - 1);
        self.per_word.below(rank / 64) + below_in_word.count_ones()
    }
}
