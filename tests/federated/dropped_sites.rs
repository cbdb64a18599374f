//! A site whose file goes away during a run: the run ends, or goes on without it and says so.

use std::fs;
use std::path::{Path, PathBuf};

use crate::job::{Ended, Job, Start, log_of, model, mpi, rounds_done, summary, train_args};
use crate::site_files::{SITES, site_table, with_files};
use crate::studies::written;

/// A study of three files, ready in `dir`.
fn study(dir: &Path) -> PathBuf {
    for name in SITES {
        fs::write(dir.join(format!("{name}.csv")), site_table(name)).expect("a table");
    }
    written(dir, &with_files("."))
}

/// Trains, and removes the file of the second site after a few rounds.
fn loses_beta(dir: &Path, start: Start, run: &Path, failure: &str) -> Ended {
    let study = study(dir);
    let set = ["federation.rounds=200", failure];
    let mut job = Job::start(start, &train_args(&study, run, &set), &[], &log_of(run));
    job.until("some rounds", || rounds_done(run) >= 3);
    fs::remove_file(dir.join("beta.csv")).expect("removed");
    job.wait()
}

#[test]
fn a_site_without_its_file_ends_the_run_or_is_dropped() {
    let starts = if mpi() { vec![Start::Solo, Start::Ranks(3)] } else { vec![Start::Solo] };
    for start in starts {
        let dir = tempfile::tempdir().expect("a folder");
        let run = dir.path().join("abort");
        let ended = loses_beta(dir.path(), start, &run, "federation.on_site_failure=abort");
        assert_eq!(ended.code, Some(7), "{start:?}: {}", ended.stderr);
        let error = ended.stderr.lines().find(|l| l.starts_with("error: ")).unwrap_or_default();
        assert!(
            error.contains("site 'beta': ") && error.contains("beta.csv was removed"),
            "{}",
            ended.stderr
        );
        assert!(!run.join("summary.json").exists());

        let run = dir.path().join("drop");
        let ended = loses_beta(dir.path(), start, &run, "federation.on_site_failure=drop");
        assert_eq!(ended.code, Some(3), "{start:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("on without site 'beta'"), "{}", ended.stderr);
        let sites = summary(&run)["sites"].clone();
        assert_eq!(
            (&sites[0]["dropped"], &sites[2]["dropped"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
        let round = sites[1]["dropped"]["round"].as_u64().expect("a round");
        assert!((3..200).contains(&round), "{round}");
        assert!(sites[1]["dropped"]["reason"].as_str().is_some_and(|r| r.contains("was removed")));
        assert!(fs::read_to_string(run.join("report.html")).expect("a report").contains("Sites dropped"));
        let last = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
        let last: serde_json::Value =
            serde_json::from_str(last.lines().last().expect("a round")).expect("JSON");
        assert_eq!(last["sites"][1]["took_part"], false);
        assert_eq!(rounds_done(&run), 200);
        assert!(!model(&run).is_empty());
    }
}
