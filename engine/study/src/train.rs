//! From a study to a finished run directory.

use std::path::PathBuf;
use std::time::Duration;

use osteon_core::phases::{Phases, peak_memory_bytes};
use osteon_federate::{Comm, FederateError};
use osteon_report::{RankTime, RunState, Summary};
use serde::{Deserialize, Serialize};

use crate::bags::Bags;
use crate::cohorts::Cohorts;
use crate::config::{Arm, Features, ModelKind, SiteSource};
use crate::engine::Engine;
use crate::fit::result::Fit;
use crate::fit::{Fitted, Job, fit};
use crate::modality::files;
use crate::pool::use_threads;
use crate::run_dir::{CHECKPOINTS, Input, MpiRecord, Opened, RunDir, RunRecord};
use crate::status::{Granted, StatusFile, Watched};
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
    let before = Before { inside: comm.time_in_collectives(), bytes: comm.bytes_sent() };
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
    let hosts = comm.gather_metadata(&osteon_core::provenance::host_name())?;
    let granted = Granted::here(&hosts, request.threads);
    let status = dir.map(|dir| StatusFile::begin(dir.path(), granted)).transpose();
    let status = comm.agree(status.map_err(FederateError::from))?;
    let watch = Watched { inner: watch, status: status.as_ref() };
    let done = work(engine, request, comm, &watch, dir, phases, (&hosts, before));
    if let (Err(_), Some(Opened::Fresh(dir))) = (&done, &opened) {
        dir.abandon();
    }
    if let Some(status) = status.filter(|_| request.output.exists()) {
        let (state, error, peak) = match &done {
            Ok(Outcome::Stopped(_)) => (RunState::Stopped, None, 0),
            Ok(Outcome::Finished(summary) | Outcome::AlreadyFinished(summary)) => {
                (RunState::Finished, None, summary.peak_memory_bytes)
            }
            Err(error) => (RunState::Failed, Some(error.to_string()), 0),
        };
        let ended = status.end(state, error, peak);
        // The error of the run says more than one of this file.
        return done.and_then(|outcome| ended.map(|()| outcome));
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
    ranks: (&[String], Before),
) -> Result<Outcome, StudyError> {
    if let Some(choice) = engine.choice() {
        watch.say(&choice);
    }
    if let Some(gpu) = comm.gpu_aware() {
        watch.say(&format!("{}: {gpu}", comm.library()));
    }
    let read = phases.time("read", || read(&request.study, comm));
    let (cohorts, mut bags) = comm.agree(read.map_err(FederateError::from))?;
    if let Some(bags) = &mut bags {
        bags.agree(comm)?;
    }
    tell(&cohorts, comm, watch);
    let job = Job {
        study: &request.study,
        cohorts: &cohorts,
        bags: bags.as_ref(),
        engine,
        comm,
        dir,
        checkpoints: request.output.join(CHECKPOINTS),
        stop: &request.stop,
        watch,
    };
    match fit(&job, &mut phases)? {
        Fitted::Stopped(step) => Ok(Outcome::Stopped(step)),
        Fitted::Done(result) => finish(request, *result, &job, phases, ranks),
    }
}

/// The patients held here, and their slides if the model reads them.
fn read(study: &Study, comm: &Comm) -> Result<(Cohorts, Option<Bags>), StudyError> {
    let Some(asked) = &study.bags else { return Ok((Cohorts::read(study, comm)?, None)) };
    let mut study = study.clone();
    // The tiles are the features.
    study.data.features = Features::Names(Vec::new());
    let cohorts = Cohorts::read(&study, comm)?;
    let sites = cohorts.sites.iter().flat_map(|s| s.train.ids.iter().chain(&s.test.ids));
    let bags = Bags::open(asked, sites.chain(&cohorts.test.ids))?;
    Ok((cohorts, Some(bags)))
}

fn open(engine: &Engine, request: &Request, comm: &Comm, watch: &dyn Watch) -> Result<Opened, StudyError> {
    let dir = RunDir::claim(&request.output)?;
    if !dir.is_locked() {
        watch.warn("this file system has no locks: do not start the same run twice at once");
    }
    let mut record = RunRecord::now(request.study.clone(), &engine.profile(), request.threads);
    record.device = engine.device();
    record.inputs = inputs(&request.study)?;
    record.mpi = (comm.size() > 1).then(|| MpiRecord {
        library: comm.library(),
        ranks: comm.size(),
        gpu: comm.gpu_aware().map(|g| g.to_string()),
    });
    dir.begin(&record, request.restart)
}

fn tell(cohorts: &Cohorts, comm: &Comm, watch: &dyn Watch) {
    let patients: usize = cohorts.sites.iter().map(|s| s.train.n).sum();
    let events: usize = cohorts.sites.iter().map(|s| s.train.events()).sum();
    let here = if comm.size() > 1 { " on this rank" } else { "" };
    watch.say(&format!("{patients} training patients with {events} events{here}"));
    for site in &cohorts.sites {
        site.train.warnings.iter().for_each(|w| watch.warn(&w.to_string()));
        for (block, without) in site.train.without() {
            let (name, n) = (&site.name, site.train.n);
            watch.say(&format!("{block}: {without} of {n} training patients of site {name} are without it"));
        }
    }
}

fn finish(
    request: &Request,
    result: Fit,
    job: &Job,
    mut phases: Phases,
    ranks: (&[String], Before),
) -> Result<Outcome, StudyError> {
    let study = &request.study;
    let model = study.model.kind.name();
    let epochs = match (study.model.kind, study.train.arm) {
        (ModelKind::Cox, _) => 1,
        (_, Arm::Federated) if study.federation.exact => u64::from(study.federation.rounds),
        (_, Arm::Federated) => u64::from(study.federation.rounds) * u64::from(study.federation.local_epochs),
        (_, _) => u64::from(study.train.epochs),
    };
    let patients = result.train[0] * result.problems.len() as u64 * epochs;
    let written = match job.dir {
        // Rank 0 writes the result; the others learn whether it could.
        None => Ok(None),
        Some(dir) => phases.time("write", || result.write(dir, study.train.arm.name(), model)).map(Some),
    };
    let written = job.comm.agree(written.map_err(|e| FederateError::local(&e)))?;
    let timing = timing(request.threads, patients, job.comm, &phases, ranks)?;
    let (Some(dir), Some(mut summary)) = (job.dir, written) else {
        return Ok(Outcome::Finished(Box::default()));
    };
    summary.privacy = crate::fit::private::cost(study);
    summary.wall_s = timing.wall_s;
    summary.phases = timing.phases.clone();
    summary.peak_memory_bytes = timing.peak_memory_bytes;
    summary.ranks = timing.per_rank.clone();
    dir.finish(&summary)?;
    timing.to_string().lines().for_each(|line| job.watch.say(line));
    Ok(Outcome::Finished(Box::new(summary)))
}

/// What the communicator had done before the run: it may serve several.
#[derive(Clone, Copy)]
struct Before {
    inside: Duration,
    bytes: u64,
}

/// What a rank tells of its time.
#[derive(Serialize, Deserialize)]
struct Told {
    phases: Vec<(String, f64)>,
    wall_s: f64,
    inside_s: f64,
    waited_s: f64,
    bytes: u64,
    peak: u64,
}

/// The timing over all ranks; each tells its own times and memory.
fn timing(
    threads: usize,
    patients: u64,
    comm: &Comm,
    phases: &Phases,
    (hosts, before): (&[String], Before),
) -> Result<Timing, StudyError> {
    let mine = Told {
        phases: phases.list().iter().map(|(name, s)| ((*name).to_owned(), s.as_secs_f64())).collect(),
        wall_s: phases.wall().as_secs_f64(),
        inside_s: (comm.time_in_collectives() - before.inside).as_secs_f64(),
        waited_s: phases.waited().as_secs_f64(),
        bytes: comm.bytes_sent() - before.bytes,
        peak: peak_memory_bytes(),
    };
    let all = comm.gather_metadata(&serde_json::to_string(&mine).unwrap_or_default())?;
    let ranks: Vec<Told> = all.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let peak = ranks.iter().map(|r| r.peak).max().unwrap_or(0);
    let mut timing = Timing::of(phases, threads, patients, peak);
    // The rounds tell how long a rank waited for local training. Elsewhere (a linear model) the rank that spent
    // least time in collectives is taken as the one that all others waited for.
    let least = ranks.iter().map(|r| r.inside_s).fold(f64::INFINITY, f64::min);
    let rounds = ranks.iter().any(|r| r.waited_s > 0.0);
    timing.per_rank = ranks
        .iter()
        .enumerate()
        .map(|(rank, told)| {
            let waited = if rounds { told.waited_s } else { told.inside_s - least };
            let wait_s = waited.clamp(0.0, told.inside_s);
            RankTime {
                rank,
                host: hosts.get(rank).cloned().unwrap_or_default(),
                compute_s: (told.wall_s - told.inside_s).max(0.0),
                wait_s,
                communicate_s: told.inside_s - wait_s,
                bytes: told.bytes,
                peak_memory_bytes: told.peak,
            }
        })
        .collect();
    if comm.size() == 1 {
        return Ok(timing);
    }
    let of_rank = |told: &Told| -> Vec<f64> {
        let in_phase =
            |p: &osteon_report::Phase| told.phases.iter().find(|(n, _)| *n == p.name).map_or(0.0, |s| s.1);
        timing.phases.iter().map(in_phase).collect()
    };
    let per_rank: Vec<Vec<f64>> = ranks.iter().map(of_rank).collect();
    Ok(timing.over_ranks(&per_rank))
}

/// The tables of a study that rank 0 may read. Files of single sites are read by their ranks.
fn inputs(study: &Study) -> Result<Vec<Input>, StudyError> {
    match &study.federation.site {
        Some(SiteSource::Files(_)) => Ok(Vec::new()),
        _ => {
            let blocks = files(study, None);
            let slides = study.bags.as_ref().and_then(|b| b.table.as_ref());
            study.data.path.iter().chain(blocks.values()).chain(slides).map(|p| Input::of(p)).collect()
        }
    }
}
