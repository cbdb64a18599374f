//! The long checks: figures on real cohorts, and many kills. `make accept` runs them; `make test`
//! lists them as ignored. Cohorts are found through `OSTEON_TEST_DATA`.

#[path = "federated/job.rs"]
#[expect(dead_code, reason = "shared with tests/federated, which uses all of it")]
mod job;
#[path = "federated/kills.rs"]
mod kills;
#[path = "federated/studies.rs"]
#[expect(dead_code, reason = "shared with tests/federated, which uses all of it")]
mod studies;

use std::path::{Path, PathBuf};

use job::{Start, model, mpi, rounds_done, skipped, summary, train};
use kills::killed_often;

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
    let kills = killed_often(&study, &run, &set, KILLS);
    let ended = train(Start::Solo, &study, &run, &set, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(model(&run), model(&whole), "after {kills} kills");
    assert!(kills >= KILLS / 2, "finished after {kills} kills only");
    assert_eq!(rounds_done(&run), 600);
}

/// Trains equal sites for two rounds with each start; all must come to one model.
fn one_model(patients: usize, sites: usize, starts: &[Start]) {
    let dir = tempfile::tempdir().expect("a folder");
    let study = studies::simulated(dir.path(), patients, &studies::equal_shares(sites));
    let models: Vec<String> = starts
        .iter()
        .enumerate()
        .map(|(k, &start)| {
            let run = dir.path().join(format!("run-{k}"));
            let ended = train(start, &study, &run, &["federation.rounds=2", "train.seeds=1"], &[]);
            assert_eq!(ended.code, Some(0), "{start:?}: {}", ended.stderr);
            assert_eq!(summary(&run)["sites"].as_array().map(Vec::len), Some(sites));
            model(&run)
        })
        .collect();
    assert!(models.iter().all(|m| *m == models[0]), "{starts:?}: {models:?}");
}

#[test]
#[ignore = "long"]
fn fifty_sites_on_four_ranks_and_on_fifty_ranks_are_one_model() {
    if mpi() {
        one_model(800, 50, &[Start::Solo, Start::Ranks(4), Start::Ranks(50)]);
    }
}

#[test]
#[ignore = "long"]
fn a_hundred_and_twenty_eight_ranks_oversubscribed_are_one_model() {
    if mpi() {
        one_model(2000, 128, &[Start::Solo, Start::Ranks(128)]);
    }
}

#[test]
#[ignore = "long"]
fn a_thousand_sites_fit_one_process() {
    one_model(15_000, 1000, &[Start::Solo]);
}
