//! From a study to a finished run directory.

use std::path::PathBuf;

use osteon_report::Summary;

use crate::config::SiteSource;
use crate::run_dir::{Input, Opened, RunDir, RunRecord};
use crate::stop::Stop;
use crate::watch::Watch;
use crate::{Study, StudyError};

/// The numeric profile of the CPU backend (decision 0002).
const CPU_PROFILE: &str = "cpu-v1";

/// What to train, and where.
#[derive(Debug)]
pub struct Request {
    /// The resolved study.
    pub study: Study,
    /// The run directory.
    pub output: PathBuf,
    /// Threads of this process.
    pub threads: usize,
    /// Discard a run that is already there.
    pub restart: bool,
    /// When to stop early.
    pub stop: Stop,
}

/// How a training ended.
#[derive(Debug)]
pub enum Outcome {
    /// The run is complete.
    Finished(Box<Summary>),
    /// The run was complete before.
    AlreadyFinished(Box<Summary>),
    /// Stopped on request after this many rounds or epochs; the same command goes on.
    Stopped(u64),
}

/// Trains a study in one process, or goes on with a run that stopped.
///
/// # Errors
/// If the output cannot be written (before anything is read), an input is missing or wrong, or
/// the directory holds another study.
pub fn train(request: &Request, watch: &dyn Watch) -> Result<Outcome, StudyError> {
    let dir = RunDir::claim(&request.output)?;
    if !dir.is_locked() {
        watch.warn("this file system has no locks: do not start the same run twice at once");
    }
    let mut record = RunRecord::now(request.study.clone(), CPU_PROFILE, request.threads);
    record.inputs = inputs(&request.study)?;
    match dir.begin(&record, request.restart)? {
        Opened::Finished(_, summary) => Ok(Outcome::AlreadyFinished(summary)),
        Opened::Fresh(dir) => fit(request, &dir, watch),
        Opened::Resumed(dir) => {
            watch.say("going on with an earlier run");
            fit(request, &dir, watch)
        }
    }
}

/// The tables of a study that rank 0 may read. Files of single sites are read by their ranks.
fn inputs(study: &Study) -> Result<Vec<Input>, StudyError> {
    match &study.federation.site {
        Some(SiteSource::Files(_)) => Ok(Vec::new()),
        _ => study.data.path.iter().map(|p| Input::of(p)).collect(),
    }
}

/// Fits the model and writes the result: the place where data, models, federation and metrics meet.
fn fit(_request: &Request, _dir: &RunDir, _watch: &dyn Watch) -> Result<Outcome, StudyError> {
    Err(StudyError::Absent("training"))
}
