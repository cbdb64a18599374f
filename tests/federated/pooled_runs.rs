//! Studies with `federation.exact`: the same model for any ranks, sites and interruptions, a baseline
//! hazard, and the refusal to show single event times of real sites.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::job::{Job, Start, log_of, model, mpi, rounds_done, signal, summary, train, train_args};
use crate::studies::{patients, rows_of, simulated, study, written};

const EXACT: &str = "federation.exact=true";

fn run(study: &Path, dir: &Path, name: &str, start: Start, set: &[&str]) -> String {
    let run = dir.join(name);
    let ended = train(start, study, &run, &[&[EXACT], set].concat(), &[]);
    assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
    model(&run)
}

#[test]
fn the_model_does_not_depend_on_sites_or_ranks() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = simulated(dir.path(), 400, "[0.6, 0.3, 0.1]");
    for (kind, set) in [
        ("network", &["train.batch=full"][..]),
        ("batches", &["train.bootstraps=0"]),
        ("cox", &["model.kind=cox"]),
        ("binned", &["model.kind=cox", "federation.time_bins=30", "federation.min_count=5"]),
    ] {
        let one = run(&path, dir.path(), &format!("{kind}-solo"), Start::Solo, set);
        for (k, sites) in ["[1.0]", "[0.1, 0.2, 0.3, 0.4]"].iter().enumerate() {
            let sites = format!("federation.sites={sites}");
            let set = [set, &[sites.as_str()]].concat();
            assert_eq!(
                run(&path, dir.path(), &format!("{kind}-{k}"), Start::Solo, &set),
                one,
                "{kind} {sites}"
            );
        }
        if mpi() {
            for ranks in 1..=4 {
                let name = format!("{kind}-ranks-{ranks}");
                assert_eq!(run(&path, dir.path(), &name, Start::Ranks(ranks), set), one, "{name}");
            }
        }
        let text = summary(&dir.path().join(format!("{kind}-solo")))["estimand"].to_string();
        assert!(text.contains("pooled") && text.contains("bins") == (kind == "binned"), "{text}");
    }
}

#[test]
fn a_killed_or_stopped_run_goes_on_to_the_same_model() {
    const LONG: &str = "federation.rounds=200";
    let dir = tempfile::tempdir().expect("a folder");
    let path = simulated(dir.path(), 300, "[0.6, 0.3, 0.1]");
    let whole = run(&path, dir.path(), "whole", Start::Solo, &[LONG]);
    let starts = if mpi() { vec![Start::Solo, Start::Ranks(3)] } else { vec![Start::Solo] };
    for (k, start) in starts.into_iter().enumerate() {
        for stopped in [false, true] {
            let name = format!("broken-{k}-{stopped}");
            let of = dir.path().join(&name);
            let mut job = Job::start(start, &train_args(&path, &of, &[EXACT, LONG]), &[], &log_of(&of));
            job.until("some rounds", || rounds_done(&of) >= 3);
            if stopped {
                signal("TERM", &job.ranks()[..1]);
                let ended = job.wait();
                assert_eq!(ended.code, Some(75), "{}", ended.stderr);
            } else {
                job.kill();
            }
            assert_eq!(run(&path, dir.path(), &name, Start::Solo, &[LONG]), whole, "{start:?} {stopped}");
            assert_eq!(rounds_done(&of), 200);
        }
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// A study whose three sites have files of their own.
fn with_files(dir: &Path) -> std::path::PathBuf {
    let table = patients(600);
    let mut federation = String::new();
    for name in ["alpha", "beta", "gamma"] {
        fs::write(dir.join(format!("{name}.csv")), rows_of(&table, "site", name)).expect("written");
        federation += &format!("[[federation.site]]\nname = \"{name}\"\npath = \"{name}.csv\"\n");
    }
    written(dir, &study("", &federation))
}

#[test]
fn real_sites_must_limit_what_they_show() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = with_files(dir.path());
    for kind in ["cox", "deepsurv"] {
        let kind = format!("model.kind={kind}");
        let set = [EXACT, &kind, "train.batch=full"];
        let ended = train(Start::Solo, &path, &dir.path().join("refused"), &set, &[]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("federation.min_count = 10"), "{}", ended.stderr);
        for (k, key) in
            ["federation.min_count=10", "federation.time_bins=20", "federation.exact_reveals=accepted"]
                .iter()
                .enumerate()
        {
            let name = format!("{kind}-{k}");
            run(&path, dir.path(), &name, Start::Solo, &[&kind, "train.batch=full", key]);
            let of = dir.path().join(&name);
            let baseline = &json(&of.join("predictor.json"))["baseline"]["strata"][0]["times"];
            let times = baseline.as_array().expect("a baseline").len();
            assert!(if k == 2 { times > 60 } else { (2..=20).contains(&times) }, "{key}: {times}");
            let km = json(&of.join("kaplan_meier.json"));
            let curves = km["curves"].as_array().expect("curves");
            assert_eq!(curves.len(), 3);
            assert!(km["log_rank_p"].as_f64().is_some_and(|p| p > 0.0 && p <= 1.0), "{km}");
            let columns = json(&of.join("columns.json"));
            let age = columns.as_array().expect("columns").iter().find(|c| c["name"] == "age").expect("age");
            assert_eq!(
                age["n"].as_u64().zip(age["missing"].as_u64()).map(|(n, m)| n + m),
                summary(&of)["n_train"].as_u64()
            );
            assert_eq!(summary(&of)["c_index"]["scope"], "within_site");
        }
    }
    // An averaged model shares no times unless it is told to.
    let ended = train(Start::Solo, &path, &dir.path().join("averaged"), &[], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(json(&dir.path().join("averaged/predictor.json"))["baseline"].is_null());
    assert!(!dir.path().join("averaged/columns.json").exists());
}

#[test]
fn a_federated_run_predicts_survival_as_the_central_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = simulated(dir.path(), 500, "[0.6, 0.3, 0.1]");
    run(&path, dir.path(), "exact", Start::Solo, &["model.kind=cox"]);
    let central = dir.path().join("central");
    let ended = train(Start::Solo, &path, &central, &["model.kind=cox", "train.arm=central"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let [exact, central] =
        ["exact", "central"].map(|name| json(&dir.path().join(name).join("predictor.json")));
    let numbers = |v: &Value| {
        v.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number")).collect::<Vec<_>>()
    };
    let close = |a: &Value, b: &Value| {
        let (a, b) = (numbers(a), numbers(b));
        assert!(a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-8 * b.abs()));
    };
    close(&exact["coefficients"][0], &central["coefficients"][0]);
    let of = |v: &Value, what: &str| v["baseline"]["strata"][0][what].clone();
    assert_eq!(of(&exact, "times"), of(&central, "times"));
    close(&of(&exact, "cumulative"), &of(&central, "cumulative"));
    // An averaged network has one as well.
    let averaged = dir.path().join("averaged");
    let ended = train(Start::Solo, &path, &averaged, &[], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(json(&averaged.join("predictor.json"))["baseline"].is_object());
}
