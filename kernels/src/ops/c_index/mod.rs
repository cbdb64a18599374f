//! `c_index`: counts the comparable pairs of Harrell's concordance.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | time | `[N]` | any, finite |
//! | event | `[N]` | 1 the event was seen at `time`, 0 censored |
//! | score | `[N]` | risk; higher means earlier |
//! | pairs | `[4]` | concordant, discordant, tied risk, tied time; exact integers |
//!
//! A pair is comparable if the earlier time is an event: `t_i < t_j` with `e_i`, or `t_i = t_j` with
//! `e_i` and not `e_j`. Harrell et al., JAMA 247 (1982); the rules of R `survival::concordance`.
//! One sweep over time with a set of ranks, `O(N log N)`; devices compare all pairs.

pub mod device;
mod fenwick;
mod op;

pub use fenwick::{Fenwick, RankSet};
pub use op::CIndexOp;

use std::ops::Range;

use crate::order::Order;

/// Pairs of a cohort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Comparable pairs in which the earlier event has the higher risk.
    pub concordant: u64,
    /// Comparable pairs in which the earlier event has the lower risk.
    pub discordant: u64,
    /// Comparable pairs with equal risks.
    pub tied_risk: u64,
    /// Pairs of events at the same time; not comparable.
    pub tied_time: u64,
}

/// A patient as the sweeps over time see it.
#[derive(Clone, Copy, Default)]
pub struct Rank {
    /// Patients with a lower risk; tied patients share it.
    lower: u32,
    /// Patients with a lower or the same risk.
    up_to: u32,
    /// A place between the two that nobody shares.
    own: u32,
    row: u32,
    /// Whether the patient's time is an event.
    pub event: bool,
}

impl Rank {
    /// Patients with a lower risk.
    pub fn lower(&self) -> usize {
        self.lower as usize
    }

    /// Patients with a lower or the same risk.
    pub fn up_to(&self) -> usize {
        self.up_to as usize
    }

    /// Row of the table.
    pub fn row(&self) -> usize {
        self.row as usize
    }

    /// Whether another patient has the same risk.
    pub fn is_tied(&self) -> bool {
        self.up_to > self.lower + 1
    }
}

/// Time and risk orders of a cohort: what all counts share, computed once.
pub struct Ranking {
    /// Patients by ascending time.
    pub ranks: Vec<Rank>,
    by_time: Order,
}

/// Patients of one time.
pub struct Tied<'a>(&'a [Rank]);

impl<'a> Tied<'a> {
    /// Those with an event.
    pub fn events(&self) -> impl Iterator<Item = &'a Rank> + use<'a> {
        self.0.iter().filter(|rank| rank.event)
    }

    /// Those censored.
    pub fn censored(&self) -> impl Iterator<Item = &'a Rank> + use<'a> {
        self.0.iter().filter(|rank| !rank.event)
    }
}

impl Ranking {
    /// Ranks rows: finite times, scores without NaN, columns of one length below 2^32.
    pub fn new(time: &[f64], event: &[bool], score: &[f64]) -> Self {
        let by_score = Order::ascending(score);
        let mut by_row = vec![Rank::default(); score.len()];
        for Range { start, end } in by_score.runs() {
            for place in start..end {
                let row = by_score.rows[place];
                by_row[row as usize] = Rank {
                    lower: start as u32,
                    up_to: end as u32,
                    own: place as u32,
                    row,
                    event: event[row as usize],
                };
            }
        }
        let by_time = Order::ascending(time);
        let ranks = by_time.rows.iter().map(|&row| by_row[row as usize]).collect();
        Self { ranks, by_time }
    }

    /// Patients by ascending time, those of the same time together.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = Tied<'_>> {
        self.by_time.runs().map(|run| Tied(&self.ranks[run]))
    }
}

/// Sweeps from the last time to the first; the set holds the risks of all later patients.
pub fn count(ranking: &Ranking) -> Pairs {
    let mut later = RankSet::new(ranking.ranks.len());
    let mut size = 0u64;
    let mut counts = Pairs::default();
    for tied_time in ranking.times().rev() {
        for rank in tied_time.censored() {
            later.insert(rank.own as usize);
            size += 1;
        }
        let mut events = 0u64;
        for rank in tied_time.events() {
            let below = u64::from(later.below(rank.lower()));
            let tied = if rank.is_tied() { u64::from(later.below(rank.up_to())) - below } else { 0 };
            counts.concordant += below;
            counts.tied_risk += tied;
            counts.discordant += size - below - tied;
            events += 1;
        }
        for rank in tied_time.events() {
            later.insert(rank.own as usize);
        }
        counts.tied_time += events * events.saturating_sub(1) / 2;
        size += events;
    }
    counts
}
