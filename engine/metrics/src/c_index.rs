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
mod variance;

pub use bootstrap::{Bootstrap, bootstrap};
pub use counts::{ConcordanceCounts, c_index};
pub use variance::{Concordance, concordance};

pub(crate) use variance::time_weighted;
