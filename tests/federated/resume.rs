//! A run that was killed or asked to stop goes on to the same model.

use std::path::Path;

use crate::job::{Job, Start, log_of, model, mpi, rounds_done, signal, train, train_args};
use crate::kills::killed_often;
use crate::studies::by_column;

const LONG: &str = "federation.rounds=150";

/// Trains to the end without a break.
fn whole(study: &Path, run: &Path, state: &str) -> String {
    let ended = train(Start::Solo, study, run, &[LONG, state], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    model(run)
}

/// Kills a run after a few rounds, then goes on with it.
fn killed(study: &Path, run: &Path, state: &str, first: Start, second: Start) -> String {
    let mut job = Job::start(first, &train_args(study, run, &[LONG, state]), &[], &log_of(run));
    job.until("some rounds", || rounds_done(run) >= 3);
    job.kill();
    assert!(!run.join("summary.json").exists(), "finished before it was killed");
    let ended = train(second, study, run, &[LONG, state], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("going on with an earlier run"), "{}", ended.stderr);
    // Every round once, none twice, none lost.
    assert_eq!(rounds_done(run), 150);
    model(run)
}

#[test]
fn a_killed_run_goes_on_to_the_same_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    for state in ["reset", "keep"] {
        let set = format!("federation.local_state={state}");
        let whole = whole(&study, &dir.path().join(format!("whole-{state}")), &set);
        let run = dir.path().join(format!("solo-{state}"));
        assert_eq!(killed(&study, &run, &set, Start::Solo, Start::Solo), whole, "{state}");
        if mpi() {
            // The sites move to other ranks, and their optimisers with them.
            let run = dir.path().join(format!("ranks-{state}"));
            assert_eq!(killed(&study, &run, &set, Start::Ranks(3), Start::Ranks(2)), whole, "{state}, ranks");
        }
    }
}

#[test]
fn a_run_killed_ten_times_comes_to_the_same_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let state = "federation.local_state=keep";
    let whole = whole(&study, &dir.path().join("whole"), state);
    let run = dir.path().join("run");
    let kills = killed_often(&study, &run, &[LONG, state], 10);
    let ended = train(Start::Solo, &study, &run, &[LONG, state], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(model(&run), whole, "after {kills} kills");
    assert!(kills >= 5, "finished after {kills} kills only");
    assert_eq!(rounds_done(&run), 150);
}

#[test]
fn a_run_asked_to_stop_ends_with_75_and_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let state = "federation.local_state=reset";
    let whole = whole(&study, &dir.path().join("whole"), state);
    let starts = if mpi() { vec![Start::Solo, Start::Ranks(3)] } else { vec![Start::Solo] };
    for (k, start) in starts.into_iter().enumerate() {
        let run = dir.path().join(format!("stopped-{k}"));
        let mut job = Job::start(start, &train_args(&study, &run, &[LONG, state]), &[], &log_of(&run));
        job.until("some rounds", || rounds_done(&run) >= 3);
        // One rank hears it; all of them stop after the same round.
        signal("TERM", &job.ranks()[..1]);
        let ended = job.wait();
        assert_eq!(ended.code, Some(75), "{start:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("the same command goes on"), "{}", ended.stderr);
        let ended = train(start, &study, &run, &[LONG, state], &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(model(&run), whole, "{start:?}");
    }
}
