//! The commands on real files: results, places of faults, exit codes, and nothing left behind by
//! an error.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("write");
        path
    }

    /// Runs the binary here, away from any launcher or setting of the caller.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osteon"));
        command.args(args).current_dir(self.0.path());
        for (name, _) in std::env::vars() {
            if ["SLURM_", "OMPI_", "PMI", "OSTEON_", "MV2_"].iter().any(|p| name.starts_with(p)) {
                command.env_remove(name);
            }
        }
        command.output().expect("the binary starts")
    }

    /// As [`Self::run`], expecting success and JSON.
    fn json(&self, args: &[&str]) -> Value {
        let out = self.run(&[args, &["--json"]].concat());
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    }

    /// As [`Self::run`], expecting one error with this code; gives its text.
    fn error(&self, args: &[&str], code: i32) -> String {
        let out = self.run(args);
        let errors = text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {errors}");
        assert_eq!(errors.matches("error: ").count(), 1, "{args:?}: {errors}");
        assert!(!errors.contains("internal fault"), "{errors}");
        errors
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// 40 patients `t,e,a,b,s`; `cell` may replace a cell (row from 0, column).
fn cohort(cell: impl Fn(usize, usize) -> Option<String>) -> String {
    let mut out = "t,e,a,b,s\n".to_owned();
    for i in 0..40usize {
        let a = (i * 37 % 41) as f64 / 10.0;
        let site = ["north", "south"][i % 2];
        let row = [
            (i + 1).to_string(),
            u8::from(i % 3 > 0).to_string(),
            a.to_string(),
            (i / 3 % 2).to_string(),
            site.into(),
        ];
        let row: Vec<String> = row.into_iter().enumerate().map(|(k, c)| cell(i, k).unwrap_or(c)).collect();
        let _ = writeln!(out, "{}", row.join(","));
    }
    out
}

fn at(row: usize, column: usize, value: &str) -> impl Fn(usize, usize) -> Option<String> {
    move |i, k| (i == row && k == column).then(|| value.to_owned())
}

/// A study of `t,e,a,b` in `cohort.csv`.
const STUDY: &str = "[data]\npath = \"cohort.csv\"\ntime = \"t\"\nevent = \"e\"\nfeatures = [\"a\", \"b\"]\n\
    [model]\nhidden = [4]\n[train]\nepochs = 4\nseeds = 2\n[federation]\nsite = \"s\"\nrounds = 2\n";

#[test]
fn data_check_names_each_place() {
    let dir = Dir::new();
    dir.file("bad.csv", "id,t,e,x\np1,5,1,1\np2,-3,0,2\np1,7,2,abc\np4,\"1,5\",1,4\np5,6,0\n");
    let out = dir.run(&["data", "check", "bad.csv", "--time", "t", "--event", "e", "--id", "id"]);
    assert_eq!(out.status.code(), Some(4));
    let lines = text(&out.stdout);
    for fault in [
        "bad.csv:3:2: column \"t\": time -3 is negative",
        "bad.csv:4:1: column \"id\": id \"p1\" is used already in row 2",
        "bad.csv:4:3: column \"e\": 2 is neither 0 nor 1",
        "bad.csv:4:4: column \"x\": \"abc\" is not a number",
        "bad.csv:5:2: column \"t\": \"1,5\" has a decimal comma; write 1.5",
        "bad.csv:6",
    ] {
        assert!(lines.lines().any(|l| l.starts_with(fault)), "{fault} not in\n{lines}");
    }
    assert!(text(&out.stderr).contains("6 errors, 0 warnings in 1 file"), "{}", text(&out.stderr));
    // A warning alone is no failure.
    dir.file("odd.csv", cohort(|_, k| (k == 2).then(|| "1".to_owned())));
    let record = dir.json(&["data", "check", "odd.csv", "--time", "t", "--event", "e", "--site", "s"]);
    assert_eq!((&record["errors"], &record["warnings"]), (&0.into(), &1.into()));
    assert_eq!(record["faults"][0]["column"], 3);
}

#[test]
fn data_check_reads_the_columns_of_a_study_and_goes_on_after_a_broken_file() {
    let dir = Dir::new();
    dir.file("cohort.csv", cohort(at(4, 1, "2")));
    dir.file("STUDY.toml", STUDY);
    let out = dir.run(&["data", "check", "--study", "STUDY.toml"]);
    assert_eq!(out.status.code(), Some(4));
    assert!(text(&out.stdout).contains("cohort.csv:6:2: column \"e\""), "{}", text(&out.stdout));
    dir.file("broken.h5", "\u{89}HDF");
    let out = dir.run(&["data", "check", "broken.h5", "cohort.csv", "--time", "t", "--event", "e"]);
    assert_eq!(text(&out.stdout).lines().count(), 2, "{}", text(&out.stdout));
    assert!(dir.error(&["data", "check", "absent.csv"], 7).contains("absent.csv"));
    assert!(dir.error(&["data", "check", "cohort.csv"], 2).contains("no column \"time\""));
}

/// Five patients whose pairs can be counted by hand.
const FIVE: &str =
    "t,e,r,s,p2,p4\n1,1,5,x,0.2,0.1\n2,0,1,x,0.9,0.8\n3,1,3,x,0.8,0.3\n4,1,3,y,0.9,0.4\n5,0,2,y,0.9,0.9\n";

#[test]
fn evaluate_counts_the_pairs_of_a_small_table() {
    let dir = Dir::new();
    dir.file("five.csv", FIVE);
    let flags = ["evaluate", "five.csv", "--time", "t", "--event", "e", "--risk", "r"];
    let more = ["--site", "s", "--times", "2,4", "--survival-columns", "p2,p4", "--km", "km.json"];
    let e = dir.json(&[&flags[..], &more].concat());
    // Event at 1 outranks 4 later patients; at 3: one tie, one concordant; at 4: one concordant.
    let h = &e["harrell"];
    assert_eq!((&h["concordant"], &h["tied_risk"], &h["discordant"]), (&6.into(), &1.into(), &0.into()));
    assert_eq!(h["c"].as_f64(), Some(6.5 / 7.0));
    assert_eq!(h["intervals"].as_array().map(Vec::len), Some(2));
    // Within x: 1 against 2 and 3; within y: 4 against 5.
    assert_eq!(e["within_site"]["concordant"], 3);
    assert_eq!(e["within_site"]["sites"][1]["name"], "y");
    assert_eq!(e["at"][0]["auc"].as_f64(), Some(1.0));
    // G = 1 up to 2, then 3/4. BS(2): (0.2^2 + (0.2^2 + 0.1^2 + 0.1^2) / (3/4)) / 5; the second
    // patient is censored by then.
    let brier = (0.04 + (0.04 + 0.01 + 0.01) / 0.75) / 5.0;
    assert!((e["at"][0]["brier"].as_f64().expect("a score") - brier).abs() < 1e-12, "{e}");
    assert!(e["integrated_brier"].is_number());
    let km: Value = serde_json::from_slice(&fs::read(dir.path("km.json")).expect("curves")).expect("JSON");
    assert_eq!(km["curves"].as_array().map(Vec::len), Some(3));
}

#[test]
fn evaluate_never_drops_or_invents_in_silence() {
    let dir = Dir::new();
    let flags = ["--time", "t", "--event", "e", "--risk", "r"];
    let error =
        |name: &str, more: &[&str], code| dir.error(&[&["evaluate", name], &flags[..], more].concat(), code);
    dir.file("gap.csv", FIVE.replace("3,1,3,x", "3,1,,x"));
    assert!(error("gap.csv", &[], 4).contains("gap.csv:4:3: column \"r\": missing"));
    let e = dir.json(&[&["evaluate", "gap.csv"], &flags[..], &["--drop-missing"]].concat());
    assert_eq!((&e["n"], &e["left_out"]["score"]), (&4.into(), &1.into()));
    dir.file("censored.csv", "t,e,r\n1,0,1\n2,0,2\n3,0,3\n");
    assert!(error("censored.csv", &[], 4).contains("concordance is undefined"));
    dir.file("negative.csv", FIVE.replace("3,1,3,x", "-3,1,3,x"));
    assert!(error("negative.csv", &[], 4).contains("negative.csv:4:1: column \"t\": time -3 is negative"));
    dir.file("five.csv", FIVE);
    dir.file("odds.csv", FIVE.replace("0.9,0.8", "1.9,0.8"));
    let wrong = error("odds.csv", &["--times", "2", "--survival-columns", "p2"], 4);
    assert!(wrong.contains("odds.csv:3:5: column \"p2\": 1.9 is not a probability"), "{wrong}");
    assert!(error("five.csv", &["--times", "9"], 4).contains("event-free after time 9"));
    error("five.csv", &["--times", "4,2"], 2);
    error("five.csv", &["--times", "2,4", "--survival-columns", "p2"], 2);
    assert!(error("five.csv", &["--site", "S"], 2).contains("did you mean \"s\"?"));
}

#[test]
fn evaluate_gives_the_published_scores_of_the_mds_cohort() {
    let root = std::env::var_os("OSTEON_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let table = root.join("survival/mds_ipssm/mds_ipssm_raw.csv");
    if !table.exists() {
        let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|w| w == "data"));
        assert!(!required, "{} is absent", table.display());
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: the MDS cohort is absent\n");
        return;
    }
    let table = table.display().to_string();
    // lifelines, zero times included.
    for (score, n, c) in
        [("IPSSR_SCORE", 2556, 0.7014), ("IPSSRA_SCORE", 2555, 0.7153), ("IPSSM_SCORE", 2596, 0.7483)]
    {
        let e = Dir::new().json(&[
            "evaluate",
            &table,
            "--time",
            "OS_YEARS",
            "--event",
            "OS_STATUS",
            "--risk",
            score,
            "--drop-missing",
            "--resamples",
            "20",
        ]);
        assert_eq!(e["n"], n, "{score}");
        assert!((e["harrell"]["c"].as_f64().expect("C") - c).abs() < 5e-5, "{score}: {}", e["harrell"]);
    }
}

#[test]
fn predict_writes_ids_risks_and_survival() {
    let dir = Dir::new();
    dir.file("cohort.csv", cohort(|_, _| None));
    dir.file("STUDY.toml", STUDY);
    dir.json(&["train", "STUDY.toml", "-o", "run"]);
    // New patients have no outcome.
    dir.file("new.csv", "b,a\n1,0.5\n0,2.5\n1,\n");
    let flags = ["predict", "run", "new.csv", "-o", "risk.csv"];
    let record = dir.json(&[&flags[..], &["--per-problem", "--survival", "5,10.5"]].concat());
    let columns = ["row", "risk_score", "survival_5", "survival_10.5", "risk_seed0", "risk_seed1"];
    assert_eq!(record["columns"], serde_json::json!(columns));
    let table = fs::read_to_string(dir.path("risk.csv")).expect("risks");
    let rows: Vec<Vec<f64>> =
        table.lines().skip(1).map(|l| l.split(',').map(|c| c.parse().expect("a number")).collect()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2][0], 4.0, "the line in the file");
    for row in rows {
        assert!((row[1] - (row[4] + row[5]) / 2.0).abs() < 1e-12);
        assert!(1.0 >= row[2] && row[2] >= row[3] && row[3] > 0.0);
    }
    dir.json(&["predict", "run", "new.csv", "-o", "risk.parquet"]);
    dir.json(&["predict", "run", "cohort.csv", "-o", "kept.csv", "--keep", "t,e"]);
    let e = dir.json(&["evaluate", "kept.csv", "--time", "t", "--event", "e"]);
    assert_eq!(e["n"], 40);
    assert!(dir.error(&["predict", "run", "new.csv", "-o", "x.csv", "--keep", "T"], 2).contains("--keep"));
    assert!(dir.error(&["predict", "run", "new.csv", "-o", "risk.xlsx"], 2).contains("unknown kind"));
    dir.error(&["predict", "run", "new.csv", "-o", "no/such/risk.csv"], 7);
    dir.file("wrong.csv", "a\n1\n");
    assert!(dir.error(&["predict", "run", "wrong.csv", "-o", "x.csv"], 4).contains("no column \"b\""));
    assert!(dir.error(&["predict", ".", "new.csv", "-o", "x.csv"], 2).contains("no finished run"));
    dir.json(&["train", "STUDY.toml", "-o", "fed", "--set", "train.arm=federated"]);
    let record = dir.json(&["predict", "fed", "new.csv", "-o", "s.csv", "--survival", "5"]);
    assert!(record["columns"].to_string().contains("survival_5"), "{record}");
    dir.json(&["train", "STUDY.toml", "-o", "folds", "--set", "split.folds=2"]);
    let error = dir.error(&["predict", "folds", "new.csv", "-o", "x.csv", "--survival", "5"], 2);
    assert!(error.contains("baseline") && error.contains("hint: "), "{error}");
    assert!(dir.error(&["predict", "folds", "new.csv", "-o", "x.csv"], 2).contains("--per-problem"));
    let record = dir.json(&["predict", "folds", "new.csv", "-o", "f.csv", "--per-problem"]);
    assert_eq!(record["columns"][1], "risk_fold0_seed0");
    assert!(!dir.path("x.csv").exists());
}

#[test]
fn the_demo_ends_in_three_arms_and_a_report() {
    let dir = Dir::new();
    let arms = dir.json(&["demo", "-o", "demo", "--patients", "200"]);
    let found: Vec<&str> =
        arms.as_array().expect("arms").iter().filter_map(|a| a["summary"]["arm"].as_str()).collect();
    assert_eq!(found, ["isolated", "central", "federated"]);
    let report = fs::read_to_string(dir.path("demo/federated/report.html")).expect("report");
    assert!(report.contains("<svg") && report.contains("gamma"));
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http"), "it needs a network");
    // Again: finished runs are left alone. Another cohort is not laid over this one.
    let again = dir.json(&["demo", "-o", "demo", "--patients", "200"]);
    assert_eq!(again, arms);
    assert!(dir.error(&["demo", "-o", "demo", "--patients", "100"], 2).contains("another cohort"));
    dir.json(&["demo", "-o", "demo", "--patients", "100", "--restart"]);
    let written = ["STUDY.toml", "central", "cohort.csv", "federated", "isolated", "slides.csv"];
    assert_eq!(names(&dir.path("demo")), written);
    let record = fs::read_to_string(dir.path("demo/federated/run.json")).expect("a record");
    assert!(record.contains("slides.csv"), "the slide vectors are an input");
    assert!(dir.run(&["report", "demo/central"]).status.success());
    dir.run(&["demo", "-o", "only", "--data-only"]);
    assert_eq!(names(&dir.path("only")), ["STUDY.toml", "cohort.csv", "slides.csv"]);
}

#[test]
fn a_linear_run_has_a_report() {
    let dir = Dir::new();
    dir.file("cohort.csv", cohort(|_, _| None));
    dir.file("STUDY.toml", STUDY);
    let summary = dir.json(&["train", "STUDY.toml", "-o", "run", "--set", "model.kind=cox"]);
    assert_eq!(summary["coefficients"][0]["name"], "a");
    assert!(dir.path("run/report.html").exists());
}

/// The software Vulkan driver, where there is one; a reason to skip where not.
fn software_device() -> Option<&'static str> {
    use osteon_kernels::backend::{Backend, Kind, devices};
    let there =
        devices().iter().any(|d| d.backend == Backend::Wgpu && d.index == 0 && d.kind == Kind::Software);
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|all| all.split(',').any(|p| p == "vulkan"));
    assert!(there || !required, "no software Vulkan device");
    if !there {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no software Vulkan device\n");
    }
    there.then_some("wgpu:0")
}

#[test]
fn every_arm_trains_on_a_device_and_run_json_names_it() {
    let Some(device) = software_device() else { return };
    let dir = Dir::new();
    dir.file("cohort.csv", cohort(|_, _| None));
    dir.file("S.toml", STUDY);
    for arm in ["central", "isolated", "federated"] {
        let set = format!("train.arm={arm}");
        let train = |device: &str, out: &str| {
            dir.json(&["train", "S.toml", "-o", out, "--set", &set, "--device", device])
        };
        let (on_device, here) = (train(device, &format!("{arm}-d")), train("cpu", &format!("{arm}-c")));
        assert_eq!(on_device["n_train"], here["n_train"]);
        let record: Value =
            serde_json::from_slice(&fs::read(dir.path(&format!("{arm}-d/run.json"))).expect("run.json"))
                .expect("JSON");
        assert!(record["device"].as_str().is_some_and(|d| d.starts_with("wgpu:0 ")), "{record}");
        assert!(record["profile"].as_str().is_some_and(|p| p.starts_with("wgpu-v1 ")), "{record}");
        assert_eq!(train(device, &format!("{arm}-e"))["model_sha256"], on_device["model_sha256"], "{arm}");
    }
    // Another device gives other bits, so it does not go on with the run.
    let error = dir.error(&["train", "S.toml", "-o", "central-d", "--device", "cpu"], 2);
    assert!(error.contains("numeric profile"), "{error}");
    let linear = ["train", "S.toml", "-o", "linear", "--set", "model.kind=cox", "--device", device];
    let error = dir.error(&linear, 5);
    assert!(error.contains("the linear model is fitted on the processor"), "{error}");
    assert!(!dir.path("linear").exists());
    let auto = dir.run(&["train", "S.toml", "-o", "auto", "--set", "model.kind=cox"]);
    assert!(text(&auto.stderr).contains("device: cpu (the linear model"), "{}", text(&auto.stderr));
}

#[test]
fn bad_tables_end_in_one_error_and_leave_nothing() {
    let whole = cohort(|_, _| None);
    let header = "t,e,a,b,s\n".to_owned();
    let cases: [(&str, String, &str); 8] = [
        ("empty", String::new(), "empty"),
        ("header", header, "no rows"),
        ("nan", cohort(at(2, 0, "NaN")), "cohort.csv:4:1: column \"t\": missing"),
        ("inf", cohort(at(2, 0, "inf")), "cohort.csv:4:1: column \"t\": inf is not finite"),
        ("event", cohort(at(2, 1, "2")), "cohort.csv:4:2: column \"e\": 2 is neither 0 nor 1"),
        ("text", cohort(at(2, 2, "abc")), "cohort.csv:4:3: column \"a\": \"abc\" is not a number"),
        ("ragged", whole.replace("\n3,", "\n9,9,3,"), "cohort.csv:4"),
        ("missing", cohort(|_, k| (k == 2).then(String::new)), "column \"a\""),
    ];
    for (name, table, expected) in cases {
        let dir = Dir::new();
        dir.file("cohort.csv", table);
        dir.file("STUDY.toml", STUDY);
        let error = dir.error(&["train", "STUDY.toml", "-o", "run"], 4);
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!(names(dir.0.path()), ["STUDY.toml", "cohort.csv"], "{name}");
        // The same command succeeds on the mended table.
        dir.file("cohort.csv", &whole);
        dir.json(&["train", "STUDY.toml", "-o", "run"]);
    }
}

#[test]
fn sites_may_be_poor_but_not_impossible() {
    let dir = Dir::new();
    let train = |more: &[&str]| -> Vec<String> {
        ["train", "STUDY.toml", "-o"].iter().chain(more).map(|s| (*s).to_owned()).collect()
    };
    let run = |more: &[&str]| {
        let args = train(more);
        dir.json(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let error = |more: &[&str], code| {
        let args = train(more);
        dir.error(&args.iter().map(String::as_str).collect::<Vec<_>>(), code)
    };
    dir.file("STUDY.toml", STUDY);
    // Column a is constant, then missing, at the second site.
    for (name, value) in [("constant", "1"), ("missing", "")] {
        dir.file("cohort.csv", cohort(|i, k| (k == 2 && i % 2 == 1).then(|| value.to_owned())));
        run(&[&format!("fed-{name}"), "--set", "train.arm=federated"]);
    }
    let alone = ["alone", "--set", "train.arm=isolated", "--set", "train.site=south"];
    assert!(error(&alone, 4).contains("column \"a\": no value in any"));
    dir.file("cohort.csv", cohort(|i, k| (k == 2 && i % 2 == 1).then(|| "1".to_owned())));
    assert!(error(&[&alone[..], &["--set", "model.kind=cox"]].concat(), 4).contains("column a is constant"));
    dir.file("STUDY.toml", STUDY.replace("site = \"s\"", "sites = [0.5, 0.5, 0.0]"));
    let summary = run(&["empty-site", "--set", "train.arm=federated"]);
    assert_eq!(summary["sites"][2]["n"], 0);
    dir.file("cohort.csv", "t,e,a,b\n1,1,0,1\n2,0,1,0\n");
    assert!(error(&["many", "--set", "train.arm=federated"], 2).contains("3 sites for 2 patients"));
    assert!(!dir.path("many").exists() && !dir.path("alone").exists());
}

#[test]
fn broken_hdf5_and_wrong_types_are_errors() {
    if !cfg!(feature = "hdf5") {
        return;
    }
    let dir = Dir::new();
    dir.file("cohort.csv", cohort(|_, _| None));
    dir.file("STUDY.toml", STUDY);
    dir.json(&["train", "STUDY.toml", "-o", "run"]);
    dir.json(&["predict", "run", "cohort.csv", "-o", "risk.h5"]);
    let whole = fs::read(dir.path("risk.h5")).expect("HDF5");
    dir.file("cut.h5", &whole[..whole.len() / 2]);
    let evaluate = ["evaluate", "cut.h5", "--time", "row", "--event", "row", "--risk", "risk_score"];
    assert!(dir.error(&evaluate, 4).contains("cut.h5: HDF5: not an HDF5 file, or truncated"));
    let set = ["--set", "data.path=cut.h5"];
    dir.error(&[&["train", "STUDY.toml", "-o", "cut"], &set[..]].concat(), 4);
    assert!(!dir.path("cut").exists());
    // Texts where numbers belong.
    let error = dir.error(&["evaluate", "cohort.csv", "--time", "t", "--event", "e", "--risk", "s"], 4);
    assert!(error.contains("cohort.csv:2:5: column \"s\": \"north\" is not a number"), "{error}");
}
