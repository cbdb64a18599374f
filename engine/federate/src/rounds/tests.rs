//! A federation of least-squares sites: its model has the same bits however it is run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use osteon_core::{ExitCode, Failure};

use super::*;
use crate::checkpoint::{SiteState, StoredTensor, Values};
use crate::comm::threads;
use crate::hash::model_sha256;
use crate::metrics::{Pairs, SiteMetrics};
use crate::sites::SiteInfo;
use crate::strategies::{REGISTRY, strategy};

/// Each site pulls the model towards its own target; momentum stays at the site.
struct Pull {
    tensors: Vec<TensorSpec>,
    sites: Vec<SiteInfo>,
    momentum: BTreeMap<usize, Vec<f32>>,
    control: BTreeMap<usize, Vec<f32>>,
    /// In round 2: the site that takes its rank down, the site whose file vanishes, the site that diverges.
    fails: Option<usize>,
    vanishes: Option<usize>,
    diverges: Option<usize>,
}

const GROUPS: usize = 2;

fn site(index: usize, patients: u64) -> SiteInfo {
    let name = format!("hospital-{index}");
    SiteInfo { index, name, patients: vec![patients; GROUPS], events: vec![patients / 3, patients / 2] }
}

impl Pull {
    fn new(comm: &Comm, sizes: &[u64]) -> Self {
        let rank_of = crate::placement::place(sizes, comm.size());
        let held = (0..sizes.len()).filter(|&k| rank_of[k] == comm.rank());
        Self {
            tensors: TensorSpec::layout([("w", vec![3]), ("b", vec![1])]),
            sites: held.map(|k| site(k, sizes[k])).collect(),
            momentum: BTreeMap::new(),
            control: BTreeMap::new(),
            fails: None,
            vanishes: None,
            diverges: None,
        }
    }
}

impl Learner for Pull {
    fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    fn groups(&self) -> usize {
        GROUPS
    }

    fn sites(&self) -> &[SiteInfo] {
        &self.sites
    }

    fn train_local(
        &mut self,
        global: &[f32],
        job: &LocalJob<'_>,
        send: &mut dyn FnMut(usize, Result<LocalUpdate<'_>, FederateError>),
    ) -> Result<(), FederateError> {
        for &k in &job.taking_part {
            if self.fails == Some(k) && job.round == 2 {
                return Err(FederateError::file(format!("hospital-{k}.csv"), "vanished"));
            }
            if self.vanishes == Some(k) && job.round == 2 {
                send(k, Err(FederateError::file(format!("hospital-{k}.csv"), "vanished")));
                continue;
            }
            let momentum = self.momentum.entry(k).or_insert_with(|| vec![0.0; 4 * GROUPS]);
            let own = self.control.entry(k).or_insert_with(|| vec![0.0; 4 * GROUPS]);
            let (mut params, mut change) = (global.to_vec(), vec![0.0; 4 * GROUPS]);
            for i in 0..4 * GROUPS {
                let (group, w, m) = (i / 4, &mut params[i], &mut momentum[i]);
                let target = ((k * 7 + i % 4 + group) as f32).sin();
                let pull = (*w - target) * (1.0 + job.proximal_mu);
                if let Some(c) = job.control {
                    // One step, so the mean gradient is the gradient.
                    change[i] = pull - own[i];
                    *w -= 0.1 * (pull - own[i] + c[i]);
                    own[i] = pull;
                } else {
                    *m = 0.9 * *m + pull;
                    *w -= 0.1 * *m;
                }
            }
            if self.diverges == Some(k) && job.round == 2 {
                params[3] = f32::NAN;
            }
            let params: Vec<&[f32]> = params.chunks(4).collect();
            let control: Vec<&[f32]> = change.chunks(4).collect();
            let control = if job.control.is_some() { &control[..] } else { &[] };
            send(k, Ok(LocalUpdate { params: &params, control }));
        }
        Ok(())
    }

    fn evaluate(&mut self, global: &[f32], _round: u32) -> Result<Vec<SiteMetrics>, FederateError> {
        let row = |s: &SiteInfo, group: usize| SiteMetrics {
            site: s.index,
            group,
            loss: Some(f64::from(global[4 * group])),
            patients: s.patients[group],
            events: s.events[group],
            pairs: Pairs::default(),
        };
        Ok(self.sites.iter().flat_map(|s| (0..GROUPS).map(move |g| row(s, g))).collect())
    }

    fn state(&self) -> Vec<SiteState> {
        let state = |(&site, m): (&usize, &Vec<f32>)| SiteState {
            site,
            tensors: vec![
                StoredTensor::new("m", vec![m.len()], Values::F32(m.clone())),
                StoredTensor::new("control", vec![m.len()], Values::F32(self.control[&site].clone())),
            ],
        };
        self.momentum.iter().map(state).collect()
    }

    fn restore(&mut self, state: Vec<SiteState>) -> Result<(), FederateError> {
        for s in state {
            for tensor in s.tensors {
                if let Values::F32(values) = tensor.values {
                    let to = if tensor.name == "m" { &mut self.momentum } else { &mut self.control };
                    to.insert(s.site, values);
                }
            }
        }
        Ok(())
    }
}

fn plan(rounds: u32) -> Plan {
    Plan {
        rounds,
        seed: 11,
        weights: Weights::Patients,
        sampling: ClientSampling::Fraction(0.6),
        scale_bits: None,
        evaluate_every: 1,
        checkpoint_every: 2,
        on_site_failure: OnSiteFailure::Abort,
        save_start: false,
        secure: false,
        deadline: Some(Duration::from_secs(60)),
    }
}

const SIZES: [u64; 6] = [60, 25, 10, 45, 0, 20];

/// Runs on `comm`; stops when `stop_after` rounds are done.
fn run(
    comm: &Comm,
    learner: &mut Pull,
    plan: Plan,
    dir: Option<&Path>,
    stop_after: u32,
) -> Result<(Outcome, Vec<RoundRecord>), FederateError> {
    let prox = strategy("fedprox", &BTreeMap::from([("mu".to_owned(), 0.5)]))?;
    run_with(prox, comm, learner, plan, dir, stop_after)
}

fn run_with(
    strategy: Box<dyn Strategy>,
    comm: &Comm,
    learner: &mut Pull,
    plan: Plan,
    dir: Option<&Path>,
    stop_after: u32,
) -> Result<(Outcome, Vec<RoundRecord>), FederateError> {
    let records = RefCell::new(Vec::new());
    let federation = Federation {
        comm,
        plan,
        strategy,
        checkpoints: dir.map(|d| Checkpoints::new(d, "study")),
        on_round: &mut |r| records.borrow_mut().push(r.clone()),
        stop: &|| comm.rank() == 0 && records.borrow().len() + 1 >= stop_after as usize,
    };
    let outcome = federation.run(learner, vec![0.25; 4 * GROUPS])?;
    Ok((outcome, records.into_inner()))
}

fn hash_of(outcome: &Outcome, learner: &Pull) -> String {
    model_sha256(&learner.tensors, &outcome.global, GROUPS)
}

/// Model hash and records of an uninterrupted run, equal on all ranks.
fn whole(ranks: usize, sizes: &[u64]) -> (String, Vec<RoundRecord>) {
    let mut ends = threads::spawn(ranks, |comm| {
        let mut learner = Pull::new(&comm, sizes);
        let (outcome, records) = run(&comm, &mut learner, plan(7), None, u32::MAX).expect("no fault");
        assert_eq!((outcome.ended, outcome.rounds), (Ended::Finished, 7));
        (hash_of(&outcome, &learner), records)
    });
    assert!(ends.iter().all(|e| e.0 == ends[0].0));
    ends.swap_remove(0)
}

#[test]
fn any_rank_count_learns_the_same_bits() {
    let (hash, records) = whole(1, &SIZES);
    for ranks in 2..=8 {
        let (other, seen) = whole(ranks, &SIZES);
        assert_eq!(other, hash, "{ranks} ranks");
        for (a, b) in seen.iter().zip(&records) {
            assert_eq!((&a.taking_part, &a.sites, a.bytes), (&b.taking_part, &b.sites, b.bytes));
        }
    }
    assert!(records.iter().all(|r| r.taking_part.len() == 3 && !r.taking_part.contains(&4)));
    assert_eq!(records[0].sites.len(), SIZES.len() * GROUPS);
}

#[test]
fn bytes_per_round_do_not_depend_on_patients() {
    let many: Vec<u64> = SIZES.iter().map(|n| n * 1000).collect();
    assert_eq!(whole(2, &SIZES).1[3].bytes, whole(2, &many).1[3].bytes);
}

#[test]
fn a_stopped_run_resumes_to_the_same_bits_on_other_ranks() {
    let (hash, _) = whole(1, &SIZES);
    let dir = tempfile::tempdir().expect("temporary directory");
    for (ranks, stop_after, ended, from) in [(3, 3, Ended::Stopped, None), (2, 99, Ended::Finished, Some(3))]
    {
        let ends = threads::spawn(ranks, |comm| {
            let mut learner = Pull::new(&comm, &SIZES);
            let (outcome, _) =
                run(&comm, &mut learner, plan(7), Some(dir.path()), stop_after).expect("no fault");
            assert_eq!((outcome.ended, outcome.resumed_from), (ended, from));
            hash_of(&outcome, &learner)
        });
        assert!(ends.iter().all(|h| (*h == hash) == (ended == Ended::Finished)));
    }
}

#[test]
fn a_fault_in_training_ends_all_ranks_with_one_message() {
    for (fails, diverges, text, code) in [
        (Some(3), None, "rank 1: hospital-3.csv: vanished", ExitCode::Io),
        (
            None,
            Some(3),
            "rank 1: tensor 'b' element 0 of site 'hospital-3' (problem 0) is NaN",
            ExitCode::Data,
        ),
    ] {
        let ends = threads::spawn(3, |comm| {
            let mut learner = Pull::new(&comm, &SIZES);
            (learner.fails, learner.diverges) = (fails, diverges);
            let plan = Plan { sampling: ClientSampling::All, ..plan(7) };
            run(&comm, &mut learner, plan, None, u32::MAX).map(|_| ())
        });
        for end in ends {
            let error = end.expect_err("site 3 has a fault");
            assert!(error.to_string().starts_with(text), "{error}");
            assert_eq!((error.exit_code(), error.is_agreed()), (code, true));
        }
    }
}

#[test]
fn only_the_listed_messages_cross() {
    let sent = Arc::new(Mutex::new(BTreeMap::<Kind, u64>::new()));
    let book = sent.clone();
    let recorder: crate::message::Recorder = Arc::new(move |kind, words: &[u64]| {
        *book.lock().expect("no panic").entry(kind).or_default() += 8 * words.len() as u64;
    });
    let booked = threads::spawn_recorded(2, Some(recorder), |comm| {
        run(&comm, &mut Pull::new(&comm, &SIZES), plan(4), None, u32::MAX).expect("no fault");
        Kind::ALL.map(|k| comm.traffic(k).bytes)
    });
    let sent = sent.lock().expect("no panic");
    assert_eq!(
        sent.keys().copied().collect::<Vec<_>>(),
        [Kind::ParamSum, Kind::Max, Kind::Metric, Kind::Roster]
    );
    for (i, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(booked[0][i] + booked[1][i], sent.get(&kind).copied().unwrap_or(0), "{kind}");
    }
    // Two problems of four parameters, two weights, the fault count; four rounds of two ranks.
    assert_eq!(sent[&Kind::ParamSum], 8 * (2 * 4 + 2 + 1) * 4 * 2);
}

/// The model hash of `name` on so many ranks, in one piece or stopped after three rounds and resumed on two.
fn strategy_hash(name: &str, ranks: usize, interrupted: bool, secure: bool) -> String {
    let dir = tempfile::tempdir().expect("temporary directory");
    let plan = || Plan { secure, ..plan(7) };
    let go = |ranks, stop_after| {
        let ends = threads::spawn(ranks, |comm| {
            let mut learner = Pull::new(&comm, &SIZES);
            let built = strategy(name, &BTreeMap::new()).expect("a strategy");
            let (outcome, _) =
                run_with(built, &comm, &mut learner, plan(), Some(dir.path()), stop_after).expect("no fault");
            (outcome.ended, hash_of(&outcome, &learner))
        });
        assert!(ends.iter().all(|e| *e == ends[0]), "{name}");
        ends[0].clone()
    };
    let end = if interrupted {
        assert_eq!(go(ranks, 3).0, Ended::Stopped, "{name}");
        go(2, u32::MAX)
    } else {
        go(ranks, u32::MAX)
    };
    assert_eq!(end.0, Ended::Finished, "{name}");
    end.1
}

#[test]
fn every_strategy_has_the_same_bits_for_any_ranks_and_resumed() {
    let mut hashes = Vec::new();
    for entry in REGISTRY {
        let hash = strategy_hash(entry.name, 1, false, false);
        for ranks in 2..=4 {
            assert_eq!(strategy_hash(entry.name, ranks, false, false), hash, "{} on {ranks}", entry.name);
        }
        assert_eq!(strategy_hash(entry.name, 3, true, false), hash, "{} resumed", entry.name);
        hashes.push(hash);
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), REGISTRY.len(), "two strategies learn the same");
}

#[test]
fn masks_change_no_bit_of_any_strategy_that_can_have_them() {
    for entry in REGISTRY.iter().filter(|e| e.sends.maskable()) {
        let bare = strategy_hash(entry.name, 1, false, false);
        for ranks in [1, 3, 5] {
            assert_eq!(strategy_hash(entry.name, ranks, false, true), bare, "{} on {ranks}", entry.name);
        }
        // Other keys after the break.
        assert_eq!(strategy_hash(entry.name, 3, true, true), bare, "{} resumed", entry.name);
    }
}

#[test]
fn masks_are_refused_where_they_hide_nothing() {
    let refused = |name: &str, sizes: &[u64], failure: OnSiteFailure| {
        let ends = threads::spawn(2, |comm| {
            let plan =
                Plan { secure: true, sampling: ClientSampling::All, on_site_failure: failure, ..plan(3) };
            let built = strategy(name, &BTreeMap::new()).expect("a strategy");
            run_with(built, &comm, &mut Pull::new(&comm, sizes), plan, None, u32::MAX).map(|_| ())
        });
        ends.into_iter().map(|e| e.expect_err("refused").to_string()).collect::<Vec<_>>()
    };
    for text in refused("fedavg", &[5, 6, 0], OnSiteFailure::Abort) {
        assert!(text.contains("over 2 sites in round 1 hides nothing"), "{text}");
    }
    for text in refused("median", &[5, 6, 7], OnSiteFailure::Abort) {
        assert!(text.contains("looks at the parameters of each site"), "{text}");
    }
    for text in refused("fedavg", &[5, 6, 7], OnSiteFailure::Drop) {
        assert!(text.contains("bare the one that was dropped"), "{text}");
    }
}

/// SCAFFOLD written out in f64 over the sites of [`Pull`], who weigh as they are large.
#[test]
fn scaffold_follows_its_paper() {
    let sizes = [60u64, 25, 15];
    let plan = Plan { sampling: ClientSampling::Fraction(0.67), ..plan(6) };
    let comm = Comm::solo();
    let built = strategy("scaffold", &BTreeMap::from([("server_learning_rate".to_owned(), 0.7)]));
    let mut learner = Pull::new(&comm, &sizes);
    let (outcome, records) =
        run_with(built.expect("scaffold"), &comm, &mut learner, plan, None, u32::MAX).expect("no fault");

    let n = 4 * GROUPS;
    let (mut x, mut c, mut own) = (vec![0.25f64; n], vec![0.0; n], vec![vec![0.0; n]; 3]);
    for record in &records {
        assert_eq!(record.taking_part.len(), 2);
        let weight: f64 = record.taking_part.iter().map(|&k| sizes[k] as f64).sum();
        for i in 0..n {
            let (mut moved, mut changed) = (0.0, 0.0);
            for &k in &record.taking_part {
                let share = sizes[k] as f64 / weight;
                let gradient = x[i] - f64::from(((k * 7 + i % 4 + i / 4) as f32).sin());
                moved += share * -0.1 * (gradient - own[k][i] + c[i]);
                changed += share * (gradient - own[k][i]);
                own[k][i] = gradient;
            }
            x[i] += 0.7 * moved;
            c[i] += weight / 100.0 * changed;
        }
    }
    for (found, expected) in outcome.global.iter().zip(x) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn a_site_that_fails_is_dropped_for_good_and_the_rest_go_on() {
    for (vanishes, diverges, said) in [(Some(3), None, "hospital-3.csv: vanished"), (None, Some(3), "is NaN")]
    {
        let drop = |ranks: usize, dir: Option<&Path>, stop_after: u32| {
            let mut ends = threads::spawn(ranks, |comm| {
                let mut learner = Pull::new(&comm, &SIZES);
                (learner.vanishes, learner.diverges) = (vanishes, diverges);
                let plan =
                    Plan { on_site_failure: OnSiteFailure::Drop, sampling: ClientSampling::All, ..plan(6) };
                let (outcome, records) = run(&comm, &mut learner, plan, dir, stop_after).expect("goes on");
                (hash_of(&outcome, &learner), outcome.lost, records)
            });
            assert!(ends.iter().all(|e| (&e.0, &e.1) == (&ends[0].0, &ends[0].1)));
            ends.swap_remove(0)
        };
        let (hash, lost, records) = drop(1, None, u32::MAX);
        assert_eq!(lost.len(), 1);
        assert_eq!((lost[0].site, lost[0].round), (3, 2));
        assert!(lost[0].reason.contains("site 'hospital-3'") && lost[0].reason.contains(said), "{lost:?}");
        assert_eq!(records[0].taking_part, [0, 1, 2, 3, 5]);
        assert!(records[1..].iter().all(|r| r.taking_part == [0, 1, 2, 5]));
        assert_eq!((records[1].lost.len(), records[2].lost.len()), (1, 0));
        assert!(records[1].sites.iter().all(|m| m.site != 3));
        assert_eq!(drop(3, None, u32::MAX).0, hash);
        // Resumed after it, the site stays away.
        let dir = tempfile::tempdir().expect("temporary directory");
        assert_eq!(drop(3, Some(dir.path()), 4).1, lost);
        let resumed = drop(2, Some(dir.path()), u32::MAX);
        assert_eq!((&resumed.0, &resumed.1), (&hash, &lost));
    }
}

#[test]
fn a_vanished_file_ends_all_ranks_where_sites_may_not_fail() {
    let ends = threads::spawn(3, |comm| {
        let mut learner = Pull::new(&comm, &SIZES);
        learner.vanishes = Some(3);
        let plan = Plan { sampling: ClientSampling::All, ..plan(7) };
        run(&comm, &mut learner, plan, None, u32::MAX).map(|_| ())
    });
    for end in ends {
        let error = end.expect_err("site 3 has a fault");
        assert_eq!(error.to_string(), "rank 1: site 'hospital-3': hospital-3.csv: vanished");
        assert_eq!((error.exit_code(), error.is_agreed()), (ExitCode::Io, true));
    }
}

#[test]
fn a_server_that_runs_away_ends_all_ranks() {
    let ends = threads::spawn(2, |comm| {
        let options = BTreeMap::from([("server_learning_rate".to_owned(), 1000.0)]);
        let built = strategy("fedavgm", &options).expect("a strategy");
        let plan = Plan { sampling: ClientSampling::All, ..plan(40) };
        run_with(built, &comm, &mut Pull::new(&comm, &SIZES), plan, None, u32::MAX).map(|_| ())
    });
    for end in ends {
        let error = end.expect_err("the model leaves the range of the sum");
        assert!(error.is_agreed() && error.to_string().contains("below 1024"), "{error}");
    }
}
