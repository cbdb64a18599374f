//! Floor 5: STUDY.toml to a run directory: plan, train, evaluate, resume.
//!
//! - [`config`]: the study file, its keys, defaults, checks and overrides,
//! - [`scaling`]: studies whose work is known, for measurements,
//! - [`schema`], [`modality`], [`cohorts`], [`bags`]: the columns, the modalities, the patients and their slides of a study,
//! - [`fit`]: central, isolated and federated training,
//! - [`run_dir`]: the run directory: lock, resume, records, checkpoints folder,
//! - [`inspect`]: every fault of tables, before a study uses them,
//! - [`attention`]: what a model of slides looks at,
//! - [`predict`]: risks and survival of new patients from a finished run,
//! - [`evaluate`]: how well a column of scores orders survival,
//! - [`demo`]: a made-up cohort, its study and its three arms,
//! - [`plan`]: what a study will do, for `--dry-run`,
//! - [`status`]: what a run has done and used, while it goes on,
//! - [`source`]: whether a site's table is still the one that was read,
//! - [`stop`]: signals and the time limit,
//! - [`timing`]: the table at the end of a run,
//! - [`train`]: from a study to a finished run directory,
//! - [`watch`]: what a run says while it works.

pub mod attention;
pub mod bags;
pub mod cohorts;
pub mod config;
pub mod demo;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod fit;
pub mod inspect;
pub mod modality;
pub mod plan;
mod pool;
pub mod predict;
pub mod run_dir;
pub mod scaling;
pub mod schema;
pub mod source;
pub mod status;
pub mod stop;
pub mod timing;
pub mod train;
pub mod watch;

pub use config::{Loaded, Study};
pub use error::StudyError;
