//! `osteon slides` on small files: layouts, shards, ranks, interruptions.
#![cfg(all(feature = "hdf5", feature = "mpi"))]
#![allow(clippy::print_stderr, reason = "says why a test was skipped")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use osteon_core::rng::{Purpose, Stream};
use osteon_table::{Cells, ReadOptions};

/// Values of an embedding.
const WIDTH: usize = 24;

/// An array of `.npy`.
fn npy(path: &Path, tiles: usize, values: &[f32]) {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({tiles}, {WIDTH}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{header:<117}\n");
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    fs::write(path, bytes).expect("a slide");
}

/// Slides of two or three a patient at three sites, and their table; slide 4 holds a NaN, slide 6 equals slide 5, slide 7
/// has no tiles.
fn slides(dir: &Path, n: usize, tiles: usize) {
    let mut table = "slide,patient,site,split\n".to_owned();
    fs::create_dir_all(dir.join("in")).expect("a folder");
    for k in 0..n {
        let seed = if k == 6 { 5 } else { k };
        let mut stream = Stream::new(77, Purpose::Synthetic, seed as u64);
        let count = if k == 7 { 0 } else { tiles + 7 * (seed % 5) };
        let mut values: Vec<f32> = (0..count * WIDTH)
            .map(|i| (stream.normal() * (1.0 + (i % 3) as f64) + (i % WIDTH) as f64) as f32)
            .collect();
        if k == 4 {
            values[3] = f32::NAN;
        }
        npy(&dir.join(format!("in/s{k}.npy")), count, &values);
        let site = ["bologna", "milan", "turin"][k % 3];
        table.push_str(&format!(
            "s{k}.npy,p{},{site},{}\n",
            k / 2,
            if k % 4 == 0 { "test" } else { "train" }
        ));
    }
    fs::write(dir.join("slides.csv"), table).expect("a table");
}

fn osteon(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osteon"));
    command.current_dir(dir).arg("slides").args(args).output().expect("the binary starts")
}

fn reduce(dir: &Path, more: &[&str]) -> (Option<i32>, String) {
    let out = osteon(dir, &[&["reduce"], more].concat());
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

const ALL: [&str; 14] = [
    "in",
    "--table",
    "slides.csv",
    "--pool",
    "mean,std,max,min,q50,top3",
    "--pca",
    "4",
    "--kmeans",
    "3",
    "--gmm",
    "2",
    "--gmm-means",
    "--random-projection",
    "2",
];

#[test]
fn one_row_per_slide_with_a_report() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    slides(dir, 12, 90);
    for name in ["out.csv", "out.h5", "out.parquet"] {
        let (code, text) = reduce(dir, &[&ALL[..], &["-o", name]].concat());
        assert_eq!(code, Some(3), "{text}");
        let table = osteon_table::read(&dir.join(name), &ReadOptions::default()).expect("a table");
        // slide, patient, site, tiles, six vectors, 4 scores, 2 projections, 3 prototypes, 2 components and their means
        assert_eq!((table.rows(), table.columns().len()), (11, 4 + 8 * WIDTH + 11), "{name}");
        assert!(
            table.find("mean0").is_some()
                && table.find("gmm1").is_some()
                && table.find("gmm_mean47").is_some()
                && table.find("top3_23").is_some()
                && table.find("prototype2").is_some()
        );
        // The names of datasets are those of columns, in HDF5 too.
        assert!(table.find("pca3").is_some() && table.find("random1").is_some(), "{name}");
    }
    let failures = String::from_utf8(bytes(dir, "out.failures.csv")).expect("text");
    assert!(
        failures.contains("s4,p2") && failures.contains("1 values in 1 tiles are NaN or infinite"),
        "{failures}"
    );
    let quality: serde_json::Value = serde_json::from_slice(&bytes(dir, "out.quality.json")).expect("JSON");
    assert_eq!(quality["duplicates"], serde_json::json!([["s5", "s6"]]));
    assert_eq!(quality["empty"], serde_json::json!(["s7"]));
    assert_eq!(quality["explained"].as_array().map(Vec::len), Some(4));
    assert!(String::from_utf8_lossy(&bytes(dir, "out.quality.html")).contains("<svg"));

    // A model applied again gives the scores it was fitted with.
    let models = ["--pca-model", "out.pca.json", "--gmm-model", "out.gmm.json"];
    let again = ["in", "--table", "slides.csv", "-o", "again.csv"];
    assert_eq!(reduce(dir, &[&again[..], &models].concat()).0, Some(3));
    let column = |name: &str, column: &str| {
        let table = osteon_table::read(&dir.join(name), &ReadOptions::default()).expect("a table");
        table.column(column).expect("a column").cells.clone()
    };
    assert_eq!(column("again.csv", "pca3"), column("out.csv", "pca3"));
    assert_eq!(column("again.csv", "gmm1"), column("out.csv", "gmm1"));
    let Cells::Text(shares) = column("out.csv", "gmm0") else { panic!("texts of a CSV file") };
    let shares: Vec<f64> =
        shares.iter().flatten().filter_map(|t| t.parse().ok()).filter(|x: &f64| x.is_finite()).collect();
    assert!(shares.len() == 10 && shares.iter().all(|s| (0.0..=1.0).contains(s)), "{shares:?}");
}

#[test]
fn patients_are_the_tiles_of_their_slides_and_a_fit_may_be_of_some() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    slides(dir, 4, 60);
    let by = ["in", "--table", "slides.csv", "-o"];
    assert_eq!(reduce(dir, &[&by[..], &["slides.parquet"]].concat()).0, Some(0));
    fs::write(dir.join("patients.csv"), "slide,patient\ns0,a\ns1,a\ns2,b\ns3,b\n").expect("a table");
    let patients = ["in", "--table", "patients.csv", "--by", "patient", "-o", "patients.parquet"];
    assert_eq!(reduce(dir, &patients).0, Some(0));
    let floats = |name: &str, column: &str| {
        let table = osteon_table::read(&dir.join(name), &ReadOptions::default()).expect("a table");
        match &table.column(column).expect("a column").cells {
            Cells::Float(v) => v.iter().map(|x| x.expect("a number")).collect::<Vec<f64>>(),
            Cells::Int(v) => v.iter().map(|x| x.expect("a number") as f64).collect(),
            other => panic!("{other:?}"),
        }
    };
    let (n, mean) = (floats("slides.parquet", "tiles"), floats("slides.parquet", "mean5"));
    let pooled = (n[0] * mean[0] + n[1] * mean[1]) / (n[0] + n[1]);
    let found = floats("patients.parquet", "mean5");
    assert_eq!(found.len(), 2);
    assert!((found[0] - pooled).abs() < 1e-6 * pooled.abs(), "{} {pooled}", found[0]);

    let fitted = |more: &[&str]| {
        assert_eq!(
            reduce(dir, &[&by[..], &["fit.csv", "--restart", "--pca", "2"], more].concat()).0,
            Some(0)
        );
        let model: serde_json::Value = serde_json::from_slice(&bytes(dir, "fit.pca.json")).expect("JSON");
        model["slides"].as_u64().expect("a count")
    };
    assert_eq!(fitted(&[]), 4);
    assert_eq!(fitted(&["--fit-on", "split=train"]), 3);
}

#[test]
fn threads_shards_and_sites_change_no_bit() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    slides(dir, 12, 150);
    let run = |more: &[&str]| {
        let (code, text) = reduce(dir, &[&ALL[..], more].concat());
        assert_eq!(code, Some(3), "{more:?}: {text}");
    };
    run(&["--threads", "1", "-o", "whole.csv"]);
    run(&["--threads", "4", "-o", "threads.csv"]);
    assert_eq!(bytes(dir, "threads.csv"), bytes(dir, "whole.csv"));
    let same_models = |run: &str| {
        for model in ["pca.json", "gmm.json"] {
            assert_eq!(bytes(dir, &format!("{run}.{model}")), bytes(dir, &format!("whole.{model}")), "{run}");
        }
    };
    same_models("threads");

    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("part{}.parquet", &shard[..1]);
        let (code, text) = reduce(dir, &[&ALL[..], &["--shard", shard, "-o", &out]].concat());
        assert!(matches!(code, Some(0 | 3)), "{text}");
    }
    let merge = ["merge", "part2.parquet", "part1.parquet.journal", "part3.parquet"];
    let models = ["--pca", "4", "--kmeans", "3", "--random-projection", "2", "--gmm", "2"];
    let models = [&models[..], &["--gmm-means", "-o", "merged.csv"]].concat();
    let out = osteon(dir, &[&merge[..], &models].concat());
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(bytes(dir, "merged.csv"), bytes(dir, "whole.csv"));
    same_models("merged");

    // Sites in one process and over ranks: the same model as pooled, and the same rows.
    let federate = ["--federate", "site", "--min-slides", "2", "--threads", "1"];
    run(&[&federate[..], &["-o", "solo.csv"]].concat());
    // With five, two ranks have no site.
    for ranks in ["1", "2", "3", "5"] {
        let out = Command::new("mpirun")
            .current_dir(dir)
            .args(["--oversubscribe", "-n", ranks, env!("CARGO_BIN_EXE_osteon"), "slides", "reduce"])
            .args(ALL)
            .args(federate)
            .args(["-o", &format!("mpi{ranks}.csv")])
            .output();
        let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.contains("mpi"));
        let out = match out {
            Err(e) if !required => {
                eprintln!("skipped: mpirun does not start ({e})");
                break;
            }
            out => out.expect("mpirun starts"),
        };
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        for site in ["bologna", "milan", "turin"] {
            let name = |run: &str| format!("{run}.{site}.csv");
            assert_eq!(bytes(dir, &name(&format!("mpi{ranks}"))), bytes(dir, &name("solo")), "{text}");
        }
        same_models(&format!("mpi{ranks}"));
    }
    same_models("solo");
    let (code, text) = reduce(dir, &[&ALL[..], &["--federate", "site", "-o", "few.csv"]].concat());
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("site bologna has") && text.contains("fewer than 10"), "{text}");
}

#[test]
fn a_site_whose_products_would_expose_its_rows_is_named() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    // 20, 27 and 34 tiles of 24 values at three sites.
    slides(dir, 3, 20);
    let federate = ["in", "--table", "slides.csv", "--federate", "site", "--min-slides", "1", "--pca", "2"];
    let (code, text) = reduce(dir, &[&federate[..], &["-o", "out.csv"]].concat());
    assert_eq!(code, Some(0), "{text}");
    let warnings: Vec<&str> = text.lines().filter(|l| l.contains("expose")).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    assert!(warnings[0].contains("site bologna has 20 rows of 24 values"), "{text}");
    // Pooled slides show nothing to anybody.
    let (_, text) = reduce(dir, &["in", "--pca", "2", "-o", "pooled.csv"]);
    assert!(!text.contains("expose"), "{text}");
}

#[test]
fn a_killed_reduction_goes_on_and_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    slides(dir, 300, 400);
    let args =
        ["in", "--table", "slides.csv", "--pool", "mean,std,q50", "--pca", "3", "--threads", "1", "-o"];
    assert_eq!(reduce(dir, &[&args[..], &["whole.csv"]].concat()).0, Some(3));
    let mut child = Command::new(env!("CARGO_BIN_EXE_osteon"))
        .current_dir(dir)
        .args(["slides", "reduce"])
        .args(args)
        .arg("killed.csv")
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
    assert!(written() < 300, "it was killed too late to prove anything");
    assert_eq!(reduce(dir, &[&args[..], &["killed.csv"]].concat()).0, Some(3));
    assert_eq!(bytes(dir, "killed.csv"), bytes(dir, "whole.csv"));
    assert_eq!(bytes(dir, "killed.pca.json"), bytes(dir, "whole.pca.json"));

    // A finished run is left alone: no slide but the failed and the empty one is read again.
    let (_, text) = reduce(dir, &[&args[..], &["killed.csv"]].concat());
    assert!(text.contains("298 slides were finished before"), "{text}");
    assert_eq!(bytes(dir, "killed.csv"), bytes(dir, "whole.csv"));
    // A slide that changed makes the sums begin anew.
    let mut slide = bytes(dir, "in/s9.npy");
    let last = slide.len() - 2;
    slide[last] ^= 0x10;
    fs::write(dir.join("in/s9.npy"), slide).expect("written");
    assert_eq!(reduce(dir, &[&args[..], &["killed.csv"]].concat()).0, Some(3));
    assert_eq!(reduce(dir, &[&args[..], &["fresh.csv"]].concat()).0, Some(3));
    assert_eq!(bytes(dir, "killed.csv"), bytes(dir, "fresh.csv"));
    assert_ne!(bytes(dir, "killed.csv"), bytes(dir, "whole.csv"));
}

#[test]
fn repacked_slides_reduce_to_the_same_vectors() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    slides(dir, 3, 80);
    assert_eq!(osteon(dir, &["repack", "in", "-o", "packed"]).status.code(), Some(0));
    for (input, out) in [("in", "a.csv"), ("packed", "b.csv")] {
        assert_eq!(reduce(dir, &[input, "--pool", "mean,std", "-o", out]).0, Some(0));
    }
    assert_eq!(bytes(dir, "a.csv"), bytes(dir, "b.csv"));
}

/// The software Vulkan driver, named: the same vectors within single precision, and records that say so.
#[cfg(feature = "wgpu")]
#[test]
fn a_device_sums_as_the_processor_does() {
    use osteon_kernels::backend::{Backend, devices};
    if !devices().iter().any(|d| d.backend == Backend::Wgpu) {
        let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|all| all.split(',').any(|p| p == "vulkan"));
        assert!(!required, "no Vulkan device here");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no Vulkan device here\n");
        return;
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    slides(dir, 12, 700);
    for (name, device) in [("cpu.csv", "cpu"), ("gpu.csv", "wgpu:0"), ("again.csv", "wgpu:0")] {
        let (code, text) = reduce(dir, &[&ALL[..], &["-o", name, "--device", device]].concat());
        assert_eq!(code, Some(3), "{text}");
        assert_eq!(text.contains("device: wgpu:0"), device != "cpu", "{text}");
    }
    assert_eq!(bytes(dir, "gpu.csv"), bytes(dir, "again.csv"));
    let quality: serde_json::Value = serde_json::from_slice(&bytes(dir, "gpu.quality.json")).expect("JSON");
    let devices = quality["devices"].as_array().expect("devices");
    assert!(
        devices.len() == 1 && devices[0].as_str().is_some_and(|d| d.starts_with("wgpu:0 ")),
        "{devices:?}"
    );
    let table = |name: &str| osteon_table::read(&dir.join(name), &ReadOptions::default()).expect("a table");
    let (here, there) = (table("cpu.csv"), table("gpu.csv"));
    for (a, b) in here.columns().iter().zip(there.columns()) {
        let (Cells::Float(x), Cells::Float(y)) = (&a.cells, &b.cells) else { continue };
        for (x, y) in x.iter().zip(y).filter_map(|(x, y)| x.zip(*y)) {
            assert!(
                (x - y).abs() < 1e-4 * x.abs().max(1.0) || x.is_nan() && y.is_nan(),
                "{}: {x} {y}",
                a.name
            );
        }
    }
    let (code, text) =
        reduce(dir, &[&ALL[..], &["-o", "f64.csv", "--device", "wgpu:0", "--precision", "f64"]].concat());
    assert_eq!(code, Some(5), "{text}");
}
