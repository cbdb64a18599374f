//! Batches: shards, ranks, interruptions.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{lines, osteon, volumes};

/// A table of `n` cases; the fourth lies on another grid.
fn cases(dir: &Path, n: usize) {
    volumes(dir);
    let mut text = "ID,Image,Mask,Label\n".to_owned();
    for k in 0..n {
        let mask = if k == 3 { "other.nrrd" } else { "mask.nrrd" };
        text.push_str(&format!("p{k},image.nrrd,{mask},1-2\n"));
    }
    fs::write(dir.join("cases.csv"), text).expect("cases");
}

fn extract(dir: &Path, more: &[&str]) -> (Option<i32>, String) {
    let out = osteon(dir, &[&["extract", "--cases", "cases.csv"], more].concat());
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn merged_shards_are_the_bytes_of_the_whole() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cases(dir, 7);
    for name in ["whole.csv", "whole.parquet", "whole.json"] {
        assert_eq!(extract(dir, &["-o", name]).0, Some(3));
    }
    let failures = bytes(dir, "failures.csv");
    fs::remove_file(dir.join("failures.csv")).expect("removed");
    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("{}.parquet", &shard[..1]);
        let (code, text) = extract(dir, &["--shard", shard, "--threads", "2", "-o", &out]);
        assert_eq!(code, Some(if shard == "1/3" { 3 } else { 0 }), "{text}");
    }
    assert_eq!(lines(&dir.join("failures.1-of-3.csv")).len(), 2);
    for name in ["csv", "parquet", "json"] {
        let out = format!("merged.{name}");
        let parts = ["merge", "3.parquet", "1.parquet.journal", "2.parquet", "-o", &out];
        assert_eq!(osteon(dir, &parts).status.code(), Some(3));
        assert_eq!(bytes(dir, &out), bytes(dir, &format!("whole.{name}")), "{name}");
        assert_eq!(bytes(dir, "failures.csv"), failures);
    }
    let out = osteon(dir, &["merge", "1.parquet", "2.parquet", "-o", "part.csv"]);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(4), "{text}");
    assert!(text.contains("2 of 7 cases are in none of the journals, the first of them case 3"), "{text}");
    assert!(!dir.join("part.csv").exists());
}

#[test]
fn a_killed_batch_goes_on_and_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cases(dir, 400);
    let set = ["--set", "binWidth=2", "--threads", "1"];
    extract(dir, &[&set[..], &["-o", "whole.csv"]].concat());

    let mut child = Command::new(env!("CARGO_BIN_EXE_osteon"))
        .current_dir(dir)
        .args(["radiomics", "extract", "--cases", "cases.csv", "-o", "killed.csv"])
        .args(set)
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let journal = dir.join("killed.csv.journal");
    let begun = Instant::now();
    let written = || fs::read(&journal).map_or(0, |b| b.iter().filter(|&&b| b == b'\n').count());
    while written() < 5 && begun.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(1));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("it ended");
    assert!(!dir.join("killed.csv").exists(), "a table under its final name is complete");
    assert!(written() < 400, "it was killed too late to prove anything");

    let (code, text) = extract(dir, &[&set[..], &["-o", "killed.csv"]].concat());
    assert_eq!(code, Some(3), "{text}");
    let kept = text.lines().find_map(|l| l.strip_suffix(" cases were finished before")).expect(&text);
    assert!(kept.parse::<usize>().expect("a number") >= 3, "{text}");
    assert_eq!(bytes(dir, "killed.csv"), bytes(dir, "whole.csv"));

    let (_, text) = extract(dir, &["--set", "binWidth=3", "-o", "killed.csv"]);
    assert!(text.contains("was begun with other parameters") && text.contains("--restart"), "{text}");
    assert_eq!(bytes(dir, "killed.csv"), bytes(dir, "whole.csv"));
}

#[test]
fn a_time_limit_stops_between_cases() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cases(dir, 3);
    let (code, text) = extract(dir, &["--max-hours", "0", "-o", "out.csv"]);
    assert_eq!(code, Some(75), "{text}");
    assert!(text.contains("3 cases left") && !dir.join("out.csv").exists(), "{text}");
    assert_eq!(extract(dir, &["-o", "out.csv"]).0, Some(0));
}

#[test]
fn ranks_take_their_part_and_are_not_all_the_same() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cases(dir, 5);
    extract(dir, &["-o", "whole.csv"]);
    // As under `srun -n 2`; each rank finds its own number there.
    let rank = |rank: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_osteon"))
            .current_dir(dir)
            .args(["radiomics", "extract", "--cases", "cases.csv", "-o", "out.csv"])
            .args(more)
            .envs([("SLURM_PROCID", rank), ("SLURM_STEP_NUM_TASKS", "2")])
            .output()
            .expect("the binary starts")
    };
    let refused = rank("0", &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("2 ranks of Slurm srun would all do the same"));
    rank("1", &["--shard", "auto"]);
    rank("0", &["--shard", "auto"]);
    let merged = osteon(dir, &["merge", "out.1-of-2.csv", "out.2-of-2.csv", "-o", "merged.csv"]);
    assert_eq!(merged.status.code(), Some(3), "{}", String::from_utf8_lossy(&merged.stderr));
    assert_eq!(bytes(dir, "merged.csv"), bytes(dir, "whole.csv"));
}
