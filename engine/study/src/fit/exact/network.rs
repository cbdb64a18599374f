//! Networks trained on the patients of all sites: a round is one pass over them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use osteon_core::Reduce;
use osteon_core::phases::Phases;
use osteon_federate::checkpoint::{Checkpoints, Snapshot};
use osteon_federate::rounds::{Ended, Learner, Outcome, RoundRecord};
use osteon_federate::sites::Roster;
use osteon_federate::{CommReduce, FederateError, metrics};
use osteon_models::deepsurv::{Batch, Problem, SharedOutcome};
use osteon_models::exact::SharedTimes;
use osteon_report::Lines;

use super::{estimand, shared};
use crate::StudyError;
use crate::fit::federated::{self, Network};
use crate::fit::network::{self, Replicate};
use crate::fit::{Fitted, Job, held_out};

/// Trains the networks of a study; all ranks call it.
///
/// # Errors
/// Of any rank, on all ranks alike.
pub fn fit(job: &Job, phases: &mut Phases) -> Result<Fitted, StudyError> {
    let (study, comm) = (job.study, job.comm);
    let reduce = CommReduce(comm);
    let prepared = phases.time("prepare", || federated::prepare(job));
    let (preprocess, sites) = comm.agree(prepared.map_err(FederateError::from))?;
    let common = Cell::new(None);
    let learner = federated::learner(job, &preprocess, sites, &common);
    let mut learner = comm.agree(learner.map_err(FederateError::from))?;
    let replicates = learner.replicates.clone();
    let rows = shared::Rows::new(job, &preprocess)?;
    let batch = batch(job, &rows, &replicates).map_err(FederateError::from);
    let mut batch = comm.agree(batch)?;
    let cohort = batch.problems()[0].cohort.clone();
    let outcome = rows.outcome()?;
    let times = comm.agree(SharedTimes::agree(&outcome, &shared::grouping(study), &reduce).map_err(local))?;
    let patients = SharedOutcome::new(&cohort, &outcome, &times, &reduce)?;

    let (g, q) = (replicates.len(), batch.layout().len());
    let roster = Roster::meet(comm, learner.sites(), g)?;
    let held: Vec<&str> = learner.sites().iter().map(|s| s.name.as_str()).collect();
    comm.holds(&held.join(", "));
    let store = Checkpoints::new(&job.checkpoints, study.identity());
    let mut done = restore(job, &store, &mut batch)?;
    let mut lines: Option<Lines> = job.dir.map(|d| d.metrics(u64::from(done))).transpose()?;
    let (rounds, mut ended, mut last) = (study.federation.rounds, Ended::Finished, None);
    let resumed_from = (done > 0).then_some(done);
    while done < rounds {
        let limit = Duration::from_secs_f64(study.federation.round_deadline_s);
        let _deadline = comm.deadline(limit, &format!("round {}", done + 1));
        let (start, sent) = (Instant::now(), comm.bytes_sent());
        let losses = phases.time("train", || batch.train_shared(&patients, 1, &reduce));
        let losses = comm.agree(losses.map_err(local))?;
        done += 1;
        let trained = start.elapsed();
        let global: Vec<f32> = (0..g).flat_map(|k| batch.params(k).to_vec()).collect();
        let mine = phases.time("evaluate", || learner.evaluate(&global, done));
        let evaluated = start.elapsed();
        let (sites, all_us) =
            metrics::exchange(comm, (roster.sites.len(), g), mine, trained.as_micros() as u64)?;
        let mut most = [u64::from(job.stop.requested().is_some()), trained.as_micros() as u64];
        reduce.max(&mut most)?;
        let stop = most[0] > 0 && done < rounds;
        let record = RoundRecord {
            round: done,
            taking_part: (0..roster.sites.len()).collect(),
            lost: Vec::new(),
            sites,
            bytes: comm.bytes_sent() - sent,
            local_s: trained.as_secs_f64(),
            local_max_s: most[1] as f64 * 1e-6,
            local_mean_s: all_us as f64 * 1e-6 / comm.size() as f64,
            aggregate_s: 0.0,
            evaluate_s: (evaluated - trained).as_secs_f64(),
            round_s: start.elapsed().as_secs_f64(),
        };
        let names = &job.cohorts.names;
        let mut metric = federated::metric(&record, names, &replicates, common.get(), job.cohorts.scope);
        let seeds = replicates.iter().zip(losses).filter(|(r, _)| r.bootstrap.is_none());
        metric.loss = held_out::mean(&seeds.map(|(_, loss)| Some(loss)).collect::<Vec<_>>());
        let written = lines.as_mut().map_or(Ok(()), |lines| lines.append(&metric));
        comm.agree(written.map_err(|e| FederateError::from(StudyError::from(e))))?;
        let shown = |x: Option<f64>| x.map_or("undefined".to_owned(), |x| format!("{x:.4}"));
        let note = format!("loss {}, C-index {}", shown(metric.loss), shown(metric.c_index));
        job.watch.step(u64::from(done), u64::from(rounds), &note);
        last = Some(record);
        let every = study.federation.checkpoint_every;
        if stop || done == rounds || (every > 0 && done.is_multiple_of(every)) {
            phases.time("checkpoint", || store.save(comm, &snapshot(&batch, done)))?;
        }
        if stop {
            ended = Ended::Stopped;
            break;
        }
    }
    if ended == Ended::Stopped {
        return Ok(Fitted::Stopped(u64::from(done)));
    }
    let global: Vec<f32> = (0..g).flat_map(|k| batch.params(k).to_vec()).collect();
    let outcome =
        Outcome { global, rounds: done, ended, resumed_from, roster, lost: Vec::new(), warnings: Vec::new() };
    let fit = phases.time("evaluate", || {
        if last.is_none() {
            // Resumed after the last round: its metrics are those of the model as it stands.
            last = Some(stands(job, &mut learner, &outcome)?);
        }
        let mut fit = federated::result(job, learner, &outcome, last, preprocess)?;
        fit.estimand = estimand(study, &times);
        let network = Network { study, bags: None, q, replicates: &replicates };
        shared::publish(job, &mut fit, &|rows| network.mean_risk(&outcome.global, rows))?;
        Ok::<_, StudyError>(fit)
    })?;
    Ok(Fitted::Done(Box::new(fit)))
}

fn local(error: osteon_models::cox::CoxError) -> FederateError {
    FederateError::local(&error)
}

/// A problem per replicate, on all patients held here.
fn batch(job: &Job, rows: &shared::Rows, replicates: &[Replicate]) -> Result<Batch, StudyError> {
    let study = job.study;
    let cohort = network::cohort(&rows.prepared)?;
    let mut problems = Vec::with_capacity(replicates.len());
    for replicate in replicates {
        let mut weights = Vec::with_capacity(rows.prepared.rows.n);
        let mut weighted = false;
        for site in &job.cohorts.sites {
            let of_site = replicate.weights(study, &site.train, site.index);
            weighted |= of_site.is_some();
            weights.extend(of_site.unwrap_or_else(|| vec![1.0; site.train.n]));
        }
        let weights = weighted.then(|| cohort.to_risk_order(&weights));
        problems.push(Problem { cohort: cohort.clone(), seed: replicate.seed, weights });
    }
    let spec = network::spec(study, rows.prepared.design.p);
    Ok(Batch::new(spec, network::training(study, 0.0), problems))
}

/// The optimiser is that of all sites: rank 0 keeps it, as the state of a server.
fn snapshot(batch: &Batch, done: u32) -> Snapshot {
    let g = batch.problems().len();
    Snapshot {
        round: done,
        global: (0..g).flat_map(|k| batch.params(k).to_vec()).collect(),
        server: network::optimizer_state(batch, 0..g),
        sites: Vec::new(),
    }
}

fn restore(job: &Job, store: &Checkpoints, batch: &mut Batch) -> Result<u32, StudyError> {
    let Some(loaded) = store.load(job.comm, &[])? else { return Ok(0) };
    loaded.warnings.iter().for_each(|w| job.watch.warn(w));
    let (g, q) = (batch.problems().len(), batch.layout().len());
    let Snapshot { round, global, server, .. } = loaded.snapshot;
    if global.len() != g * q {
        let (value, reason) = (global.len().to_string(), format!("the networks have {}", g * q));
        return Err(
            FederateError::Setting { what: "parameters in the checkpoint".into(), value, reason }.into()
        );
    }
    global.chunks(q).enumerate().for_each(|(k, params)| batch.set_params(k, params));
    network::restore_optimizer(batch, 0..g, &server)?;
    Ok(round)
}

/// The record of the model as it stands, without a round.
fn stands(job: &Job, learner: &mut dyn Learner, outcome: &Outcome) -> Result<RoundRecord, StudyError> {
    let mine = learner.evaluate(&outcome.global, outcome.rounds);
    let shape = (outcome.roster.sites.len(), learner.groups());
    Ok(RoundRecord {
        round: outcome.rounds,
        taking_part: (0..shape.0).collect(),
        lost: Vec::new(),
        sites: metrics::exchange(job.comm, shape, mine, 0)?.0,
        bytes: 0,
        local_s: 0.0,
        local_max_s: 0.0,
        local_mean_s: 0.0,
        aggregate_s: 0.0,
        evaluate_s: 0.0,
        round_s: 0.0,
    })
}
