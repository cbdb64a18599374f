//! From a study to a finished run directory.

use std::path::PathBuf;

use osteon_core::phases::{Phases, peak_memory_bytes};
use osteon_federate::{Comm, FederateError};
use osteon_report::Summary;

use crate::cohorts::Cohorts;
use crate::config::{Arm, ModelKind, SiteSource};
use crate::engine::Engine;
use crate::fit::result::Fit;
use crate::fit::{Fitted, Job, fit};
use crate::pool::use_threads;
use crate::run_dir::{CHECKPOINTS, Input, MpiRecord, Opened, RunDir, RunRecord};
use crate::stop::Stop;
use crate::timing::Timing;
use crate::watch::Watch;
use crate::{Study, StudyError};

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
    train_on(&Engine::processor(), request, comm, watch)
}

/// As [`train`], on a device. Each rank of a federation has its own.
///
/// # Errors
/// As [`train`], if the study has no device version, or what the device says.
pub fn train_on(
    engine: &Engine,
    request: &Request,
    comm: &Comm,
    watch: &dyn Watch,
) -> Result<Outcome, StudyError> {
    engine.require_support(&request.study)?;
    let arm = request.study.train.arm;
    if arm != Arm::Federated && comm.size() > 1 {
        return Err(StudyError::OneProcess { arm: arm.name(), ranks: comm.size() });
    }
    comm.require_same("the study", &request.study.identity())?;
    comm.require_same("the numeric profile", &engine.profile())?;
    use_threads(request.threads);
    let phases = Phases::new();
    let opened = match comm.rank() {
        0 => open(engine, request, comm, watch).map(Some),
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
    let done = work(engine, request, comm, watch, dir, phases);
    if let (Err(_), Some(Opened::Fresh(dir))) = (&done, &opened) {
        dir.abandon();
    }
    done
}

/// Reads, fits and writes.
fn work(
    engine: &Engine,
    request: &Request,
    comm: &Comm,
    watch: &dyn Watch,
    dir: Option<&RunDir>,
    mut phases: Phases,
) -> Result<Outcome, StudyError> {
    if let Some(choice) = engine.choice() {
        watch.say(&choice);
    }
    let cohorts = phases.time("read", || Cohorts::read(&request.study, comm));
    let cohorts = comm.agree(cohorts.map_err(FederateError::from))?;
    tell(&cohorts, comm, watch);
    let job = Job {
        study: &request.study,
        cohorts: &cohorts,
        engine,
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

fn open(engine: &Engine, request: &Request, comm: &Comm, watch: &dyn Watch) -> Result<Opened, StudyError> {
    let dir = RunDir::claim(&request.output)?;
    if !dir.is_locked() {
        watch.warn("this file system has no locks: do not start the same run twice at once");
    }
    let mut record = RunRecord::now(request.study.clone(), &engine.profile(), request.threads);
    record.device = engine.device();
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
    let study = &request.study;
    let (model, epochs) = match (study.model.kind, study.train.arm) {
        (ModelKind::Cox, _) => ("cox", 1),
        (ModelKind::Deepsurv, Arm::Federated) => {
            ("deepsurv", u64::from(study.federation.rounds) * u64::from(study.federation.local_epochs))
        }
        (ModelKind::Deepsurv, _) => ("deepsurv", u64::from(study.train.epochs)),
    };
    let patients = result.train[0] * result.problems.len() as u64 * epochs;
    let written = match job.dir {
        // Rank 0 writes the result; the others learn whether it could.
        None => Ok(None),
        Some(dir) => phases.time("write", || result.write(dir, study.train.arm.name(), model)).map(Some),
    };
    let written = job.comm.agree(written.map_err(|e| FederateError::local(&e)))?;
    let timing = timing(request.threads, patients, job.comm, &phases)?;
    let (Some(dir), Some(mut summary)) = (job.dir, written) else {
        return Ok(Outcome::Finished(Box::default()));
    };
    summary.wall_s = timing.wall_s;
    summary.phases = timing.phases.clone();
    summary.peak_memory_bytes = timing.peak_memory_bytes;
    dir.finish(&summary)?;
    timing.to_string().lines().for_each(|line| job.watch.say(line));
    Ok(Outcome::Finished(Box::new(summary)))
}

/// The timing over all ranks; each tells its own times and memory.
fn timing(threads: usize, patients: u64, comm: &Comm, phases: &Phases) -> Result<Timing, StudyError> {
    let mine: Vec<(&str, f64)> = phases.list().iter().map(|(name, s)| (*name, s.as_secs_f64())).collect();
    let text = serde_json::to_string(&(mine, peak_memory_bytes())).unwrap_or_default();
    let all = comm.gather_metadata(&text)?;
    let ranks: Vec<(Vec<(String, f64)>, u64)> =
        all.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let peak = ranks.iter().map(|(_, peak)| *peak).max().unwrap_or(0);
    let timing = Timing::of(phases, threads, patients, peak);
    if comm.size() == 1 {
        return Ok(timing);
    }
    let of_rank = |(spent, _): &(Vec<(String, f64)>, u64)| -> Vec<f64> {
        let in_phase =
            |p: &osteon_report::Phase| spent.iter().find(|(n, _)| *n == p.name).map_or(0.0, |s| s.1);
        timing.phases.iter().map(in_phase).collect()
    };
    let per_rank: Vec<Vec<f64>> = ranks.iter().map(of_rank).collect();
    Ok(timing.over_ranks(&per_rank))
}

/// The tables of a study that rank 0 may read. Files of single sites are read by their ranks.
fn inputs(study: &Study) -> Result<Vec<Input>, StudyError> {
    match &study.federation.site {
        Some(SiteSource::Files(_)) => Ok(Vec::new()),
        _ => study.data.path.iter().map(|p| Input::of(p)).collect(),
    }
}
