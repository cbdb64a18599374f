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
use crate::strategies::strategy;

/// Each site pulls the model towards its own target; momentum stays at the site.
struct Pull {
    tensors: Vec<TensorSpec>,
    sites: Vec<SiteInfo>,
    momentum: BTreeMap<usize, Vec<f32>>,
    /// The site whose training fails, and the site that diverges, in round 2.
    fails: Option<usize>,
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
            fails: None,
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
        job: &LocalJob,
        send: &mut dyn FnMut(LocalUpdate<'_>),
    ) -> Result<(), FederateError> {
        for &k in &job.taking_part {
            if self.fails == Some(k) && job.round == 2 {
                return Err(FederateError::file(format!("hospital-{k}.csv"), "vanished"));
            }
            let momentum = self.momentum.entry(k).or_insert_with(|| vec![0.0; 4 * GROUPS]);
            for group in 0..GROUPS {
                let mut w = global[4 * group..][..4].to_vec();
                let m = &mut momentum[4 * group..][..4];
                for (i, (w, m)) in w.iter_mut().zip(m).enumerate() {
                    let target = ((k * 7 + i + group) as f32).sin();
                    let pull = (*w - target) * (1.0 + job.proximal_mu);
                    *m = 0.9 * *m + pull;
                    *w -= 0.1 * *m;
                }
                if self.diverges == Some(k) && job.round == 2 {
                    w[3] = f32::NAN;
                }
                send(LocalUpdate { site: k, group, params: &w });
            }
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
            tensors: vec![StoredTensor::new("m", vec![m.len()], Values::F32(m.clone()))],
        };
        self.momentum.iter().map(state).collect()
    }

    fn restore(&mut self, state: Vec<SiteState>) -> Result<(), FederateError> {
        for s in state {
            if let Values::F32(m) = &s.tensors[0].values {
                self.momentum.insert(s.site, m.clone());
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
    let records = RefCell::new(Vec::new());
    let federation = Federation {
        comm,
        plan,
        strategy: strategy("fedprox", &BTreeMap::from([("mu".to_owned(), 0.5)]))?,
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
