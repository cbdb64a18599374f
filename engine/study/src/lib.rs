//! Floor 5: STUDY.toml to a run directory: plan, train, evaluate, resume.
//!
//! - [`config`]: the study file, its keys, defaults, checks and overrides,
//! - [`run_dir`]: the run directory: lock, resume, records, checkpoints folder,
//! - [`plan`]: what a study will do, for `--dry-run`,
//! - [`stop`]: signals and the time limit,
//! - [`timing`]: the table at the end of a run,
//! - [`train`]: from a study to a finished run directory,
//! - [`watch`]: what a run says while it works.

pub mod config;
pub mod error;
pub mod plan;
pub mod run_dir;
pub mod stop;
pub mod timing;
pub mod train;
pub mod watch;

pub use config::{Loaded, Study};
pub use error::StudyError;
