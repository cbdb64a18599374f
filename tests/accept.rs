//! The long checks: figures on real cohorts, and many kills. `make accept` runs them; `make test`
//! lists them as ignored. Cohorts are found through `OSTEON_TEST_DATA`.

#[path = "federated/job.rs"]
#[expect(dead_code, reason = "shared with tests/federated, which uses all of it")]
mod job;
#[path = "federated/studies.rs"]
#[expect(dead_code, reason = "shared with tests/federated, which uses all of it")]
mod studies;

use std::path::{Path, PathBuf};
use std::time::Duration;

use job::{Job, Start, log_of, model, mpi, rounds_done, skipped, summary, train, train_args};

/// A file of the test data, or `None` with a reason.
fn data(file: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let root = std::env::var_os("OSTEON_TEST_DATA").map_or(default, PathBuf::from);
    let path = root.join(file);
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|r| r == "data"));
    assert!(!required, "{} is missing, and OSTEON_REQUIRE asks for it", path.display());
    skipped(&format!("{} is missing", path.display()));
    None
}

/// Trains a committed study on a file of the test data; gives its test C-index, the mean of its seeds.
fn c_index(study: &str, file: &Path, run: &Path, set: &[&str]) -> f64 {
    let study = Path::new(env!("CARGO_MANIFEST_DIR")).join("benchmarks/studies").join(study);
    let path = format!("data.path={}", file.display());
    let ended = train(Start::Solo, &study, run, &[set, &[&path]].concat(), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    summary(run)["c_index"]["mean"].as_f64().expect("a C-index")
}

/// The mean over five seeds lies within 0.006 of what a faithful reproduction in PyTorch gave.
fn deepsurv(study: &str, file: &str, expected: f64) {
    let Some(file) = data(&format!("survival/deepsurv/{file}")) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let c = c_index(&format!("deepsurv/{study}.toml"), &file, &dir.path().join("run"), &[]);
    assert!((c - expected).abs() < 0.006, "{study}: C {c:.4}, expected {expected} within 0.006");
}

#[test]
#[ignore = "long"]
fn deepsurv_metabric() {
    deepsurv("metabric", "metabric_IHC4_clinical_train_test.h5", 0.6437);
}

#[test]
#[ignore = "long"]
fn deepsurv_support() {
    deepsurv("support", "support_train_test.h5", 0.6176);
}

#[test]
#[ignore = "long"]
fn deepsurv_gbsg() {
    deepsurv("gbsg", "gbsg_cancer_train_test.h5", 0.6765);
}

#[test]
#[ignore = "long"]
fn deepsurv_linear() {
    deepsurv("linear", "linear_survival_data.h5", 0.7778);
}

#[test]
#[ignore = "long"]
fn deepsurv_gaussian() {
    deepsurv("gaussian", "gaussian_survival_data.h5", 0.6522);
}

#[test]
#[ignore = "long"]
fn deepsurv_treatment() {
    deepsurv("treatment", "sim_treatment_dataset.h5", 0.5664);
}

#[test]
#[ignore = "long"]
fn the_mds_federation_gains_what_pooling_gains() {
    let Some(file) = data("survival/mds_ipssm/mds_ipssm.csv") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let arms = ["central", "federated", "isolated"];
    let splits = 0..5;
    let c: Vec<[f64; 3]> = splits
        .map(|k| {
            let seed = format!("split.seed={k}");
            arms.map(|arm| {
                c_index(&format!("mds/{arm}.toml"), &file, &dir.path().join(format!("{arm}-{k}")), &[&seed])
            })
        })
        .collect();
    for (a, (arm, expected)) in arms.iter().zip([0.737, 0.738, 0.653]).enumerate() {
        let mean = c.iter().map(|c| c[a]).sum::<f64>() / c.len() as f64;
        assert!((mean - expected).abs() < 0.02, "{arm}: C {mean:.4}, expected {expected} within 0.02: {c:?}");
    }
    assert!(c.iter().all(|[_, federated, smallest]| federated > smallest), "{c:?}");
}

/// Kills that the run survives, one after the other, in one run directory.
const KILLS: u64 = 100;

#[test]
#[ignore = "long"]
fn a_run_killed_a_hundred_times_comes_to_the_same_model() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = studies::by_column(dir.path(), 300);
    let set = ["federation.rounds=600", "federation.local_state=keep"];
    let whole = dir.path().join("whole");
    assert_eq!(train(Start::Solo, &study, &whole, &set, &[]).code, Some(0));
    let run = dir.path().join("run");
    let mut kills = 0;
    while kills < KILLS && !run.join("summary.json").exists() {
        let start = if kills % 2 == 1 && mpi() { Start::Ranks(1 + kills as usize % 4) } else { Start::Solo };
        let before = rounds_done(&run);
        let mut job = Job::start(start, &train_args(&study, &run, &set), &[], &log_of(&run));
        // At a moment that depends on nothing in the run: while it starts, reads, trains or saves.
        let wait = osteon_core::rng::Stream::new(1, osteon_core::rng::Purpose::Synthetic, kills).below(60);
        if kills % 3 > 0 {
            job.until("a round", || rounds_done(&run) > before || run.join("summary.json").exists());
        }
        std::thread::sleep(Duration::from_millis(wait / 6 * (kills % 3)));
        job.kill();
        kills += 1;
    }
    let ended = train(Start::Solo, &study, &run, &set, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(model(&run), model(&whole), "after {kills} kills");
    assert!(kills >= KILLS / 2, "finished after {kills} kills only");
    assert_eq!(rounds_done(&run), 600);
}
