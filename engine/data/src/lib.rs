//! Floor 2: typed cohorts.
//!
//! A [`osteon_table::Table`] becomes a [`Dataset`] by a [`Schema`] that says what each column is
//! ([`Schema::infer`] guesses one). On the way every fault is found ([`check`]); none is repaired
//! in silence. [`mod@join`] adds the columns of modalities with tables of their own. [`split`] draws test sets, folds and simulated sites; [`preprocess`] fits imputation,
//! scaling and encoding on training rows, over whoever holds them; [`synthetic`] makes a cohort.
//!
//! - Missing stays missing: a feature has a mask, and only a fitted step fills it.
//! - A time of 0 is legal (an event or a censoring on the first day).

pub mod check;
mod dataset;
mod error;
mod infer;
pub mod join;
pub mod preprocess;
mod reading;
mod schema;
pub mod split;
pub mod synthetic;

pub use check::Rules;
pub use dataset::{Dataset, Feature, Labels, Outcome};
pub use error::DataError;
pub use infer::{Features, Roles};
pub use osteon_table::{Fault, Location, Severity};
pub use preprocess::{Design, FittedPreprocess, Preprocess};
pub use reading::MISSING_CODES;
pub use schema::{ColumnSpec, Kind, Role, Schema, Transform};
