//! One model, however the work is spread.

use osteon_kernels::simd::Level;

use crate::job::{Start, model, mpi, summary, train};
use crate::studies::{by_column, equal_shares, simulated};

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
fn the_model_does_not_depend_on_the_algorithm_of_the_allreduce() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let study = by_column(dir.path(), 300);
    let run = |name: &str, start, env: &[(&str, &str)]| {
        let run = dir.path().join(name);
        let ended = train(start, &study, &run, &["federation.rounds=2"], env);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        model(&run)
    };
    let solo = run("solo", Start::Solo, &[]);
    // Linear, non-overlapping, recursive doubling, ring, segmented ring, Rabenseifner.
    for algorithm in ["1", "2", "3", "4", "5", "6"] {
        let env = [
            ("OMPI_MCA_coll_tuned_use_dynamic_rules", "1"),
            ("OMPI_MCA_coll_tuned_allreduce_algorithm", algorithm),
        ];
        assert_eq!(run(algorithm, Start::Ranks(4), &env), solo, "algorithm {algorithm}");
    }
}

#[test]
fn fifty_sites_share_a_process_or_four_ranks() {
    let dir = tempfile::tempdir().expect("a folder");
    let study = simulated(dir.path(), 800, &equal_shares(50));
    let run = |name: &str, start| {
        let run = dir.path().join(name);
        let ended = train(start, &study, &run, &["federation.rounds=2"], &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        assert_eq!(summary(&run)["sites"].as_array().map(Vec::len), Some(50));
        model(&run)
    };
    let solo = run("solo", Start::Solo);
    if mpi() {
        assert_eq!(run("ranks", Start::Ranks(4)), solo);
    }
}

#[test]
fn the_time_of_every_rank_is_told() {
    if !mpi() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let run = dir.path().join("run");
    let ended = train(Start::Ranks(3), &by_column(dir.path(), 300), &run, &[], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = summary(&run);
    let ranks = summary["ranks"].as_array().expect("ranks");
    assert_eq!(ranks.len(), 3);
    for (r, rank) in ranks.iter().enumerate() {
        let of = |key: &str| rank[key].as_f64().unwrap_or_else(|| panic!("{key} of {rank}"));
        assert_eq!(of("rank"), r as f64);
        assert!(of("compute_s") > 0.0 && of("wait_s") >= 0.0 && of("communicate_s") >= 0.0, "{rank}");
        let all = of("compute_s") + of("wait_s") + of("communicate_s");
        assert!(all < 1.5 * summary["wall_s"].as_f64().expect("wall") + 1.0, "{summary}");
        assert!(of("bytes") >= 5.0 * summary["bytes_per_round"].as_f64().expect("bytes"), "{rank}");
        assert!(of("peak_memory_bytes") > 1e6, "{rank}");
    }
    assert!(ended.stderr.contains("communicate s"), "{}", ended.stderr);
    let page = std::fs::read_to_string(run.join("report.html")).expect("a report");
    assert!(page.contains("communicate s"));
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
