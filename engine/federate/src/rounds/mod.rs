//! The round loop of a federation.
//!
//! Per round: draw the sites, train them where they are held, add their parameters in one collective,
//! move the global model on every rank alike, exchange metrics, agree whether to stop. A fault anywhere
//! is carried into the next collective, so no rank ever waits for one that has given up.

mod collect;
mod learner;
mod lost;
mod record;

use std::time::{Duration, Instant};

pub use learner::{Learner, LocalJob, LocalUpdate};
pub use lost::{Lost, OnSiteFailure};
pub use record::{Ended, Outcome, RoundRecord};

use collect::Collector;
use osteon_core::{ExitCode, Failure};

use crate::aggregate::Masks;
use crate::checkpoint::{Checkpoints, Snapshot};
use crate::message::Kind;
use crate::metrics;
use crate::sampling::ClientSampling;
use crate::sites::{Roster, Weights};
use crate::strategies::{Shape, Strategy};
use crate::tensors::describe;
use crate::{Comm, FederateError, ParamScale, TensorSpec};

/// What the study file says about the rounds.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rounds of the whole run.
    pub rounds: u32,
    /// The run's seed, for client sampling.
    pub seed: u64,
    /// What a site weighs.
    pub weights: Weights,
    /// Which sites take part.
    pub sampling: ClientSampling,
    /// Exponent of the fixed-point scale; chosen from the total weight if `None`.
    pub scale_bits: Option<i32>,
    /// Metrics every so many rounds and after the last; 0 for none at all.
    pub evaluate_every: u32,
    /// Checkpoint every so many rounds, besides at the end; 0 for none in between.
    pub checkpoint_every: u32,
    /// What a fault at one site does.
    pub on_site_failure: OnSiteFailure,
    /// Write a checkpoint before the first round: the sites hold something that must not be drawn twice.
    pub save_start: bool,
    /// Mask the sums, so that no rank sees what another one sends.
    pub secure: bool,
    /// Longest time a round may take before the job is ended; `None` waits for ever.
    pub deadline: Option<Duration>,
}

/// A federation, ready to run.
pub struct Federation<'f> {
    /// This rank's place.
    pub comm: &'f Comm,
    /// Its plan.
    pub plan: Plan,
    /// How the mean moves the model.
    pub strategy: Box<dyn Strategy>,
    /// Where checkpoints go.
    pub checkpoints: Option<Checkpoints>,
    /// Told after every round, on every rank.
    pub on_round: &'f mut dyn FnMut(&RoundRecord),
    /// Asked after every round: whether this rank wants to stop (a signal, the time budget).
    pub stop: &'f dyn Fn() -> bool,
}

impl Federation<'_> {
    /// Runs the rounds, from the newest checkpoint if there is one, else from `initial` (`[G, P]`, the same
    /// on all ranks).
    ///
    /// # Errors
    /// Of any rank, on all ranks alike (see [`FederateError::is_agreed`]); or a lost rank.
    ///
    /// # Panics
    /// If `initial` is not `G * P` long.
    pub fn run(mut self, learner: &mut dyn Learner, initial: Vec<f32>) -> Result<Outcome, FederateError> {
        let (comm, groups) = (self.comm, learner.groups());
        let tensors = learner.tensors().to_vec();
        let params: usize = tensors.iter().map(TensorSpec::len).sum();
        assert_eq!(initial.len(), groups * params, "initial parameters of another model");
        comm.require_same("the model", &format!("{groups} problems of {}", describe(&tensors)))?;
        let roster = Roster::meet(comm, learner.sites(), groups)?;
        comm.holds(&learner.sites().iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", "));
        if let (Some(store), true) = (&self.checkpoints, self.plan.deadline.is_some()) {
            let of_rank = |r: usize| {
                let names = roster.sites.iter().filter(|s| roster.rank_of[s.index] == r);
                names.map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            comm.know_each_other(store.dir(), (0..comm.size()).map(of_rank).collect())?;
        }
        let shape = Shape { groups, params, trainable: learner.trainable() };
        self.strategy.begin(shape);
        let mut state = self.start(learner, initial)?;
        let resumed_from = (state.round > 0).then_some(state.round);
        let eligible = roster.eligible(self.plan.weights, groups);
        let total = roster.total_weight(self.plan.weights, groups);
        let scale = match self.plan.scale_bits {
            Some(bits) => ParamScale::with_bits(bits, total)?,
            None => ParamScale::choose(total),
        };
        let masks = match self.plan.secure {
            true => Some(self.masks(learner, &roster)?),
            false => None,
        };
        let weights = self.plan.weights;
        let mut collector = Collector::new(&*self.strategy, masks, weights, scale, &tensors, shape);
        if self.plan.save_start && state.fresh {
            self.save(learner, &state)?;
        }
        let mut ended = Ended::Finished;
        while state.round < self.plan.rounds {
            // Over the checkpoint too, in which a rank can be lost like anywhere else.
            let what = format!("round {}", state.round + 1);
            let _deadline = self.plan.deadline.map(|d| comm.deadline(d, &what));
            let stop = self.round(learner, &roster, &eligible, &mut collector, &mut state)?;
            let last = state.round == self.plan.rounds;
            if stop && !last {
                ended = Ended::Stopped;
            }
            let every = self.plan.checkpoint_every;
            if last || stop || (every > 0 && state.round.is_multiple_of(every)) {
                self.save(learner, &state)?;
            }
            if stop {
                break;
            }
        }
        Ok(Outcome {
            global: state.global,
            rounds: state.round,
            ended,
            resumed_from,
            roster,
            lost: state.lost,
            warnings: state.warnings,
        })
    }

    fn start(&mut self, learner: &mut dyn Learner, initial: Vec<f32>) -> Result<Progress, FederateError> {
        let fresh =
            Progress { global: initial, round: 0, lost: Vec::new(), warnings: Vec::new(), fresh: true };
        let Some(store) = &self.checkpoints else { return Ok(fresh) };
        let held: Vec<usize> = learner.sites().iter().map(|s| s.index).collect();
        let Some(loaded) = store.load(self.comm, &held)? else { return Ok(fresh) };
        let mut snapshot = loaded.snapshot;
        let lost = lost::restore(&mut snapshot.server);
        let fits = match snapshot.global.len() == fresh.global.len() {
            true => self.strategy.restore(&snapshot.server).and_then(|()| learner.restore(snapshot.sites)),
            false => Err(FederateError::Setting {
                what: "parameters in the checkpoint".into(),
                value: snapshot.global.len().to_string(),
                reason: format!("the model has {}", fresh.global.len()),
            }),
        };
        self.comm.agree(fits)?;
        let Snapshot { global, round, .. } = snapshot;
        Ok(Progress { global, round, lost, warnings: loaded.warnings, fresh: false })
    }

    /// The keys of a secure run.
    fn masks(&self, learner: &dyn Learner, roster: &Roster) -> Result<Masks, FederateError> {
        // Decided alike on every rank.
        let refuse = |reason: &str| FederateError::Setting {
            what: "federation.secure".into(),
            value: "true".into(),
            reason: reason.into(),
        };
        if self.strategy.each().is_some() {
            return Err(refuse("this strategy looks at the parameters of each site, which masks would hide"));
        }
        if self.plan.on_site_failure == OnSiteFailure::Drop {
            return Err(refuse("the sum over the sites that are left would bare the one that was dropped"));
        }
        let held: Vec<usize> = learner.sites().iter().map(|s| s.index).collect();
        Masks::agree(self.comm, &held, roster.sites.len())
    }

    fn save(&self, learner: &dyn Learner, state: &Progress) -> Result<(), FederateError> {
        let Some(store) = &self.checkpoints else { return Ok(()) };
        let mut server = self.strategy.state();
        server.extend(lost::store(&state.lost));
        let snapshot =
            Snapshot { round: state.round, global: state.global.clone(), server, sites: learner.state() };
        store.save(self.comm, &snapshot)
    }

    /// One round; says whether any rank wants to stop.
    fn round(
        &mut self,
        learner: &mut dyn Learner,
        roster: &Roster,
        eligible: &[usize],
        collector: &mut Collector,
        state: &mut Progress,
    ) -> Result<bool, FederateError> {
        let comm = self.comm;
        let number = state.round + 1;
        let (start, sent) = (Instant::now(), comm.bytes_sent());
        // Computed alike on every rank, so an error here is everybody's.
        let present: Vec<usize> =
            eligible.iter().copied().filter(|k| state.lost.iter().all(|l| l.site != *k)).collect();
        let taking_part = self.plan.sampling.draw(self.plan.seed, number, &present)?;
        let job = LocalJob {
            round: number,
            taking_part: taking_part.iter().copied().filter(|&k| roster.rank_of[k] == comm.rank()).collect(),
            proximal_mu: self.strategy.proximal_mu(),
            control: self.strategy.control(),
        };
        collector.clear(&job.taking_part);
        let mut lost = Vec::new();
        match train(learner, &state.global, &job, roster, collector) {
            Err(fault) => collector.refuse(fault),
            Ok(failed) => {
                for (site, fault) in failed {
                    match self.plan.on_site_failure {
                        OnSiteFailure::Abort => collector.refuse(fault),
                        OnSiteFailure::Drop => {
                            lost.push(Lost { site, round: number, reason: fault.to_string() });
                        }
                    }
                }
            }
        }
        let local = start.elapsed();
        collector.finish(comm, number, roster, &taking_part, &mut *self.strategy, &mut state.global)?;
        if self.plan.on_site_failure == OnSiteFailure::Drop {
            lost = lost::share(comm, &lost)?;
            state.lost.extend(lost.iter().cloned());
            state.lost.sort();
        }
        state.round = number;
        let aggregated = start.elapsed();

        let every = self.plan.evaluate_every;
        let evaluate = every > 0 && (number.is_multiple_of(every) || number == self.plan.rounds);
        let groups = learner.groups();
        let mut mine = if evaluate { learner.evaluate(&state.global, number) } else { Ok(Vec::new()) };
        if let Ok(mine) = &mut mine {
            mine.retain(|m| state.lost.iter().all(|l| l.site != m.site));
        }
        let slots = if evaluate { roster.sites.len() } else { 0 };
        let evaluated = start.elapsed();
        let local_us = local.as_micros() as u64;
        let (sites, all_us) = metrics::exchange(comm, (slots, groups), mine, local_us)?;
        let mut most = [u64::from((self.stop)()), local_us];
        comm.max(Kind::Max, &mut most)?;
        (self.on_round)(&RoundRecord {
            round: number,
            taking_part: taking_part.into_iter().filter(|k| lost.iter().all(|l| l.site != *k)).collect(),
            lost,
            sites,
            bytes: comm.bytes_sent() - sent,
            local_s: local.as_secs_f64(),
            local_max_s: most[1] as f64 * 1e-6,
            local_mean_s: all_us as f64 * 1e-6 / comm.size() as f64,
            aggregate_s: (aggregated - local).as_secs_f64(),
            evaluate_s: (evaluated - aggregated).as_secs_f64(),
            round_s: start.elapsed().as_secs_f64(),
        });
        Ok(most[0] > 0)
    }
}

/// Where a run stands.
struct Progress {
    global: Vec<f32>,
    round: u32,
    lost: Vec<Lost>,
    warnings: Vec<String>,
    /// Whether no checkpoint was there.
    fresh: bool,
}

/// Trains the sites of this rank that take part, collects what they send and names those that failed.
fn train(
    learner: &mut dyn Learner,
    global: &[f32],
    job: &LocalJob<'_>,
    roster: &Roster,
    collector: &mut Collector,
) -> Result<Vec<(usize, FederateError)>, FederateError> {
    let mut missing = job.taking_part.clone();
    let mut failed = Vec::new();
    let mut strangers = 0;
    learner.train_local(global, job, &mut |site, update| {
        let Some(at) = missing.iter().position(|&k| k == site) else {
            strangers += 1;
            return;
        };
        missing.swap_remove(at);
        let taken = update.map_err(|fault| at_site(&roster.sites[site].name, &fault));
        if let Err(fault) = taken.and_then(|update| collector.take(&roster.sites[site], &update)) {
            failed.push((site, fault));
        }
    })?;
    if missing.is_empty() && strangers == 0 {
        return Ok(failed);
    }
    Err(FederateError::Local {
        text: format!(
            "round {}: local training left out {} sites and sent {strangers} updates nobody asked for",
            job.round,
            missing.len()
        ),
        code: ExitCode::Unexpected,
        hint: None,
    })
}

/// A fault with the name of its site.
fn at_site(site: &str, fault: &FederateError) -> FederateError {
    FederateError::Local {
        text: format!("site '{site}': {fault}"),
        code: fault.exit_code(),
        hint: fault.hint(),
    }
}

#[cfg(test)]
mod tests;
