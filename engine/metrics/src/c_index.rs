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

use crate::order;

/// Time and risk orders of a cohort: what all counts share, computed once.
struct Ranking<'a> {
    event: &'a [bool],
    time: &'a [f64],
    /// Rows by ascending time.
    by_time: Vec<u32>,
    /// Per row, how many rows have a lower risk; tied rows share it.
    lower: Vec<u32>,
    /// Per row, how many rows have a lower or the same risk.
    up_to: Vec<u32>,
}

impl<'a> Ranking<'a> {
    /// Ranks `n` rows; the columns have been checked.
    fn new(time: &'a [f64], event: &'a [bool], score: &[f64]) -> Self {
        let by_score = order::ascending(score);
        let mut lower = vec![0; score.len()];
        let mut up_to = vec![0; score.len()];
        let mut done = 0;
        for tied in order::runs(&by_score, score) {
            let end = done + tied.len() as u32;
            for &row in tied {
                lower[row as usize] = done;
                up_to[row as usize] = end;
            }
            done = end;
        }
        Self { event, time, by_time: order::ascending(time), lower, up_to }
    }

    /// Rows that share a time, in ascending order of time.
    fn times(&self) -> impl DoubleEndedIterator<Item = &[u32]> {
        order::runs(&self.by_time, self.time)
    }

    fn rows_with(&self, rows: &[u32], event: bool) -> impl Iterator<Item = usize> {
        rows.iter().map(|&row| row as usize).filter(move |&row| self.event[row] == event)
    }

    /// Risk below, up to and including that of `row`, as ranges of ranks.
    fn risk(&self, row: usize) -> (usize, usize) {
        (self.lower[row] as usize, self.up_to[row] as usize)
    }
}
