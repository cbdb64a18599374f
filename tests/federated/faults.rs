//! A fault at one rank ends all ranks, soon and with one message.

use crate::job::{Job, Start, log_of, model, mpi, rounds_done, signal, train, train_args};
use crate::studies::by_column;

#[test]
fn a_diverged_site_ends_all_ranks_with_one_message() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let mut said = Vec::new();
    let starts = if mpi() { vec![Start::Solo, Start::Ranks(1), Start::Ranks(3)] } else { vec![Start::Solo] };
    for (k, start) in starts.into_iter().enumerate() {
        let run = dir.path().join(format!("run-{k}"));
        let ended = train(start, &study, &run, &["train.learning_rate=1e30", "train.optimizer=sgd"], &[]);
        assert_eq!(ended.code, Some(4), "{start:?}: {}", ended.stderr);
        assert!(!run.join("summary.json").exists());
        let errors: Vec<&str> = ended.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        // Rank 0 speaks for all.
        assert_eq!(errors.len(), 1, "{start:?}: {}", ended.stderr);
        assert!(errors[0].contains("tensor '") && errors[0].contains("site '"), "{}", errors[0]);
        assert!(ended.stderr.contains("hint: training diverged"), "{}", ended.stderr);
        said.push(errors[0].to_owned());
    }
}

#[test]
fn a_dead_rank_ends_the_job() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let run = dir.path().join("run");
    let args = train_args(&study, &run, &["federation.rounds=1000000", "federation.checkpoint_every=0"]);
    let mut job = Job::start(Start::Ranks(3), &args, &[], &log_of(&run));
    job.until("a round", || rounds_done(&run) >= 1);
    let ranks = job.ranks();
    assert_eq!(ranks.len(), 3, "{ranks:?}");
    signal("KILL", &ranks[1..2]);
    let ended = job.wait();
    assert!(ended.code != Some(0), "{}", ended.stderr);
    assert!(!run.join("summary.json").exists());
}

#[test]
fn a_stopped_rank_is_named_with_its_node_and_sites_and_the_run_goes_on_later() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let set = ["federation.rounds=150", "federation.round_deadline_s=5"];
    let whole = dir.path().join("whole");
    assert_eq!(train(Start::Solo, &study, &whole, &set, &[]).code, Some(0));
    for silenced in [0, 1] {
        let run = dir.path().join(format!("run-{silenced}"));
        let mut job = Job::start(Start::Ranks(3), &train_args(&study, &run, &set), &[], &log_of(&run));
        job.until("some rounds", || rounds_done(&run) >= 3);
        signal("STOP", &[job.rank(silenced)]);
        let ended = job.wait();
        assert_eq!(ended.code, Some(6), "{}", ended.stderr);
        let said = ended.stderr.lines().find(|l| l.contains("gives no sign of life")).unwrap_or_default();
        let host = osteon_core::provenance::host_name();
        assert!(said.contains(&format!("rank {silenced} on {host} (sites: ")), "{}", ended.stderr);
        // One of the living speaks, and blames the stopped rank only.
        assert_eq!(said.matches("gives no sign of life").count(), 1, "{said}");
        assert!(!said.contains("(sites: none) gives"), "{said}");
        let ended = train(Start::Ranks(2), &study, &run, &set, &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(model(&run), model(&whole));
    }
}

#[test]
fn what_a_federation_cannot_do_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 120);
    let set = "split.folds=3";
    let ended = train(Start::Solo, &study, &dir.path().join("run"), &[set], &[]);
    assert!(ended.code != Some(0), "{set} was ignored");
    assert!(ended.stderr.contains("split.folds"), "{set}: {}", ended.stderr);
}
