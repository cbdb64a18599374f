//! Linear Cox against R, and what it refuses.

mod against_r;
#[allow(dead_code)] // The concordance tests use the rest of it.
#[path = "../../../metrics/tests/oracle/r_survival.rs"]
mod r_survival;
mod refusals;
