//! Attention pooling from the command line: central, federated over ranks, stopped, predicted, shown.
#![cfg(all(feature = "hdf5", feature = "mpi"))]
#![allow(clippy::print_stderr, reason = "says why a test was skipped")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use osteon_core::rng::{Purpose, Stream};
use osteon_table::{Cells, ReadOptions};
use serde_json::Value;

/// Values of an embedding.
const WIDTH: usize = 10;
const PATIENTS: usize = 36;

/// Slides of 36 patients, every third with two, and their outcome: the more tiles of a kind, the sooner the event. Files
/// of even slides have coordinates, in HDF5; the others are `.npy`.
fn cohort(dir: &Path) {
    fs::create_dir_all(dir.join("features")).expect("a folder");
    let (mut patients, mut slides) =
        ("patient,time,event,site,age\n".to_owned(), "slide,patient\n".to_owned());
    let mut number = 0;
    for k in 0..PATIENTS {
        let mut stream = Stream::new(5, Purpose::Synthetic, k as u64);
        let share = stream.uniform();
        for _ in 0..1 + usize::from(k % 3 == 0) {
            let tiles = 12 + k % 7;
            let mut values = Vec::new();
            for t in 0..tiles {
                values.extend((0..WIDTH).map(|_| stream.normal() as f32));
                if (t as f64) < share * tiles as f64 {
                    values[t * WIDTH] += 3.0;
                }
            }
            slide(dir, number, tiles, &values);
            slides.push_str(&format!("s{number},p{k}\n"));
            number += 1;
        }
        let site = ["bologna", "milan", "turin"][k % 3];
        let time = 1.0 + 30.0 * (1.0 - share) + stream.uniform();
        patients.push_str(&format!("p{k},{time:.3},{},{site},{}\n", u8::from(k % 5 != 0), 40 + k));
    }
    fs::write(dir.join("patients.csv"), patients).expect("a table");
    fs::write(dir.join("slides.csv"), slides).expect("a table");
    fs::write(
        dir.join("study.toml"),
        r#"
[data]
path = "patients.csv"
id = "patient"
[bags]
folder = "features"
table = "slides.csv"
[split]
test = 0.25
[model]
kind = "abmil"
tile_features = 12
attention = 6
dropout = 0.1
[train]
epochs = 25
batch = 9
seeds = 2
checkpoint_every = 5
[federation]
site = "site"
rounds = 4
local_epochs = 2
"#,
    )
    .expect("a study");
}

fn slide(dir: &Path, number: usize, tiles: usize, values: &[f32]) {
    if number.is_multiple_of(2) {
        let file = hdf5(&dir.join(format!("features/s{number}.h5")), tiles, values);
        file.expect("a slide");
        return;
    }
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({tiles}, {WIDTH}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{header:<117}\n");
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    fs::write(dir.join(format!("features/s{number}.npy")), bytes).expect("a slide");
}

/// Features and coordinates on a grid of tiles of 256 pixels, four across.
fn hdf5(path: &Path, tiles: usize, values: &[f32]) -> Result<(), osteon_table::TableError> {
    let block = |name: &str, width: usize, values: Vec<f64>| osteon_table::array::Block {
        name: name.to_owned(),
        width,
        values,
    };
    let places = (0..tiles).flat_map(|t| [256.0 * (t % 4) as f64, 256.0 * (t / 4) as f64]).collect();
    let features = values.iter().map(|&x| f64::from(x)).collect();
    let blocks = [block("features", WIDTH, features), block("coords", 2, places)];
    osteon_table::array::write_blocks(path, &[], &blocks, &Default::default())
}

fn osteon(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_osteon")).current_dir(dir).args(args).output().expect("it starts")
}

fn done(out: &Output) {
    assert!(out.status.success(), "{:?}: {}", out.status, String::from_utf8_lossy(&out.stderr));
}

fn summary(dir: &Path, run: &str) -> Value {
    let text = fs::read(dir.join(run).join("summary.json")).expect("a summary");
    serde_json::from_slice(&text).expect("JSON")
}

fn train(dir: &Path, run: &str, more: &[&str]) -> Value {
    done(&osteon(dir, &[&["train", "study.toml", "-q", "-o", run], more].concat()));
    summary(dir, run)
}

fn floats(dir: &Path, name: &str, column: &str) -> Vec<f64> {
    let table = osteon_table::read(&dir.join(name), &ReadOptions::default()).expect("a table");
    let column = table.column(column).unwrap_or_else(|| panic!("{name} has no column {column}"));
    match &column.cells {
        Cells::Float(v) => v.iter().map(|x| x.expect("a number")).collect(),
        Cells::Text(v) => {
            (0..v.len()).map(|k| v.get(k).and_then(|t| t.parse().ok()).expect("a number")).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_central_model_learns_predicts_and_shows_what_it_looks_at() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cohort(dir);
    let found = train(dir, "run", &["--threads", "2"]);
    assert_eq!((&found["model"], &found["n_test"]), (&Value::from("abmil"), &Value::from(9)));
    assert!(found["c_index"]["mean"].as_f64().expect("a number") > 0.75, "{}", found["c_index"]);
    // Neither threads nor memory change a bit.
    let again = train(dir, "again", &["--threads", "1", "--set", "bags.memory_mb=0"]);
    assert_eq!(again["model_sha256"], found["model_sha256"]);

    done(&osteon(dir, &["predict", "run", "patients.csv", "-o", "risk.csv"]));
    assert_eq!(floats(dir, "risk.csv", "risk_score").len(), PATIENTS);

    done(&osteon(dir, &["slides", "attention", "run", "--patient", "p0", "--patient", "p1", "-o", "heat"]));
    // p0 has s0 and s1: together they have all attention.
    let both = [floats(dir, "heat/s0.csv", "attention"), floats(dir, "heat/s1.csv", "attention")].concat();
    assert_eq!(both.len(), 24);
    assert!((both.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(floats(dir, "heat/s0.csv", "x")[..6], [0.0, 256.0, 512.0, 768.0, 0.0, 256.0]);
    assert!(fs::read(dir.join("heat/s0.png")).expect("a picture").starts_with(b"\x89PNG"));
    assert!(!dir.join("heat/s1.png").exists(), "no picture without coordinates");
    assert!(dir.join("heat/s2.csv").exists() && !dir.join("heat/s3.csv").exists());
}

#[test]
fn a_federation_has_the_same_bits_for_any_number_of_ranks() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cohort(dir);
    let federated = ["--threads", "1", "--set", "train.arm=federated"];
    let solo = train(dir, "solo", &federated);
    assert_eq!(solo["rounds"], 4);
    for ranks in ["1", "2", "3"] {
        let run = format!("mpi{ranks}");
        let out = Command::new("mpirun")
            .current_dir(dir)
            .args(["--oversubscribe", "-n", ranks, env!("CARGO_BIN_EXE_osteon")])
            .args(["train", "study.toml", "-q", "-o", &run])
            .args(federated)
            .output();
        let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.contains("mpi"));
        match out {
            Err(e) if !required => return eprintln!("skipped: mpirun does not start ({e})"),
            out => done(&out.expect("mpirun starts")),
        }
        assert_eq!(summary(dir, &run)["model_sha256"], solo["model_sha256"], "{ranks} ranks");
    }
    // One site alone learns another model.
    let isolated = train(dir, "isolated", &["--set", "train.arm=isolated", "--set", "train.site=milan"]);
    assert_ne!(isolated["model_sha256"], solo["model_sha256"]);
}

#[test]
fn a_run_that_stopped_goes_on_to_the_same_model() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cohort(dir);
    let whole = train(dir, "whole", &["--threads", "1"]);
    // A second in hours is too short for 25 epochs, or long enough: either way the end is the same.
    let args = ["train", "study.toml", "-q", "-o", "parts", "--threads", "1"];
    let first = osteon(dir, &[&args[..], &["--max-hours", "0.00001"]].concat());
    assert_eq!(first.status.code(), Some(75), "{}", String::from_utf8_lossy(&first.stderr));
    done(&osteon(dir, &args));
    assert_eq!(summary(dir, "parts")["model_sha256"], whole["model_sha256"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    cohort(dir);
    let refused = |more: &[&str], code: i32, says: &str| {
        let out = osteon(dir, &[&["train", "study.toml", "-q", "-o", "run"], more].concat());
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(code) && text.contains(says), "{:?}: {text}", out.status);
    };
    refused(&["--set", "federation.strategy=scaffold"], 2, "scaffold is not there");
    refused(&["--set", "model.kind=deepsurv"], 2, "bags");
    let table = fs::read_to_string(dir.join("slides.csv")).expect("a table");
    fs::write(dir.join("slides.csv"), table.replace("s1,p0", "s1,p1").replace("s0,p0\n", ""))
        .expect("written");
    refused(&[], 4, "1 of 36 patients have no tiles");
    fs::write(dir.join("slides.csv"), table.replace("s4,p", "s400,p")).expect("written");
    refused(&[], 4, "no file of the name \"s400\"");
    fs::write(dir.join("slides.csv"), &table).expect("written");
    let mut bytes = fs::read(dir.join("features/s1.npy")).expect("a slide");
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(dir.join("features/s1.npy"), bytes).expect("written");
    refused(&[], 4, "s1.npy");
    fs::remove_file(dir.join("features/s1.npy")).expect("removed");
    slide(dir, 1, 3, &[0.5; 3 * WIDTH]);
    let wide = [0.5f32; 4 * (WIDTH + 1)];
    hdf5_of(&dir.join("features/s1.h5"), WIDTH + 1, &wide);
    fs::remove_file(dir.join("features/s1.npy")).expect("removed");
    refused(&[], 4, "11 values per tile, 10 in others");
}

fn hdf5_of(path: &Path, width: usize, values: &[f32]) {
    let values = values.iter().map(|&x| f64::from(x)).collect();
    let blocks = [osteon_table::array::Block { name: "features".to_owned(), width, values }];
    osteon_table::array::write_blocks(path, &[], &blocks, &Default::default()).expect("a slide");
}
