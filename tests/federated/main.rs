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
mod privacy;
mod resume;
mod secure;
mod site_files;
mod strategies;
mod studies;
