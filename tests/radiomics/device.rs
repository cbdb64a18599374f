//! Features whose matrices and form are found on a device: the software Vulkan driver stands for it.

use std::fs;
use std::io::Write;
use std::path::Path;

use osteon_kernels::backend::{Backend, devices};

use crate::{lines, nrrd, osteon, volumes};

/// What `--device` calls a Vulkan device of this machine.
fn vulkan() -> Option<String> {
    let found = devices().into_iter().find(|d| d.backend == Backend::Wgpu).map(|d| d.request());
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|all| all.split(',').any(|p| p == "vulkan"));
    assert!(found.is_some() || !required, "no Vulkan device here");
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: no Vulkan device here");
    }
    found
}

/// The table and what was said.
fn extracted(dir: &Path, device: &str, more: &[&str]) -> (Vec<u8>, String) {
    let args = ["extract", "--device", device, "--labels", "1-2", "--whole", "-o", "out.csv"];
    let out = osteon(dir, &[&args, more].concat());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    (fs::read(dir.join("out.csv")).expect("a table"), said)
}

#[test]
fn the_table_has_the_bytes_of_the_processor() {
    let Some(device) = vulkan() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    // Runs and zones beyond their tables, and more voxels than a block of a device takes.
    let size = [90, 23, 11];
    nrrd(&dir.path().join("image.nrrd"), size, 2.0, |[x, y, z]| ((x / 40 * 5) ^ (y / 3) ^ z) as u8 * 9);
    nrrd(&dir.path().join("mask.nrrd"), size, 2.0, |[x, y, z]| match (x + y + z) % 7 {
        0 => 0,
        1..=5 if y < 15 => 1,
        _ => 2,
    });
    let files = ["--image", "image.nrrd", "--mask", "mask.nrrd"];
    for more in [
        &["--set", "binWidth=5"][..],
        // More levels than a dense matrix has, and bins of listed edges.
        &["--set", "binCount=3000", "--set", "distances=[1,2]"],
        &["--set", "force2D=true", "--set", "weightingNorm=euclidean", "--set", "gldm_a=1"],
    ] {
        let args = [&files[..], more].concat();
        let (here, _) = extracted(dir.path(), "cpu", &args);
        for threads in ["1", "3"] {
            let args = [&args[..], &["--threads", threads]].concat();
            let (there, said) = extracted(dir.path(), &device, &args);
            assert!(said.contains(&format!("device: {device} (asked for")), "{said}");
            assert!(here == there, "{more:?}: other bytes on {device}");
        }
    }
}

#[test]
fn a_batch_writes_the_same_table_and_its_journal_names_the_device() {
    let Some(device) = vulkan() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let cases = "Image,Mask\nimage.nrrd,mask.nrrd\nimage.nrrd,mask.nrrd\n";
    fs::write(dir.path().join("cases.csv"), cases).expect("cases");
    let args = ["--cases", "cases.csv", "--set", "binWidth=5", "--restart"];
    let (here, _) = extracted(dir.path(), "cpu", &args);
    let journal = dir.path().join("out.csv.journal");
    assert!(lines(&journal).iter().skip(1).all(|line| line.contains("\"device\":\"cpu\"")));
    let (there, _) = extracted(dir.path(), &device, &args);
    assert!(here == there, "other bytes on {device}");
    let name = format!("\"device\":\"{device} ");
    assert!(lines(&journal).iter().skip(1).all(|line| line.contains(&name)), "{:?}", lines(&journal));
}

#[test]
fn what_has_no_device_version_is_refused_there_and_auto_says_why_it_is_not_taken() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let one_way = ["--image", "image.nrrd", "--mask", "mask.nrrd", "--set", "symmetricalGLCM=false"];
    let (_, said) = extracted(dir.path(), "auto", &one_way);
    assert!(said.contains("device: cpu (pairs counted one way only"), "{said}");
    let Some(device) = vulkan() else { return };
    let args = [&["extract", "--device", &device, "-o", "out.csv"], &one_way[..]].concat();
    let out = osteon(dir.path(), &args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(5), "{said}");
    assert!(said.contains("pairs counted one way only") && said.contains("use --device cpu"), "{said}");
    let maps = ["extract", "--device", &device, "--voxel-based", "-o", "maps"];
    let out = osteon(dir.path(), &[&maps[..], &one_way[..4]].concat());
    assert_eq!(out.status.code(), Some(5), "{}", String::from_utf8_lossy(&out.stderr));
}
