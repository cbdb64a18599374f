//! Harrell's concordance.
//!
//! A pair of patients is comparable if the earlier time is an event: `t_i < t_j` with `e_i`, or
//! `t_i = t_j` with `e_i` and not `e_j` (a censored patient outlived the event of the same time).
//! Two events at one time are not comparable. A comparable pair is concordant if the earlier
//! patient has the higher risk, discordant if the lower, and counts one half if the risks are
//! equal (Harrell et al., JAMA 247, 1982; the rules of R `survival::concordance` and lifelines).
//!
//! `C = (concordant + tied_risk / 2) / comparable`; without a comparable pair it is an error.

mod bootstrap;
mod counts;
mod fenwick;
mod variance;

pub use bootstrap::{Bootstrap, bootstrap};
pub use counts::{ConcordanceCounts, c_index};
pub use variance::{Concordance, concordance};

pub(crate) use variance::time_weighted;

use std::ops::Range;

use crate::order::Order;

/// A patient as the sweeps over time see it.
#[derive(Clone, Copy, Default)]
struct Rank {
    /// Patients with a lower risk; tied patients share it.
    lower: u32,
    /// Patients with a lower or the same risk.
    up_to: u32,
    /// A place between the two that nobody shares.
    own: u32,
    row: u32,
    event: bool,
}

impl Rank {
    fn lower(&self) -> usize {
        self.lower as usize
    }

    fn up_to(&self) -> usize {
        self.up_to as usize
    }

    fn row(&self) -> usize {
        self.row as usize
    }

    fn is_tied(&self) -> bool {
        self.up_to > self.lower + 1
    }
}

/// Time and risk orders of a cohort: what all counts share, computed once.
struct Ranking {
    /// Patients by ascending time.
    ranks: Vec<Rank>,
    by_time: Order,
}

/// Patients of one time.
struct Tied<'a>(&'a [Rank]);

impl<'a> Tied<'a> {
    fn events(&self) -> impl Iterator<Item = &'a Rank> + use<'a> {
        self.0.iter().filter(|rank| rank.event)
    }

    fn censored(&self) -> impl Iterator<Item = &'a Rank> + use<'a> {
        self.0.iter().filter(|rank| !rank.event)
    }
}

impl Ranking {
    /// Ranks the rows of columns that have been checked.
    fn new(time: &[f64], event: &[bool], score: &[f64]) -> Self {
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
    fn times(&self) -> impl DoubleEndedIterator<Item = Tied<'_>> {
        self.by_time.runs().map(|run| Tied(&self.ranks[run]))
    }
}
