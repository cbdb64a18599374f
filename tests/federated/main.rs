//! A federation as processes: what it computes must not depend on how it is spread, stopped or
//! resumed, and no row may leave its rank.
//!
//! Jobs of several ranks need `mpirun` (Open MPI); without it they are skipped with a reason, or
//! fail if `OSTEON_REQUIRE` contains `mpi`.

mod bits;
mod dropped_sites;
mod exactness;
mod faults;
mod job;
mod kills;
mod pooled;
mod pooled_runs;
mod privacy;
#[allow(dead_code)] // Other tests use the rest of it.
#[path = "../../engine/metrics/tests/oracle/r_survival.rs"]
mod r_survival;
mod resume;
mod secure;
mod site_files;
mod strategies;
mod studies;
