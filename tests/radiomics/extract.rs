//! One case, many cases, bad ones among them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::{lines, nrrd, osteon, volumes};

#[test]
fn one_case_has_a_row_per_label_and_the_same_bytes_for_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let mut seen = Vec::new();
    for threads in ["1", "3"] {
        let out = osteon(
            dir.path(),
            &["extract", "--image", "image.nrrd", "--mask", "mask.nrrd", "--labels", "1-2", "--whole"]
                .into_iter()
                .chain(["--set", "binWidth=5", "--threads", threads, "-o", "out.csv"])
                .collect::<Vec<_>>(),
        );
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        seen.push(lines(&dir.path().join("out.csv")));
    }
    assert_eq!(seen[0], seen[1]);
    let table = &seen[0];
    assert_eq!(table.len(), 4);
    assert!(table[0].starts_with("Image,Mask,Label,Profile,original_shape_Elongation,"), "{}", table[0]);
    assert_eq!(table[0].split(',').count(), 4 + 107);
    assert!(
        table[1].starts_with("image.nrrd,mask.nrrd,1,") && table[3].starts_with("image.nrrd,mask.nrrd,all,")
    );
}

#[test]
fn a_bad_case_is_listed_and_the_others_are_complete() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let cases = "ID,Image,Mask,Label\na,image.nrrd,mask.nrrd,1\nb,image.nrrd,other.nrrd,1\n\
                 c,absent.nrrd,mask.nrrd,1\nd,image.nrrd,mask.nrrd,2-3\n";
    fs::write(dir.path().join("cases.csv"), cases).expect("cases");
    let out = osteon(dir.path(), &["extract", "--cases", "cases.csv", "-o", "out.json"]);
    assert_eq!(out.status.code(), Some(3), "{}", String::from_utf8_lossy(&out.stderr));
    let text = fs::read_to_string(dir.path().join("out.json")).expect("results");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let ids: Vec<_> = json.as_array().expect("rows").iter().map(|r| (&r["ID"], &r["Label"])).collect();
    assert_eq!(ids, [(&"a".into(), &"1".into()), (&"d".into(), &serde_json::Value::from("2"))]);
    let failures = lines(&dir.path().join("failures.csv"));
    assert_eq!(failures.len(), 4);
    assert!(failures[1].contains("other.nrrd") && failures[1].contains("spacing differs by 5.000e-1 mm"));
    assert!(failures[2].contains("cannot read absent.nrrd"), "{}", failures[2]);
    assert!(failures[3].contains(",3,region 3: it is a single voxel"), "{}", failures[3]);
}

#[test]
fn a_single_bad_case_is_an_error_with_its_reason() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    let run = |more: &[&str]| {
        osteon(dir.path(), &[&["extract", "--image", "image.nrrd", "-o", "out.csv"], more].concat())
    };
    let out = run(&["--mask", "mask.nrrd", "--labels", "9"]);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(4), "{text}");
    assert!(text.contains("label 9 is not in the mask (labels there: 1, 2, 3)"), "{text}");
    let out = run(&["--mask", "mask.nrrd", "--set", "binwidth=3"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("did you mean \"binWidth\"?"));
    assert!(!dir.path().join("out.csv").exists());
}

#[test]
fn a_mask_on_another_grid_is_resampled_only_when_asked() {
    let dir = tempfile::tempdir().expect("temporary directory");
    volumes(dir.path());
    // Label 1 on voxels of 1 mm, where the image has 2 mm: both voxels 0 and 1 of an axis lie in the
    // image's voxel 0 and 1, so that 8 x 8 x 8 become 4 x 4 x 4.
    nrrd(&dir.path().join("fine.nrrd"), [16, 12, 10], 1.0, |p| u8::from(p.iter().all(|k| *k < 8)));
    let run = |more: &[&str]| {
        let args = [
            "extract",
            "--image",
            "image.nrrd",
            "--mask",
            "fine.nrrd",
            "--set",
            "binWidth=5",
            "-o",
            "out.csv",
        ];
        osteon(dir.path(), &[&args, more].concat())
    };
    let out = run(&[]);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(4), "{text}");
    assert!(text.contains("spacing differs by 1.000e0 mm") && text.contains("--resample-mask"), "{text}");
    for (flag, volume) in [("--resample-mask", 4.0 * 4.0 * 4.0 * 8.0), ("--resample-image", 512.0)] {
        let out = run(&[flag]);
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{flag}: {text}");
        assert!(text.contains("resampled: ") && text.contains(" mm"), "{text}");
        let table = lines(&dir.path().join("out.csv"));
        let column = table[0].split(',').position(|c| c == "original_shape_VoxelVolume").expect("a column");
        let found: f64 = table[1].split(',').nth(column).expect("a cell").parse().expect("a number");
        assert_eq!(found, volume, "{flag}");
    }
    assert_eq!(run(&["--resample-mask", "--resample-image"]).status.code(), Some(2));
}

/// The folder of the shared series STS_001, if it is there.
pub fn shared_series() -> Option<std::path::PathBuf> {
    let root = std::env::var_os("OSTEON_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), Into::into);
    let folder = root.join("radiomics/sts001_pet_dicom");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("OSTEON_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|part| part == "data"), "no reference data in {}", folder.display());
    let _ = writeln!(std::io::stderr(), "skipped: {} is absent (set OSTEON_TEST_DATA)", folder.display());
    None
}

#[test]
fn a_shared_archive_is_indexed_converted_and_measured() {
    let Some(folder) = shared_series() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osteon"));
        let out =
            command.current_dir(dir.path()).arg("radiomics").args(args).output().expect("the binary starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let folder = folder.to_str().expect("a path");
    run(&["index", folder, "-o", "cases.csv"]);
    let cases = lines(&dir.path().join("cases.csv"));
    assert_eq!(cases.len(), 2, "{cases:?}");
    // The structure set names another series than this one, so it is listed, not guessed.
    assert!(cases[1].starts_with("STS_001,"), "{}", cases[1]);
    let series = lines(&dir.path().join("cases.series.csv"));
    assert!(series.iter().any(|l| l.contains(",mask,") && l.ends_with("/mask/RS.dcm")), "{series:?}");
    assert!(cases[1].contains("GE MEDICAL SYSTEMS,Discovery ST,GML,ADMIN,45.18"), "{}", cases[1]);
    let said = run(&["suv", "--dicom", &format!("{folder}/image"), "-o", "suv.nii.gz"]);
    assert!(said.contains("units GML"), "{said}");
    // The features of the series, and of its SUV file, under its contours.
    let set = ["--set", "binWidth=0.25", "-o"];
    let (image, mask) = (format!("{folder}/image"), format!("{folder}/mask/RS.dcm"));
    run(&[&["extract", "--image", &image, "--mask", &mask], &set[..], &["a.csv"]].concat());
    let case = ["extract", "--image", "suv.nii.gz", "--mask", &mask];
    run(&[&case[..], &set[..], &["b.csv"]].concat());
    let value = |name: &str| {
        let table = lines(&dir.path().join(name));
        let column = table[0].split(',').position(|c| c == "original_firstorder_Mean").expect("a column");
        table[1].split(',').nth(column).expect("a cell").parse::<f64>().expect("a number")
    };
    assert!((value("a.csv") / value("b.csv") - 1.0).abs() < 1e-6, "{} {}", value("a.csv"), value("b.csv"));
}
