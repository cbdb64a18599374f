//! From a study to a finished run directory.

use std::path::PathBuf;

use osteon_core::phases::{Phases, peak_memory_bytes};
use osteon_federate::{Comm, FederateError};
use osteon_report::Summary;

use crate::cohorts::Cohorts;
use crate::config::{Arm, ModelKind, SiteSource};
use crate::fit::result::Fit;
use crate::fit::{Fitted, Job, fit};
use crate::run_dir::{CHECKPOINTS, Input, MpiRecord, Opened, RunDir, RunRecord};
use crate::stop::Stop;
use crate::timing::Timing;
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

/// Trains a study, or goes on with a run that stopped. Under an MPI launcher all ranks call it; the
/// run directory is written by rank 0 and must be shared.
///
/// # Errors
/// If the output cannot be written (before anything is read), an input is missing or wrong, or
/// the directory holds another study. An error of one rank ends all ranks.
pub fn train(request: &Request, comm: &Comm, watch: &dyn Watch) -> Result<Outcome, StudyError> {
    let arm = request.study.train.arm;
    if arm != Arm::Federated && comm.size() > 1 {
        return Err(StudyError::OneProcess { arm: arm.name(), ranks: comm.size() });
    }
    comm.require_same("the study", &request.study.identity())?;
    comm.require_same("the numeric profile", CPU_PROFILE)?;
    // One pool for the process; a second run in it keeps the first one's threads.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(request.threads).build_global();
    let mut phases = Phases::new();
    let opened = match comm.rank() {
        0 => open(request, comm, watch).map(Some),
        _ => Ok(None),
    };
    let opened = comm.agree(opened.map_err(FederateError::from))?;
    let finished = matches!(opened, Some(Opened::Finished(..)));
    if comm.decide(u64::from(finished))? == 1 {
        return Ok(Outcome::AlreadyFinished(match opened {
            Some(Opened::Finished(_, summary)) => summary,
            _ => Box::default(),
        }));
    }
    let dir = match &opened {
        Some(Opened::Resumed(dir)) => {
            watch.say("going on with an earlier run");
            Some(dir)
        }
        Some(Opened::Fresh(dir)) => Some(dir),
        _ => None,
    };
    let cohorts = phases.time("read", || Cohorts::read(&request.study, comm));
    let cohorts = comm.agree(cohorts.map_err(FederateError::from))?;
    tell(&cohorts, comm, watch);
    let job = Job {
        study: &request.study,
        cohorts: &cohorts,
        comm,
        dir,
        checkpoints: request.output.join(CHECKPOINTS),
        stop: &request.stop,
        watch,
    };
    match fit(&job, &mut phases)? {
        Fitted::Stopped(step) => Ok(Outcome::Stopped(step)),
        Fitted::Done(result) => finish(request, *result, &job, phases),
    }
}

fn open(request: &Request, comm: &Comm, watch: &dyn Watch) -> Result<Opened, StudyError> {
    let dir = RunDir::claim(&request.output)?;
    if !dir.is_locked() {
        watch.warn("this file system has no locks: do not start the same run twice at once");
    }
    let mut record = RunRecord::now(request.study.clone(), CPU_PROFILE, request.threads);
    record.inputs = inputs(&request.study)?;
    record.mpi = (comm.size() > 1).then(|| MpiRecord { library: comm.library(), ranks: comm.size() });
    dir.begin(&record, request.restart)
}

fn tell(cohorts: &Cohorts, comm: &Comm, watch: &dyn Watch) {
    let patients: usize = cohorts.sites.iter().map(|s| s.train.n).sum();
    let events: usize = cohorts.sites.iter().map(|s| s.train.events()).sum();
    let here = if comm.size() > 1 { " on this rank" } else { "" };
    watch.say(&format!("{patients} training patients with {events} events{here}"));
    for site in &cohorts.sites {
        site.train.warnings.iter().for_each(|w| watch.warn(&w.to_string()));
    }
}

fn finish(request: &Request, result: Fit, job: &Job, mut phases: Phases) -> Result<Outcome, StudyError> {
    let Some(dir) = job.dir else {
        // Rank 0 writes the result; the others learn whether it could.
        job.comm.agree(Ok(()))?;
        return Ok(Outcome::Finished(Box::default()));
    };
    let model = match request.study.model.kind {
        ModelKind::Deepsurv => "deepsurv",
        ModelKind::Cox => "cox",
    };
    let patients = result.train[0];
    let written = phases.time("write", || result.write(dir, request.study.train.arm.name(), model));
    let mut summary = job.comm.agree(written.map_err(FederateError::from))?;
    let timing = Timing::of(&phases, request.threads, patients, peak_memory_bytes());
    summary.wall_s = timing.wall_s;
    summary.phases = timing.phases.clone();
    summary.peak_memory_bytes = timing.peak_memory_bytes;
    dir.finish(&summary)?;
    watch_timing(&timing, job.watch);
    Ok(Outcome::Finished(Box::new(summary)))
}

fn watch_timing(timing: &Timing, watch: &dyn Watch) {
    timing.to_string().lines().for_each(|line| watch.say(line));
}

/// The tables of a study that rank 0 may read. Files of single sites are read by their ranks.
fn inputs(study: &Study) -> Result<Vec<Input>, StudyError> {
    match &study.federation.site {
        Some(SiteSource::Files(_)) => Ok(Vec::new()),
        _ => study.data.path.iter().map(|p| Input::of(p)).collect(),
    }
}
