//! Central and isolated training in one process.

use std::time::Instant;

use osteon_core::Here;
use osteon_core::phases::Phases;
use osteon_data::{Dataset, FittedPreprocess, split};
use osteon_federate::FederateError;
use osteon_federate::checkpoint::{Checkpoints, SiteState, Snapshot};
use osteon_models::baseline::BaselineHazard;
use osteon_models::cox::risk_sets::Outcome;
use osteon_models::deepsurv::Problem;
use osteon_report::Metric;
use osteon_report::records::SiteResult;

use super::network::{self, Replicate};
use super::networks::{self, Networks};
use super::result::{Fit, Predictor};
use super::{Fitted, Job, Prepared, held_out, preprocessing};
use crate::bags::Bags;
use crate::config::{Arm, SiteChoice};
use crate::{Study, StudyError};

/// Patients that a set of models trains on, and those it is evaluated on.
pub(super) struct Part {
    /// Name of the site; `None` for the pooled patients.
    pub site: Option<String>,
    /// Index of the site, 0 for the pooled patients.
    pub index: usize,
    /// Fold, if the study has folds.
    pub fold: Option<usize>,
    pub train: Prepared,
    pub test: Prepared,
    pub preprocess: FittedPreprocess,
}

/// The parts of a study that trains in one process.
pub(super) fn parts(job: &Job) -> Result<Vec<Part>, StudyError> {
    let held_out = job.cohorts.held_out();
    let chosen: Vec<(Option<String>, usize, Dataset)> = match job.study.train.arm {
        Arm::Isolated => sites(job)?,
        _ => vec![(None, 0, job.cohorts.pooled())],
    };
    let mut parts = Vec::new();
    for (site, index, rows) in chosen {
        let folds = match job.study.split.folds {
            0 => vec![(None, rows.clone(), held_out.clone())],
            k => {
                // Folds take the place of the held-out set: every patient is in one of them.
                let all = Dataset::concat(&job.cohorts.schema, [&rows, &held_out]);
                let drawn = split::folds(all.n, k as usize, job.study.split.seed)?;
                let fold =
                    |(f, s): (usize, split::Split)| (Some(f), all.subset(&s.train), all.subset(&s.test));
                drawn.into_iter().enumerate().map(fold).collect()
            }
        };
        for (fold, train, test) in folds {
            let all: Vec<usize> = (0..train.n).collect();
            let preprocess = FittedPreprocess::fit(&preprocessing(job.study), &train, &all, &Here)?;
            warn_constant(job, &preprocess);
            let train = Prepared::new(train, &preprocess)?;
            let test = Prepared::new(test, &preprocess)?;
            parts.push(Part { site: site.clone(), index, fold, train, test, preprocess });
        }
    }
    Ok(parts)
}

pub(super) fn warn_constant(job: &Job, preprocess: &FittedPreprocess) {
    if !preprocess.constant.is_empty() {
        let names = preprocess.constant.join(", ");
        job.watch.warn(&format!("constant over the training patients, without effect: {names}"));
    }
}

fn sites(job: &Job) -> Result<Vec<(Option<String>, usize, Dataset)>, StudyError> {
    let sites = &job.cohorts.sites;
    let by_size = |s: &&crate::cohorts::Site| s.train.n;
    let chosen: Vec<&crate::cohorts::Site> = match &job.study.train.site {
        SiteChoice::All => sites.iter().collect(),
        SiteChoice::Smallest => {
            sites.iter().filter(|s| s.train.n > 0).min_by_key(by_size).into_iter().collect()
        }
        SiteChoice::Largest => sites.iter().rev().max_by_key(by_size).into_iter().collect(),
        SiteChoice::Name(name) => sites.iter().filter(|s| s.name == *name).collect(),
    };
    if chosen.is_empty() {
        let name = match &job.study.train.site {
            SiteChoice::Name(name) => name.clone(),
            _ => "any with patients".to_owned(),
        };
        return Err(StudyError::Site { name, known: job.cohorts.names.join(", ") });
    }
    Ok(chosen.into_iter().map(|s| (Some(s.name.clone()), s.index, s.train.clone())).collect())
}

/// Trains the networks of a study.
///
/// # Errors
/// Of the data, or of a checkpoint.
pub fn fit(job: &Job, phases: &mut Phases) -> Result<Fitted, StudyError> {
    let parts = phases.time("prepare", || parts(job))?;
    let replicates = Replicate::all(job.study);
    let mut problems = Vec::new();
    let mut table = Vec::new();
    for part in &parts {
        let cohort = network::cohort(&part.train)?;
        for &replicate in &replicates {
            let weights = replicate.weights(job.study, &part.train.rows, part.index);
            let weights = weights.map(|w| cohort.to_risk_order(&w));
            problems.push((Problem { cohort: cohort.clone(), seed: replicate.seed, weights }, &part.train));
            table.push(replicate.describe(part.site.as_deref(), part.fold));
        }
    }
    let inputs = parts.first().map_or(0, |p| p.train.design.p);
    let epochs = u64::from(job.study.train.epochs);
    let view = View { study: job.study, bags: job.bags, parts: &parts, replicates: &replicates };
    let training = network::training(job.study, 0.0);
    let mut batch = phases.time("prepare", || Networks::new(job, inputs, training, problems))?;
    let done = train(job, &view, &mut batch, phases)?;
    if done < epochs {
        return Ok(Fitted::Stopped(done));
    }
    phases.time("evaluate", || view.result(job, &batch, table)).map(|fit| Fitted::Done(Box::new(fit)))
}

/// Trains to the last epoch or until asked to stop; gives the epochs done.
fn train(job: &Job, view: &View, batch: &mut Networks, phases: &mut Phases) -> Result<u64, StudyError> {
    let train = &job.study.train;
    let all: Vec<usize> = (0..batch.problems()).collect();
    let store = Checkpoints::new(&job.checkpoints, job.study.identity());
    let mut done = restore(job, &store, batch)?;
    let mut metrics = job.dir.map(|d| d.metrics(done)).transpose()?;
    let epochs = u64::from(train.epochs);
    let mut next_record = boundary_after(done, train.record_every, epochs);
    let mut next_checkpoint = boundary_after(done, train.checkpoint_every, epochs);
    let stop_every = if job.bags.is_some() { 1 } else { STOP_EVERY };
    let mut since = Instant::now();
    while done < epochs {
        // Short steps, so that a signal is answered soon; they do not change a bit.
        let until = epochs.min(next_record).min(next_checkpoint).min(done + stop_every);
        let losses = phases.time("train", || batch.train(&all, until - done))?;
        done = until;
        let last: Vec<Option<f64>> = losses.iter().map(|l| l.last().copied()).collect();
        let loss = held_out::mean(&last);
        if loss.is_some_and(|l| !l.is_finite()) {
            return Err(StudyError::Diverged { step: done });
        }
        if done == next_record || done == epochs {
            let per_part = phases.time("evaluate", || view.per_seed(batch))?;
            let c_index = held_out::mean(&per_part);
            let record = Metric {
                epoch: Some(done),
                unix_time_s: osteon_core::provenance::Provenance::now().unix_time_s,
                wall_s: since.elapsed().as_secs_f64(),
                loss,
                c_index,
                ..Metric::default()
            };
            since = Instant::now();
            if let Some(metrics) = &mut metrics {
                metrics.append(&record)?;
            }
            let shown = |x: Option<f64>| x.map_or("undefined".to_owned(), |x| format!("{x:.4}"));
            job.watch.step(done, epochs, &format!("loss {}, C-index {}", shown(loss), shown(c_index)));
            next_record = boundary_after(done, train.record_every, epochs);
        }
        let stop = job.stop.requested().is_some() && done < epochs;
        if stop || done == next_checkpoint {
            phases.time("checkpoint", || save(job, &store, batch, done))?;
            next_checkpoint = boundary_after(done, train.checkpoint_every, epochs);
        }
        if stop {
            break;
        }
    }
    Ok(done)
}

/// Epochs after which a request to stop is looked for.
const STOP_EVERY: u64 = 20;

/// The next multiple of `every` after `done`; the last epoch where `every` is 0.
fn boundary_after(done: u64, every: u32, epochs: u64) -> u64 {
    match u64::from(every) {
        0 => epochs,
        every => (done / every + 1) * every,
    }
}

fn save(job: &Job, store: &Checkpoints, batch: &Networks, done: u64) -> Result<(), StudyError> {
    let b = batch.problems();
    let snapshot = Snapshot {
        round: u32::try_from(done).unwrap_or(u32::MAX),
        global: batch.all_params(),
        server: Vec::new(),
        sites: vec![SiteState { site: 0, tensors: network::optimizer_state(batch, 0..b) }],
    };
    Ok(store.save(job.comm, &snapshot)?)
}

fn restore(job: &Job, store: &Checkpoints, batch: &mut Networks) -> Result<u64, StudyError> {
    let Some(loaded) = store.load(job.comm, &[0])? else { return Ok(0) };
    loaded.warnings.iter().for_each(|w| job.watch.warn(w));
    let (b, q) = (batch.problems(), batch.len());
    let Snapshot { round, global, sites, .. } = loaded.snapshot;
    if global.len() != b * q {
        let (value, reason) = (global.len().to_string(), format!("the batch has {}", b * q));
        return Err(
            FederateError::Setting { what: "parameters in the checkpoint".into(), value, reason }.into()
        );
    }
    global.chunks(q).enumerate().for_each(|(k, params)| batch.set_params(k, params));
    let tensors = sites.into_iter().next().map(|s| s.tensors).unwrap_or_default();
    network::restore_optimizer(batch, 0..b, &tensors)?;
    Ok(u64::from(round))
}

/// Risks of patients.
type Scores = Result<Vec<f64>, StudyError>;

/// The batch seen as parts x replicates.
struct View<'v> {
    study: &'v Study,
    bags: Option<&'v Bags>,
    parts: &'v [Part],
    replicates: &'v [Replicate],
}

impl View<'_> {
    /// Places in the replicates that are not bootstraps: one per seed.
    fn seeds(&self) -> impl Iterator<Item = usize> {
        (0..self.replicates.len()).filter(|&r| self.replicates[r].bootstrap.is_none())
    }

    /// Risks of a problem for rows of its part.
    fn risks(&self, batch: &Networks, part: usize, replicate: usize, rows: &Prepared) -> Scores {
        let params = batch.params(part * self.replicates.len() + replicate);
        networks::risks(self.study, self.bags, params, rows)
    }

    /// Mean risk over the seeds.
    fn mean_risk(&self, batch: &Networks, part: usize, rows: &Prepared) -> Scores {
        let risks = self.seeds().map(|r| self.risks(batch, part, r, rows));
        Ok(network::mean_risk(&risks.collect::<Result<Vec<_>, _>>()?))
    }

    /// Concordance of each seed, averaged over sites and folds.
    fn per_seed(&self, batch: &Networks) -> Result<Vec<Option<f64>>, StudyError> {
        self.seeds().map(|r| Ok(held_out::mean(&self.per_part(batch, r)?))).collect()
    }

    fn per_part(&self, batch: &Networks, replicate: usize) -> Result<Vec<Option<f64>>, StudyError> {
        let one = |(k, part): (usize, &Part)| {
            let risks = self.risks(batch, k, replicate, &part.test)?;
            Ok(held_out::concordance_of(&part.test.rows, &risks))
        };
        self.parts.iter().enumerate().map(one).collect()
    }

    fn result(
        &self,
        job: &Job,
        batch: &Networks,
        problems: Vec<serde_json::Value>,
    ) -> Result<Fit, StudyError> {
        let single = self.parts.len() == 1;
        let first = &self.parts[0];
        let risk = single.then(|| self.mean_risk(batch, 0, &first.test)).transpose()?;
        let per_seed = self.per_seed(batch)?;
        let c_index = (first.test.rows.n > 0).then(|| {
            let asked = &self.study.evaluation;
            let scope = job.cohorts.scope;
            held_out::record(per_seed, &first.test.rows, risk.as_deref(), scope, asked, self.study.train.seed)
        });
        let sites = (self.study.train.arm == Arm::Isolated).then(|| {
            let per_part = self.seeds().map(|r| self.per_part(batch, r)).collect::<Result<Vec<_>, _>>()?;
            let result = |(k, part): (usize, &Part)| SiteResult {
                name: part.site.clone().unwrap_or_default(),
                n: part.train.rows.n as u64,
                events: part.train.rows.events() as u64,
                c_index: held_out::mean(&per_part.iter().map(|of| of[k]).collect::<Vec<_>>()),
                dropped: None,
            };
            Ok::<_, StudyError>(self.parts.iter().enumerate().map(result).collect())
        });
        let sites = sites.transpose()?;
        let baseline = match single {
            true => Some(baseline(&first.train.rows, &self.mean_risk(batch, 0, &first.train)?, self.study)?),
            false => None,
        };
        let fold = if first.fold.is_some() { ", one model per fold" } else { "" };
        let estimand = match self.study.train.arm {
            Arm::Isolated => format!("log hazard among the patients of one site{fold}"),
            _ => format!("log hazard among the pooled training patients{fold}"),
        };
        let count = |rows: &Dataset| [rows.n as u64, rows.events() as u64];
        Ok(Fit {
            estimand,
            train: count(&first.train.rows),
            test: count(&first.test.rows),
            seeds: self.seeds().map(|r| self.replicates[r].seed).collect(),
            tensors: batch.tensors(),
            params: batch.all_params(),
            problems,
            c_index,
            linear: None,
            cox: None,
            federation: None,
            sites,
            kaplan_meier: risk.and_then(|risk| held_out::by_risk(&first.test.rows, &risk)),
            columns: None,
            predictor: Predictor {
                schema: osteon_report::records::SCHEMA,
                preprocess: self.parts.iter().map(|p| p.preprocess.clone()).collect(),
                baseline,
                strata: strata(&first.train.rows),
                coefficients: Vec::new(),
            },
        })
    }
}

/// The baseline hazard of training patients under their risks.
pub(super) fn baseline(rows: &Dataset, risk: &[f64], study: &Study) -> Result<BaselineHazard, StudyError> {
    let outcome = rows.survival()?;
    let outcome = Outcome {
        time: &outcome.time,
        event: &outcome.event,
        entry: outcome.entry.as_deref(),
        strata: outcome.strata.as_ref().map(|s| s.codes.as_slice()),
        weights: outcome.weights.as_deref(),
    };
    Ok(BaselineHazard::fit(&outcome, risk, network::ties(study))?)
}

pub(super) fn strata(rows: &Dataset) -> Vec<String> {
    rows.outcome.as_ref().and_then(|o| o.strata.as_ref()).map(|s| s.names.clone()).unwrap_or_default()
}
