//! Osteon as jobs of Slurm: on a cluster of four nodes that a test starts on this machine, and leaves
//! nothing of behind. Without Slurm or its launcher scripts the tests are skipped with a reason, or fail if
//! `OSTEON_REQUIRE` contains `slurm`.

mod install;
#[path = "../federated/job.rs"]
#[expect(dead_code, reason = "shared with tests/federated, which uses all of it")]
mod job;
mod jobs;
mod onebox;
#[path = "../federated/studies.rs"]
#[expect(dead_code, reason = "shared with tests/federated, which uses all of it")]
mod studies;
