//! The command line as a user and a script see it: texts, exit codes, what goes where.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary, away from any launcher or setting of the caller.
fn osteon(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osteon"));
    command.args(args);
    for (name, _) in std::env::vars() {
        if ["SLURM_", "OMPI_", "PMI", "OSTEON_", "MV2_"].iter().any(|p| name.starts_with(p)) {
            command.env_remove(name);
        }
    }
    command
}

fn run(args: &[&str]) -> Output {
    osteon(args).output().expect("the binary starts")
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn stdout(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Exit code, stdout and stderr, without the paths of this machine.
fn seen(out: &Output, dir: &Path) -> String {
    let code = out.status.code().map_or("killed".to_owned(), |c| c.to_string());
    let text = format!("exit {code}\n-- stdout\n{}-- stderr\n{}", stdout(out), stderr(out));
    text.replace(&dir.display().to_string(), "DIR")
}

/// A folder with a study whose cohort does not exist.
fn study(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("STUDY.toml");
    fs::write(&path, format!("[data]\npath = \"cohort.csv\"\n{text}")).expect("study");
    (dir, path.display().to_string())
}

#[test]
fn help() {
    let verbs: [&[&str]; 29] = [
        &[],
        &["train"],
        &["predict"],
        &["evaluate"],
        &["data"],
        &["data", "check"],
        &["config"],
        &["config", "show"],
        &["radiomics"],
        &["radiomics", "extract"],
        &["radiomics", "index"],
        &["radiomics", "merge"],
        &["radiomics", "run"],
        &["radiomics", "skeleton"],
        &["radiomics", "suv"],
        &["slides"],
        &["slides", "reduce"],
        &["slides", "merge"],
        &["slides", "repack"],
        &["report"],
        &["slurm"],
        &["slurm", "render"],
        &["slurm", "usage"],
        &["bench"],
        &["bench", "allreduce"],
        &["bench", "scaling"],
        &["doctor"],
        &["demo"],
        &["completions"],
    ];
    for verb in verbs {
        let out = run(&[verb, &["--help"]].concat());
        assert!(out.status.success() && out.stderr.is_empty(), "{verb:?}");
        insta::assert_snapshot!(format!("help_{}", verb.join("_")), stdout(&out));
    }
}

#[test]
fn usage_errors_suggest_and_exit_2() {
    let cases: [(&str, &[&str]); 6] = [
        ("verb", &["trian"]),
        ("flag", &["train", "S.toml", "-o", "run", "--devise", "cpu"]),
        ("device", &["train", "S.toml", "-o", "run", "--device", "gpu"]),
        ("no_out", &["train", "S.toml"]),
        ("threads", &["train", "S.toml", "-o", "run", "--threads", "0"]),
        ("part", &["doctor", "--require", "tpu"]),
    ];
    for (name, args) in cases {
        let out = run(args);
        assert_eq!(out.status.code(), Some(2), "{name}");
        assert!(out.stdout.is_empty(), "{name}");
        insta::assert_snapshot!(format!("usage_{name}"), stderr(&out));
    }
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[test]
fn a_wrong_study_is_named_by_place() {
    let cases: [(&str, &str, &[&str]); 4] = [
        ("key", "[train]\nlearnig_rate = 0.1\n", &[]),
        ("type", "[train]\nepochs = 1.5\n", &[]),
        ("range", "[federation]\nsites = [0.6, 0.6]\n", &[]),
        ("override", "", &["--set", "model.hiden=[4]"]),
    ];
    for (name, text, more) in cases {
        let (dir, path) = study(text);
        let out = run(&[&["config", "check", &path], more].concat());
        insta::assert_snapshot!(format!("study_{name}"), seen(&out, dir.path()));
    }
}

#[test]
fn ignored_keys_are_warnings_and_quiet_silences_them() {
    let (dir, path) = study("[federation]\nrounds = 7\n");
    insta::assert_snapshot!("study_ignored", seen(&run(&["config", "check", &path]), dir.path()));
    let out = run(&["config", "check", &path, "--quiet"]);
    assert!(out.status.success() && out.stderr.is_empty());
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let (dir, path) = study("[federation]\nsites = [0.6, 0.3, 0.1]\n");
    let target = dir.path().join("run");
    let target_text = target.display().to_string();
    let out = run(&["train", &path, "-o", &target_text, "--dry-run", "--set", "train.arm=federated"]);
    insta::assert_snapshot!("dry_run", seen(&out, dir.path()));
    assert!(!target.exists());
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["train", &path, "--dry-run", "--json"]).stdout).expect("a JSON plan");
    assert_eq!(json["problems"], 5);
}

#[test]
fn the_resolved_study_of_show_is_a_valid_study() {
    let (dir, path) = study("[data.columns.hb]\nunit = \"g/dL\"\n");
    let shown = stdout(&run(&["config", "show", &path, "--seed", "9"]));
    let again = dir.path().join("again.toml");
    fs::write(&again, &shown).expect("write");
    let out = run(&["config", "show", &again.display().to_string()]);
    assert_eq!(stdout(&out), shown);
    assert!(shown.contains("seed = 9"), "{shown}");
}

#[test]
fn an_output_that_cannot_be_written_ends_before_the_input_is_read() {
    let (dir, path) = study("");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("write");
    let out = run(&["train", &path, "-o", &file.join("run").display().to_string()]);
    assert_eq!(out.status.code(), Some(7));
    assert!(stderr(&out).starts_with("error: cannot create"), "{}", stderr(&out));
}

#[test]
fn a_missing_file_exits_7() {
    let (dir, path) = study("");
    let out = run(&["train", &path, "-o", &dir.path().join("run").display().to_string()]);
    assert_eq!(out.status.code(), Some(7));
    assert!(stderr(&out).contains("cohort.csv"), "{}", stderr(&out));
    assert_eq!(run(&["report", &dir.path().display().to_string()]).status.code(), Some(7));
    assert_eq!(run(&["config", "show", "no-such.toml"]).status.code(), Some(7));
}

#[test]
fn doctor_speaks_json_and_knows_what_is_missing() {
    let out = run(&["doctor", "--json"]);
    assert!(out.status.success(), "{}", stderr(&out));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let checks = json["checks"].as_array().expect("checks");
    for name in ["cpu", "threads", "mpi", "hdf5", "slurm", "cuda", "vulkan", "device", "disk"] {
        let check = checks.iter().find(|c| c["name"] == name).expect("a check");
        assert!(check["state"] == "ok" || check["hint"].is_string(), "{check}");
    }
    // Outside an allocation (the environment is cleared of it), Slurm is missing.
    let out = run(&["doctor", "--require", "slurm"]);
    assert_eq!(out.status.code(), Some(6));
    assert!(stderr(&out).contains("required but missing: slurm"), "{}", stderr(&out));
    let under = osteon(&["doctor", "--require", "slurm"]).env("SLURM_JOB_ID", "7").output().expect("starts");
    assert!(under.status.success() && stdout(&under).contains("job 7"));
}

#[test]
fn a_missing_device_is_refused_and_nothing_falls_back() {
    let (dir, path) = study("");
    let out_dir = dir.path().join("run").display().to_string();
    for device in ["cuda:98", "cuda:99", "wgpu:99"] {
        let out = run(&["train", &path, "-o", &out_dir, "--device", device]);
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(5), "{device}: {text}");
        assert!(
            text.contains(&format!("--device {device}: ")) && text.contains("hint: use --device"),
            "{text}"
        );
        assert!(!dir.path().join("run").exists(), "{device} left a run behind");
    }
}

#[test]
fn only_rank_0_speaks() {
    let out = osteon(&["doctor"])
        .envs([("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")])
        .output()
        .expect("starts");
    assert!(out.status.success() && out.stdout.is_empty() && out.stderr.is_empty());
}

#[test]
fn a_closed_pipe_is_success() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let out = osteon(&["completions", "bash"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(Child::wait_with_output)
        .expect("starts");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", stderr(&out));
}
