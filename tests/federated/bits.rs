//! One model, however the work is spread.

use osteon_kernels::simd::Level;

use crate::job::{Start, model, mpi, summary, train};
use crate::studies::{by_column, simulated};

#[test]
fn the_model_does_not_depend_on_ranks() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 400);
    let run = |name: &str, start| {
        let run = dir.path().join(name);
        let ended = train(start, &study, &run, &[], &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        model(&run)
    };
    let solo = run("solo", Start::Solo);
    // Three sites: from four ranks on, some are idle.
    for ranks in 1..=5 {
        assert_eq!(run(&format!("ranks-{ranks}"), Start::Ranks(ranks)), solo, "{ranks} ranks");
    }
}

#[test]
fn the_model_does_not_depend_on_threads_or_instructions() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 400);
    let run = |name: &str, start, threads: &str, level: &str| {
        let run = dir.path().join(name);
        let env: &[(&str, &str)] = if level.is_empty() { &[] } else { &[("OSTEON_SIMD", level)] };
        let ended = train(start, &study, &run, &["--threads", threads], env);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        model(&run)
    };
    let one = run("one", Start::Solo, "1", "");
    for threads in ["2", "4"] {
        assert_eq!(run(&format!("threads-{threads}"), Start::Solo, threads, ""), one, "{threads} threads");
    }
    for level in Level::available() {
        let name = level.name();
        assert_eq!(run(&format!("simd-{name}"), Start::Solo, "1", name), one, "{name}");
        if mpi() {
            assert_eq!(run(&format!("ranks-{name}"), Start::Ranks(2), "2", name), one, "2 ranks, {name}");
        }
    }
}

#[test]
fn a_site_without_patients_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = |name: &str, shares: &str, start| {
        let below = dir.path().join(name);
        std::fs::create_dir(&below).expect("a folder");
        let study = simulated(&below, 300, shares);
        let ended = train(start, &study, &below.join("run"), &[], &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        model(&below.join("run"))
    };
    let three = run("three", "[0.6, 0.3, 0.1]", Start::Solo);
    assert_eq!(run("four", "[0.6, 0.3, 0.1, 0.0]", Start::Solo), three);
    if mpi() {
        // Its rank has nothing to train on and still takes part in every sum.
        assert_eq!(run("ranks", "[0.6, 0.3, 0.1, 0.0]", Start::Ranks(4)), three);
    }
}

#[test]
fn bytes_per_round_do_not_depend_on_patients() {
    if !mpi() {
        return;
    }
    let bytes = |n: usize| {
        let dir = tempfile::tempdir().expect("a folder");
        let run = dir.path().join("run");
        let ended = train(Start::Ranks(2), &by_column(dir.path(), n), &run, &["federation.rounds=2"], &[]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        summary(&run)["bytes_per_round"].as_u64().expect("bytes")
    };
    let few = bytes(200);
    // At least the parameters of two models of 27 x 8 + 8 + 8 + 1 numbers, 8 bytes each.
    assert!(few >= 2 * 8 * 233, "{few}");
    assert_eq!(bytes(900), few);
}
