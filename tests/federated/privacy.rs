//! Differentially private training: what it says, what it keeps to itself, and that it can be resumed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use osteon_federate::Kind;
use osteon_federate::comm::threads;
use osteon_federate::message::Recorder;
use osteon_study::Loaded;
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train as train_here};
use osteon_study::watch::Silent;

use crate::job::{Job, Start, log_of, model, mpi, rounds_done, signal, summary, train, train_args};
use crate::studies::by_column;

const NOISE: &str = "federation.privacy={noise_multiplier = 2.0, clip = 0.5, sample_rate = 0.5, blocks = 4}";
const BARE: [&str; 3] = ["preprocess.scale=none", "preprocess.impute=none", "train.batch=full"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    BARE.iter().chain(&[NOISE]).chain(more).copied().collect()
}

/// A study on columns without gaps, since nothing may be imputed.
fn complete(dir: &Path) -> std::path::PathBuf {
    let study = by_column(dir, 300);
    let text = fs::read_to_string(&study).expect("the study");
    let features = text.lines().find(|l| l.starts_with("features")).expect("features").to_owned();
    fs::write(&study, text.replace(&features, "features = [\"age\", \"sex_male\"]")).expect("written");
    study
}

#[test]
fn the_cost_is_told_and_the_training_loss_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = complete(dir.path());
    let starts = if mpi() { vec![Start::Solo, Start::Ranks(3)] } else { vec![Start::Solo] };
    for (k, start) in starts.into_iter().enumerate() {
        let run = dir.path().join(format!("run-{k}"));
        let ended = train(start, &study, &run, &with(&[]), &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let cost = &summary(&run)["privacy"];
        // 5 rounds of 2 epochs of 2 steps of 2 models.
        assert_eq!(cost["steps"], 40);
        // dp-accounting 0.6 over the same orders.
        let epsilon = cost["epsilon"].as_f64().expect("a number");
        assert!((epsilon - EPSILON).abs() < 1e-6, "{epsilon}");
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
        let line: serde_json::Value =
            serde_json::from_str(metrics.lines().next().expect("a round")).expect("JSON");
        assert!(line["loss"].is_null() && line["c_index"].is_number(), "{line}");
    }
}

/// `q` 0.5, noise 2, 40 steps, delta 1e-5.
const EPSILON: f64 = 9.202619214347825;

#[test]
fn a_run_goes_on_with_the_noise_it_began_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = complete(dir.path());
    let set = with(&["federation.rounds=150"]);
    let run = dir.path().join("run");
    let mut job = Job::start(Start::Solo, &train_args(&study, &run, &set), &[], &log_of(&run));
    job.until("some rounds", || rounds_done(&run) >= 3);
    signal("TERM", &job.ranks()[..1]);
    assert_eq!(job.wait().code, Some(75));
    // The same interrupted run, gone on with twice.
    let copy = dir.path().join("copy");
    assert!(std::process::Command::new("cp").arg("-r").args([&run, &copy]).status().expect("cp").success());
    for path in [&run, &copy] {
        let ended = train(Start::Solo, &study, path, &set, &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    assert_eq!(model(&run), model(&copy));
    // A run from the start draws other noise.
    let other = dir.path().join("other");
    assert_eq!(train(Start::Solo, &study, &other, &set, &[]).code, Some(0));
    assert_ne!(model(&run), model(&other));
}

#[test]
fn what_noise_does_not_cover_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = complete(dir.path());
    for (set, said) in [
        (vec![NOISE], "moments of the training rows would cross"),
        (with(&["model.batch_norm=true"]), "excludes model.batch_norm"),
        (with(&["federation.strategy=scaffold"]), "excludes strategy"),
        (with(&["train.arm=central"]), "covers federated training"),
        (with(&["train.batch=32"]), "excludes train.batch"),
    ] {
        let ended = train(Start::Solo, &study, &dir.path().join("refused"), &set, &[]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}

/// The kinds of message of a run on three ranks.
fn kinds(study: &Path, run: &Path, set: &[&str]) -> BTreeSet<Kind> {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let study = Loaded::read(study, &set).expect("a study").study;
    let seen: Arc<Mutex<BTreeSet<Kind>>> = Arc::default();
    let book = seen.clone();
    let recorder: Recorder = Arc::new(move |kind, _| {
        book.lock().expect("kinds").insert(kind);
    });
    let ends = threads::spawn_recorded(3, Some(recorder), |comm| {
        let (output, stop) = (run.to_owned(), Stop::unwatched(None));
        let request = Request { study: study.clone(), output, threads: 1, restart: false, stop };
        matches!(train_here(&request, &comm, &Silent), Ok(Outcome::Finished(_)))
    });
    assert!(ends.into_iter().all(|finished| finished));
    seen.lock().expect("kinds").clone()
}

#[test]
fn no_moments_of_the_rows_cross() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = complete(dir.path());
    let bare = kinds(&study, &dir.path().join("bare"), &BARE);
    assert!(bare.contains(&Kind::ExactSum));
    let private = kinds(&study, &dir.path().join("private"), &with(&[]));
    assert!(private.contains(&Kind::ParamSum) && !private.contains(&Kind::ExactSum), "{private:?}");
    assert!(!private.contains(&Kind::Count), "{private:?}");
}
