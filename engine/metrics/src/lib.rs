//! Floor 3: concordance, Brier, AUC, Kaplan-Meier, log-rank.
//!
//! Pure functions over slices of one entry per patient: `time` (any unit, the same for all),
//! `event` (`true`: the event was seen at `time`; `false`: censored then), `score` (a risk: higher
//! means an earlier event) and, where stated, case `weights`.
//!
//! - [`mod@c_index`]: Harrell's concordance, its variance and bootstrap interval,
//! - [`mod@uno_c`]: concordance with inverse-probability-of-censoring weights,
//! - [`mod@auc`]: cumulative/dynamic AUC at a time,
//! - [`mod@brier`]: Brier score at a time and integrated over times,
//! - [`mod@kaplan_meier`]: survival and censoring curves,
//! - [`mod@log_rank`]: comparison of groups.

pub mod auc;
pub mod brier;
pub mod c_index;
mod error;
pub mod interval;
pub mod kaplan_meier;
pub mod log_rank;
mod outcome;
pub mod uno_c;

pub use auc::dynamic_auc;
pub use brier::{brier_score, integrated_brier_score};
pub use c_index::{Bootstrap, Concordance, ConcordanceCounts, bootstrap, c_index, concordance};
pub use error::MetricError;
pub use interval::Interval;
pub use kaplan_meier::{CensoringSurvival, KaplanMeier, kaplan_meier, kaplan_meier_of_counts};
pub use log_rank::{LogRank, log_rank, log_rank_of_counts};
pub use uno_c::uno_c;
