//! Sites as learners of a federation.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use osteon_core::phases::Phases;
use osteon_data::FittedPreprocess;
use osteon_federate::checkpoint::{Checkpoints, SiteState, StoredTensor, Values};
use osteon_federate::metrics::{Pairs, SiteMetrics};
use osteon_federate::privacy::Secret;
use osteon_federate::rounds::{
    Ended, Federation, Learner, LocalJob, LocalUpdate, Lost, OnSiteFailure, Outcome, Plan, RoundRecord,
};
use osteon_federate::sampling::ClientSampling;
use osteon_federate::sites::{SiteInfo, Weights};
use osteon_federate::strategies::{Key, Sends, Strategy, entry, strategy};
use osteon_federate::{CommReduce, FederateError, TensorSpec};
use osteon_models::cohort::Cohort;
use osteon_models::deepsurv::Problem;
use osteon_report::records::{Dropped, SiteMetric, SiteResult};
use osteon_report::{Lines, Metric};

use super::network::{self, Replicate};
use super::networks::{self, Moments, Networks};
use super::private::{self, Secrets};
use super::result::{Fit, Predictor};
use super::{Fitted, Job, Prepared, held_out, preprocessing, shared};
use crate::bags::Bags;
use crate::cohorts::Scope;
use crate::config::{self, LocalState, SiteWeights};
use crate::source::Source;
use crate::{Study, StudyError};

/// Name of the control variates among a site's tensors.
const CONTROL: &str = "control";

/// The sites of one rank, each with a problem per replicate.
pub(super) struct Sites<'s> {
    study: &'s Study,
    pub tensors: Vec<TensorSpec>,
    pub replicates: Vec<Replicate>,
    infos: Vec<SiteInfo>,
    /// Held-out patients of each site held here; empty under a common test set.
    own_tests: Vec<Prepared>,
    common_test: Prepared,
    /// Problems `[site held here, replicate]`.
    batch: Networks<'s>,
    bags: Option<&'s Bags>,
    /// The site's own file, for those held here that have one.
    sources: Vec<Option<Source>>,
    /// Control variates of each problem (`[P]`, trainable parameters), where the strategy has them.
    control: Vec<Vec<f32>>,
    /// What the noise of each site held here is made from; empty without privacy.
    secrets: Secrets,
    /// Loss of the last local epoch of each problem.
    losses: Vec<Option<f64>>,
    /// Mean concordance over the seeds on the common test set, after the last evaluation.
    common: &'s Cell<Option<f64>>,
}

impl Sites<'_> {
    fn place(&self, site: usize) -> Option<usize> {
        self.infos.iter().position(|s| s.index == site)
    }

    fn problems(&self, place: usize) -> std::ops::Range<usize> {
        let g = self.replicates.len();
        place * g..(place + 1) * g
    }
}

impl Learner for Sites<'_> {
    fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    fn groups(&self) -> usize {
        self.replicates.len()
    }

    fn trainable(&self) -> usize {
        self.batch.trainable()
    }

    fn sites(&self) -> &[SiteInfo] {
        &self.infos
    }

    fn train_local(
        &mut self,
        global: &[f32],
        job: &LocalJob<'_>,
        send: &mut dyn FnMut(usize, Result<LocalUpdate<'_>, FederateError>),
    ) -> Result<(), FederateError> {
        let mut places = Vec::new();
        for &site in &job.taking_part {
            let Some(place) = self.place(site) else { continue };
            match self.sources[place].as_ref().map_or(Ok(()), Source::check) {
                Ok(()) => places.push((site, place)),
                Err(e) => send(site, Err(FederateError::local(&e))),
            }
        }
        let which: Vec<usize> = places.iter().flat_map(|&(_, place)| self.problems(place)).collect();
        let q = self.batch.len();
        let local_epochs = u64::from(self.study.federation.local_epochs);
        for &problem in &which {
            // By the round, not by a count of one's own: a resumed run has none.
            self.batch.start_at(problem, u64::from(job.round - 1) * local_epochs);
            let group = problem % self.replicates.len();
            self.batch.set_params(problem, &global[group * q..(group + 1) * q]);
            if self.study.federation.local_state == LocalState::Reset {
                self.batch.reset_optimizer(problem);
            }
            if let Some(server) = job.control {
                let server = &server[group * q..][..self.batch.trainable()];
                let correction = server.iter().zip(&self.control[problem]).map(|(c, own)| c - own);
                self.batch.correct_gradients(problem, correction.collect());
            }
        }
        // Networks of columns are one batch; slides are read, which may fail at one site.
        let together = if self.bags.is_some() { 1 } else { places.len().max(1) };
        let mut trained = Vec::new();
        for places in places.chunks(together) {
            let which: Vec<usize> = places.iter().flat_map(|&(_, place)| self.problems(place)).collect();
            match self.batch.train(&which, local_epochs).map_err(FederateError::from) {
                Ok(losses) => {
                    for (&problem, losses) in which.iter().zip(losses) {
                        self.losses[problem] = losses.last().copied();
                    }
                    trained.extend_from_slice(places);
                }
                Err(e) if self.bags.is_some() => send(places[0].0, Err(e)),
                Err(e) => return Err(e),
            }
        }
        for (site, place) in trained {
            let problems = self.problems(place);
            let changes: Vec<Vec<f32>> = match job.control {
                Some(_) => problems.clone().map(|problem| self.renew_control(problem)).collect(),
                None => Vec::new(),
            };
            let params: Vec<&[f32]> = problems.map(|problem| self.batch.params(problem)).collect();
            let control: Vec<&[f32]> = changes.iter().map(Vec::as_slice).collect();
            send(site, Ok(LocalUpdate { params: &params, control: &control }));
        }
        Ok(())
    }

    fn evaluate(&mut self, global: &[f32], _round: u32) -> Result<Vec<SiteMetrics>, FederateError> {
        let q = self.batch.len();
        let network = Network { study: self.study, bags: self.bags, q, replicates: &self.replicates };
        if self.common_test.rows.n > 0 {
            self.common.set(held_out::mean(&network.per_seed(global, &self.common_test)?));
        }
        let mut metrics = Vec::new();
        for (place, info) in self.infos.iter().enumerate() {
            for group in 0..self.replicates.len() {
                let test = &self.own_tests[place];
                let counts = held_out::pairs(&test.rows, &network.risks(global, group, test)?);
                metrics.push(SiteMetrics {
                    site: info.index,
                    group,
                    loss: self.losses[place * self.replicates.len() + group],
                    patients: test.rows.n as u64,
                    events: test.rows.events() as u64,
                    pairs: Pairs {
                        concordant: counts.concordant,
                        discordant: counts.discordant,
                        tied: counts.tied_risk,
                    },
                });
            }
        }
        Ok(metrics)
    }

    fn state(&self) -> Vec<SiteState> {
        let site = |(place, info): (usize, &SiteInfo)| {
            let mut tensors = match self.study.federation.local_state {
                LocalState::Reset => Vec::new(),
                LocalState::Keep => network::optimizer_state(&self.batch, self.problems(place)),
            };
            let control = &self.control[self.problems(place)];
            if !control.is_empty() && !control[0].is_empty() {
                let shape = vec![control.len(), control[0].len()];
                tensors.push(StoredTensor::new(CONTROL, shape, Values::F32(control.concat())));
            }
            tensors.extend(private::store(&self.secrets, place));
            SiteState { site: info.index, tensors }
        };
        let sites = self.infos.iter().enumerate().map(site);
        sites.filter(|s| !s.tensors.is_empty()).collect()
    }

    fn restore(&mut self, state: Vec<SiteState>) -> Result<(), FederateError> {
        for site in state {
            if let Some(place) = self.place(site.site) {
                let problems = self.problems(place);
                if self.study.federation.local_state == LocalState::Keep {
                    network::restore_optimizer(&mut self.batch, problems.clone(), &site.tensors)?;
                }
                private::restore(&self.secrets, place, &site.tensors);
                if let Some(Values::F32(control)) =
                    site.tensors.iter().find(|t| t.name == CONTROL).map(|t| &t.values)
                {
                    let width = self.batch.trainable();
                    let restored = self.control[problems].iter_mut().zip(control.chunks(width));
                    restored.for_each(|(own, saved)| own.copy_from_slice(saved));
                }
            }
        }
        Ok(())
    }
}

impl Sites<'_> {
    /// Replaces a problem's control variates by the mean gradient of the steps just made; gives what they
    /// change by, `[P]` with zeros for the buffers.
    fn renew_control(&mut self, problem: usize) -> Vec<f32> {
        let mut change = vec![0.0; self.batch.len()];
        let own = &mut self.control[problem];
        for ((change, own), &new) in change.iter_mut().zip(own).zip(&self.batch.mean_gradient(problem)) {
            (*change, *own) = (new - *own, new);
        }
        change
    }
}

/// The global network, for predictions from its parameters `[G, Q]`.
pub(super) struct Network<'n> {
    pub study: &'n Study,
    pub bags: Option<&'n Bags>,
    pub q: usize,
    pub replicates: &'n [Replicate],
}

impl Network<'_> {
    fn risks(&self, global: &[f32], group: usize, rows: &Prepared) -> Result<Vec<f64>, StudyError> {
        let params = &global[group * self.q..(group + 1) * self.q];
        networks::risks(self.study, self.bags, params, rows)
    }

    /// Groups that are not bootstraps: one per seed.
    fn seeds(&self) -> impl Iterator<Item = usize> {
        (0..self.replicates.len()).filter(|&g| self.replicates[g].bootstrap.is_none())
    }

    fn per_seed(&self, global: &[f32], rows: &Prepared) -> Result<Vec<Option<f64>>, StudyError> {
        let one = |g| Ok(held_out::concordance_of(&rows.rows, &self.risks(global, g, rows)?));
        self.seeds().map(one).collect()
    }

    pub fn mean_risk(&self, global: &[f32], rows: &Prepared) -> Result<Vec<f64>, StudyError> {
        let risks = self.seeds().map(|g| self.risks(global, g, rows));
        Ok(network::mean_risk(&risks.collect::<Result<Vec<_>, _>>()?))
    }
}

/// Trains the federation of a study; all ranks call it.
///
/// # Errors
/// Of any rank, on all ranks alike.
pub fn fit(job: &Job, phases: &mut Phases) -> Result<Fitted, StudyError> {
    let study = job.study;
    let prepared = phases.time("prepare", || prepare(job));
    let (preprocess, sites) = job.comm.agree(prepared.map_err(FederateError::from))?;
    let common = Cell::new(None);
    let learner = learner(job, &preprocess, sites, &common);
    let mut learner = job.comm.agree(learner.map_err(FederateError::from))?;
    let initial: Vec<f32> = learner.replicates.iter().flat_map(|r| learner.batch.initial(r.seed)).collect();
    let names = &job.cohorts.names;
    let mut lines: Option<Lines> = None;
    let mut failed: Option<StudyError> = None;
    let mut last: Option<RoundRecord> = None;
    let (replicates, rounds) = (learner.replicates.clone(), u64::from(study.federation.rounds));
    let mut on_round = |record: &RoundRecord| {
        phases.add("train", Duration::from_secs_f64(record.local_s));
        phases.add("aggregate", Duration::from_secs_f64(record.aggregate_s));
        phases.add("evaluate", Duration::from_secs_f64(record.evaluate_s));
        phases.wait(Duration::from_secs_f64((record.local_max_s - record.local_s).max(0.0)));
        for lost in &record.lost {
            let Lost { site, round, reason } = lost;
            job.watch.warn(&format!("from round {round} on without site '{}': {reason}", names[*site]));
        }
        let metric = metric(record, names, &replicates, common.get(), job.cohorts.scope);
        if let Some(dir) = job.dir {
            let opened = match lines.take() {
                Some(lines) => Ok(lines),
                None => dir.metrics(u64::from(record.round) - 1),
            };
            match opened.and_then(|mut l| l.append(&metric).map(|()| l).map_err(StudyError::from)) {
                Ok(l) => lines = Some(l),
                Err(e) => failed = Some(e),
            }
        }
        let shown = |x: Option<f64>| x.map_or("undefined".to_owned(), |x| format!("{x:.4}"));
        let note = format!("loss {}, C-index {}", shown(metric.loss), shown(metric.c_index));
        job.watch.step(u64::from(record.round), rounds, &note);
        last = Some(record.clone());
    };
    let federation = Federation {
        comm: job.comm,
        plan: plan(study),
        strategy: server(study)?,
        checkpoints: Some(Checkpoints::new(&job.checkpoints, study.identity())),
        on_round: &mut on_round,
        stop: &|| job.stop.requested().is_some(),
    };
    let outcome = federation.run(&mut learner, initial)?;
    if let Some(error) = failed {
        return Err(error);
    }
    outcome.warnings.iter().for_each(|w| job.watch.warn(w));
    if outcome.ended == Ended::Stopped {
        return Ok(Fitted::Stopped(u64::from(outcome.rounds)));
    }
    let fit = phases.time("evaluate", || {
        let mut fit = result(job, learner, &outcome, last, preprocess)?;
        let q = outcome.global.len() / replicates.len();
        let network = Network { study, bags: job.bags, q, replicates: &replicates };
        shared::publish(job, &mut fit, &|rows| network.mean_risk(&outcome.global, rows))?;
        Ok::<_, StudyError>(fit)
    })?;
    Ok(Fitted::Done(Box::new(fit)))
}

/// Fits the preprocessing over all sites and applies it to those held here.
pub(super) fn prepare(job: &Job) -> Result<(FittedPreprocess, Vec<(Prepared, Prepared)>), StudyError> {
    let pooled = job.cohorts.pooled();
    let rows: Vec<usize> = (0..pooled.n).collect();
    let spec = preprocessing(job.study);
    let preprocess = match job.study.federation.privacy {
        Some(_) => private::preprocess(&spec, &pooled, &rows)?,
        None => FittedPreprocess::fit(&spec, &pooled, &rows, &CommReduce(job.comm))?,
    };
    super::local::warn_constant(job, &preprocess);
    let site = |s: &crate::cohorts::Site| {
        Ok((Prepared::new(s.train.clone(), &preprocess)?, Prepared::new(s.test.clone(), &preprocess)?))
    };
    let sites = job.cohorts.sites.iter().map(site).collect::<Result<_, StudyError>>()?;
    Ok((preprocess, sites))
}

pub(super) fn learner<'s>(
    job: &'s Job,
    preprocess: &FittedPreprocess,
    sites: Vec<(Prepared, Prepared)>,
    common: &'s Cell<Option<f64>>,
) -> Result<Sites<'s>, StudyError> {
    let study = job.study;
    let replicates = Replicate::all(study);
    let strategy = server(study)?;
    let (mut problems, mut infos) = (Vec::new(), Vec::new());
    for (site, (train, _)) in job.cohorts.sites.iter().zip(&sites) {
        let cohort: Arc<Cohort> = network::cohort(train)?;
        let (mut patients, mut events) = (Vec::new(), Vec::new());
        for replicate in &replicates {
            let weights = replicate.weights(study, &train.rows, site.index);
            patients.push(count(&weights, train.rows.n, |_| true));
            let event = train.rows.survival()?.event.clone();
            events.push(count(&weights, train.rows.n, |i| event[i]));
            let weights = weights.map(|w| cohort.to_risk_order(&w));
            problems.push((Problem { cohort: cohort.clone(), seed: replicate.seed, weights }, train));
        }
        infos.push(SiteInfo { index: site.index, name: site.name.clone(), patients, events });
    }
    let training = network::training(study, f64::from(strategy.proximal_mu()));
    let mut batch = Networks::new(job, preprocess.names().len(), training, problems)?;
    let own_tests = sites.into_iter().map(|(_, test)| test).collect();
    let secrets: Secrets = match study.federation.privacy {
        Some(_) => Arc::new(Mutex::new(infos.iter().map(|_| Secret::draw()).collect::<Result<_, _>>()?)),
        None => Arc::default(),
    };
    if let Some(asked) = &study.federation.privacy {
        let privacy = private::privacy(asked, replicates.len(), secrets.clone());
        batch = batch.map_columns(|batch| batch.with_privacy(privacy));
    }
    let corrects = entry(study.federation.strategy.name())?.sends == Sends::SumAndControl;
    let controls = if corrects { batch.trainable() } else { 0 };
    Ok(Sites {
        study,
        tensors: batch.tensors(),
        losses: vec![None; batch.problems()],
        control: vec![vec![0.0; controls]; batch.problems()],
        secrets,
        sources: job.cohorts.sites.iter().map(|s| s.source.clone()).collect(),
        replicates,
        infos,
        own_tests,
        common_test: Prepared::new(job.cohorts.test.clone(), preprocess)?,
        bags: job.bags,
        batch,
        common,
    })
}

/// Patients with weight, or the multiplicity in a bootstrap, among the rows that `counts`.
fn count(weights: &Option<Vec<f32>>, n: usize, counts: impl Fn(usize) -> bool) -> u64 {
    let weight = |i: usize| weights.as_ref().map_or(1.0, |w| f64::from(w[i]));
    (0..n).filter(|&i| counts(i)).map(weight).sum::<f64>().round() as u64
}

fn plan(study: &Study) -> Plan {
    let fed = &study.federation;
    Plan {
        rounds: fed.rounds,
        seed: study.train.seed,
        weights: match fed.weights {
            SiteWeights::Patients => Weights::Patients,
            SiteWeights::Events => Weights::Events,
            SiteWeights::Uniform => Weights::Uniform,
        },
        sampling: if fed.fraction < 1.0 {
            ClientSampling::Fraction(fed.fraction)
        } else {
            ClientSampling::All
        },
        scale_bits: fed.scale_bits.map(|b| b as i32),
        on_site_failure: match fed.on_site_failure {
            config::OnSiteFailure::Abort => OnSiteFailure::Abort,
            config::OnSiteFailure::Drop => OnSiteFailure::Drop,
        },
        secure: fed.secure,
        save_start: fed.privacy.is_some(),
        evaluate_every: 1,
        checkpoint_every: fed.checkpoint_every,
        deadline: (fed.round_deadline_s > 0.0).then(|| Duration::from_secs_f64(fed.round_deadline_s)),
    }
}

fn server(study: &Study) -> Result<Box<dyn Strategy>, StudyError> {
    let fed = &study.federation;
    let name = fed.strategy.name();
    let option = |key: &Key| Some((key.name.to_owned(), fed.option(key.name)?));
    let options: BTreeMap<String, f64> = entry(name)?.keys.iter().filter_map(option).collect();
    Ok(strategy(name, &options)?)
}

/// Concordance of each seed over all sites' own held-out patients.
fn within_sites(record: &RoundRecord, replicates: &[Replicate]) -> Vec<Option<f64>> {
    let seeds = (0..replicates.len()).filter(|&g| replicates[g].bootstrap.is_none());
    let one = |g: usize| ratio(record.sites.iter().filter(|s| s.group == g).map(|s| s.pairs));
    seeds.map(one).collect()
}

pub(super) fn ratio(pairs: impl Iterator<Item = Pairs>) -> Option<f64> {
    let (mut concordant, mut all) = (0.0, 0.0);
    for p in pairs {
        concordant += p.concordant as f64 + 0.5 * p.tied as f64;
        all += (p.concordant + p.discordant + p.tied) as f64;
    }
    (all > 0.0).then(|| concordant / all)
}

pub(super) fn metric(
    record: &RoundRecord,
    names: &[String],
    replicates: &[Replicate],
    common: Option<f64>,
    scope: Scope,
) -> Metric {
    let seeds: Vec<usize> = (0..replicates.len()).filter(|&g| replicates[g].bootstrap.is_none()).collect();
    let of_seeds = || record.sites.iter().filter(|s| seeds.contains(&s.group));
    let site = |(k, name): (usize, &String)| SiteMetric {
        name: name.clone(),
        loss: held_out::mean(&of_seeds().filter(|s| s.site == k).map(|s| s.loss).collect::<Vec<_>>()),
        c_index: held_out::mean(
            &of_seeds().filter(|s| s.site == k).map(|s| ratio(std::iter::once(s.pairs))).collect::<Vec<_>>(),
        ),
        took_part: record.taking_part.contains(&k),
    };
    Metric {
        round: Some(u64::from(record.round)),
        unix_time_s: osteon_core::provenance::Provenance::now().unix_time_s,
        wall_s: record.round_s,
        loss: held_out::mean(&of_seeds().map(|s| s.loss).collect::<Vec<_>>()),
        c_index: match scope {
            Scope::Common => common,
            Scope::WithinSite => held_out::mean(&within_sites(record, replicates)),
        },
        bytes: Some(record.bytes),
        sites: names.iter().enumerate().map(site).collect(),
        ..Metric::default()
    }
}

pub(super) fn result(
    job: &Job,
    learner: Sites,
    outcome: &Outcome,
    last: Option<RoundRecord>,
    preprocess: FittedPreprocess,
) -> Result<Fit, StudyError> {
    let study = job.study;
    let q = learner.batch.len();
    let network = Network { study, bags: job.bags, q, replicates: &learner.replicates };
    let test = &learner.common_test;
    let scope = job.cohorts.scope;
    let risk = (test.rows.n > 0).then(|| network.mean_risk(&outcome.global, test)).transpose()?;
    let per_seed = match (&risk, &last) {
        (Some(_), _) => Some(network.per_seed(&outcome.global, test)?),
        (None, Some(record)) if scope == Scope::WithinSite => Some(within_sites(record, &learner.replicates)),
        _ => None,
    };
    let c_index = per_seed.map(|per_seed| {
        held_out::record(per_seed, &test.rows, risk.as_deref(), scope, &study.evaluation, study.train.seed)
    });
    let of_site = |k: usize| last.iter().flat_map(|r| &r.sites).filter(move |s| s.site == k);
    let group = network.seeds().next().unwrap_or(0);
    let sites: Vec<SiteResult> = outcome
        .roster
        .sites
        .iter()
        .map(|s| SiteResult {
            name: s.name.clone(),
            n: s.patients[group],
            events: s.events[group],
            c_index: ratio(of_site(s.index).filter(|m| m.group == group).map(|m| m.pairs)),
            dropped: outcome
                .lost
                .iter()
                .find(|l| l.site == s.index)
                .map(|l| Dropped { round: u64::from(l.round), reason: l.reason.clone() }),
        })
        .collect();
    let held = |of: fn(&SiteMetrics) -> u64| -> u64 {
        last.iter().flat_map(|r| &r.sites).filter(|m| m.group == group).map(of).sum()
    };
    let test_counts = match scope {
        Scope::Common => [test.rows.n as u64, test.rows.events() as u64],
        Scope::WithinSite => [held(|m| m.patients), held(|m| m.events)],
    };
    Ok(Fit {
        estimand: estimand(study),
        train: [sites.iter().map(|s| s.n).sum(), sites.iter().map(|s| s.events).sum()],
        test: test_counts,
        seeds: network.seeds().map(|g| learner.replicates[g].seed).collect(),
        tensors: learner.tensors.clone(),
        problems: learner.replicates.iter().map(|r| r.describe(None, None)).collect(),
        c_index,
        linear: None,
        cox: None,
        federation: Some((u64::from(outcome.rounds), last.map_or(0, |r| r.bytes), sites)),
        sites: None,
        kaplan_meier: risk.and_then(|risk| held_out::by_risk(&test.rows, &risk)),
        columns: None,
        predictor: Predictor {
            schema: osteon_report::records::SCHEMA,
            preprocess: vec![preprocess],
            baseline: None,
            strata: Vec::new(),
            coefficients: Vec::new(),
        },
        params: outcome.global.clone(),
    })
}

fn estimand(study: &Study) -> String {
    let weights = match study.federation.weights {
        SiteWeights::Patients => "weighted by patients",
        SiteWeights::Events => "weighted by events",
        SiteWeights::Uniform => "equally weighted",
    };
    format!(
        "log hazard within sites: each site's loss has the risk sets of its own patients, so the average of the \
         sites' models ({weights}) aims at the site-stratified partial likelihood, not at the pooled one"
    )
}
