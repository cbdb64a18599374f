//! From CT and PET to features, pictures and quality control.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::extract::shared_series;
use crate::{lines, nrrd, nrrd_of, osteon};

/// A CT of a round body with a bone along z, and a PET of it, hot in the bone.
fn patient(dir: &Path, name: &str, shift: f64) {
    let radius = |p: [usize; 3], spacing: f64, shift: f64| {
        let [x, y] = [p[0], p[1]].map(|i| (i as f64 + 0.5) * spacing - 60.0);
        (x - shift).hypot(y)
    };
    let ct = dir.join(format!("{name}_ct.nrrd"));
    nrrd_of(&ct, [80, 80, 40], [1.5, 1.5, 4.0], |p| match radius(p, 1.5, 0.0) {
        r if r < 11.0 => 180,
        r if r < 14.0 => 700,
        r if r < 50.0 => 40,
        _ => -1000,
    });
    let pet = dir.join(format!("{name}_pet.nrrd"));
    nrrd_of(&pet, [30, 30, 32], [4.0, 4.0, 5.0], |p| match radius(p, 4.0, shift) {
        r if r < 14.0 => 3 + (p[2] % 5) as i16,
        r if r < 50.0 => 1,
        _ => 0,
    });
}

#[test]
fn a_skeleton_is_written_with_its_picture() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    patient(dir, "a", 0.0);
    let args = ["skeleton", "--ct", "a_ct.nrrd", "--like", "a_pet.nrrd", "--overview", "a.png", "--json"];
    let out = osteon(dir, &[&args[..], &["-o", "mask.nii.gz"]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let volume = std::f64::consts::PI * 14.0f64.powi(2) * 160.0 / 1000.0;
    let found = json["volumes_ml"]["skeleton"].as_f64().expect("a volume");
    assert!((found / volume - 1.0).abs() < 0.03, "{found} ml of {volume}");
    let voxels = json["voxels"].as_f64().expect("a count") * 0.08;
    assert!((voxels / volume - 1.0).abs() < 0.08, "{voxels} ml of {volume} on the grid of the PET");
    assert!(fs::read(dir.join("a.png")).expect("a picture").starts_with(b"\x89PNG"));

    let out = osteon(dir, &["extract", "--image", "a_pet.nrrd", "--mask", "mask.nii.gz", "-o", "a.csv"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));

    let list = osteon(dir, &["skeleton", "--parameters"]);
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(text.contains("boneHU") && text.lines().count() == 18, "{text}");
    let wrong = osteon(dir, &["skeleton", "--ct", "a_ct.nrrd", "--set", "bonehu=1", "-o", "m.nii"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"boneHU\"?"));
}

#[test]
fn a_label_map_gives_bones_by_name() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    // Liver, fifth lumbar vertebra, left hip.
    nrrd(&dir.join("map.nrrd"), [30, 10, 10], 2.0, |p| [5, 27, 77][p[0] / 10]);
    let out = osteon(dir, &["skeleton", "--label-map", "map.nrrd", "-o", "bones.nii.gz"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let names = lines(&dir.join("bones.labels.csv"));
    assert_eq!(names, ["Label,Name,Group", "27,vertebrae_L5,spine", "77,hip_left,pelvis"]);
    let out = osteon(dir, &["skeleton", "--label-map", "map.nrrd", "--groups", "ribs", "-o", "ribs.nii.gz"]);
    assert_eq!(out.status.code(), Some(4));
    assert!(!dir.join("ribs.nii.gz").exists());
}

#[test]
fn an_archive_becomes_tables_and_pictures_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    patient(dir, "a", 0.0);
    patient(dir, "b", 16.0);
    let cases = "ID,Image,CT,Scanner\nA 1,a_pet.nrrd,a_ct.nrrd,first\nB,b_pet.nrrd,b_ct.nrrd,second\n\
                 C,c_pet.nrrd,a_ct.nrrd,first\n";
    fs::write(dir.join("cases.csv"), cases).expect("cases");
    let run = |more: &[&str]| {
        let args = ["run", "cases.csv", "--set", "binWidth=0.5", "-o", "out"];
        let out = osteon(dir, &[&args, more].concat());
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, text) = run(&[]);
    assert_eq!(code, Some(3), "{text}");
    let features = lines(&dir.join("out/features.csv"));
    assert!(
        features[0].starts_with("ID,Image,Mask,Label,Scanner,Profile,original_shape_"),
        "{}",
        features[0]
    );
    assert_eq!(features.len(), 3);
    assert!(features[1].starts_with("A 1,a_pet.nrrd,,1,first,"), "{}", features[1]);
    let quality = lines(&dir.join("out/qc.csv"));
    // Not 16: the moved body leaves the PET by 6 mm, and its centre in the image is 15.03 mm off.
    assert!(
        !quality[1].contains("lie apart") && quality[2].contains("PET and CT lie apart 15.0"),
        "{quality:?}"
    );
    let sheet = fs::read_to_string(dir.join("out/cohort.html")).expect("the contact sheet");
    for name in ["A_1-case-0001", "B"] {
        assert!(sheet.contains(&format!("pictures/{name}.png")), "{sheet}");
        for file in
            [format!("pictures/{name}.png"), format!("masks/{name}.nii.gz"), format!("suv/{name}.nii.gz")]
        {
            assert!(dir.join("out").join(&file).exists(), "{file}");
        }
    }
    let failures = lines(&dir.join("out/failures.csv"));
    assert!(failures.len() == 2 && failures[1].contains("cannot read c_pet.nrrd"), "{failures:?}");

    patient(dir, "c", 0.0);
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 cases were finished before"), "{text}");
    assert_eq!(lines(&dir.join("out/features.csv"))[..3], features);
    assert!(!dir.join("out/failures.csv").exists());
}

/// All bytes of the files below a folder, unpacked where they are compressed.
fn contents(dir: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            contents(&path, into);
            continue;
        }
        let packed = path.extension().is_some_and(|e| e == "gz");
        let bytes = if packed {
            let out = Command::new("gunzip").arg("-c").arg(&path).output().expect("gunzip starts");
            assert!(out.status.success(), "{}", path.display());
            out.stdout
        } else {
            fs::read(&path).expect("a file")
        };
        into.push((path.display().to_string(), bytes));
    }
}

/// Words that stand for a patient in the planted series, as long as those they replace.
const PLANTED: [&str; 2] = ["PX7-4482", "Zabr^Eva"];

/// Copies a series and its mask, with a patient's number and name of its own in every file.
fn plant(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            plant(&path, &copy);
            continue;
        }
        let mut bytes = fs::read(&path).expect("a file");
        // (0010,0020) and (0010,0010), implicit, of eight bytes.
        for (element, planted) in [0x20, 0x10].into_iter().zip(PLANTED) {
            let head = [0x10, 0, element, 0, 8, 0, 0, 0];
            let at = bytes.windows(8).position(|w| w == head).expect("the attribute") + 8;
            bytes[at..at + 8].copy_from_slice(planted.as_bytes());
        }
        fs::write(copy, bytes).expect("a file");
    }
}

/// Whether bytes hold one of the planted words, or a part of the name.
fn tells(bytes: &[u8]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let words = ["px7-4482", "zabr", "^eva"];
    words.iter().any(|word| lower.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// Kinds of the pieces of a PNG file; texts among them may be packed.
fn pieces(png: &[u8]) -> Vec<String> {
    let (mut at, mut kinds) = (8, Vec::new());
    while let Some(head) = png.get(at..at + 8) {
        kinds.push(String::from_utf8_lossy(&head[4..]).into_owned());
        at += 12 + u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    }
    kinds.dedup();
    kinds
}

#[test]
fn a_shared_archive_runs_from_dicom_to_the_table_and_names_nobody_if_told_so() {
    let Some(folder) = shared_series() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let dir = dir.path();
    let run = |args: &[&str]| {
        let out = osteon(dir, args);
        let talk = [out.stdout, out.stderr].concat();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&talk));
        talk
    };
    plant(&folder, &dir.join("archive"));
    fs::write(dir.join("key"), [7; 32]).expect("a key");
    run(&["index", "archive", "-o", "plain.csv"]);
    run(&["index", "archive", "--pseudonymise", "key", "-o", "secret.csv"]);
    // No rule names the mask of this series, so a person does.
    std::os::unix::fs::symlink(dir.join("archive/mask/RS.dcm"), dir.join("mask.dcm")).expect("a link");
    for name in ["plain", "secret"] {
        let secret = name == "secret";
        let table = dir.join(format!("{name}.csv"));
        let rows = lines(&table);
        let mut cells: Vec<&str> = rows[1].split(',').collect();
        cells[2] = "mask.dcm";
        fs::write(&table, format!("{}\n{}\n", rows[0], cells.join(","))).expect("cases");
        let table = format!("{name}.csv");
        let talk = run(&["run", &table, "--pet", "-o", name]);
        assert!(!(secret && tells(&talk)), "{}", String::from_utf8_lossy(&talk));
        let features = lines(&dir.join(name).join("features.csv"));
        assert!(features[0].starts_with("ID,Image,Mask,Label,Region,Study,Manufacturer,"), "{}", features[0]);
        assert!(features[0].contains(",Manufacturer,Model,Units,DecayCorrection,UptakeMinutes,"), "{name}");
        assert!(features[1].contains(",mask.dcm,1,GTV_Mass_PET,"), "{name}");
        assert!(features[1].contains(",GE MEDICAL SYSTEMS,Discovery ST,GML,ADMIN,45.18"), "{name}");
        // The uptake time of a series in SUV is that of the table of cases.
        let quality = lines(&dir.join(name).join("qc.csv"));
        let first: Vec<&str> = quality[1].split(',').take(3).collect();
        assert!(first[1].starts_with("45.18") && first[2] == "388.777472", "{quality:?}");
        assert!(quality[1].contains("uptake time 45.2") && quality[1].contains("short scan"), "{quality:?}");
        for ending in ["csv", "json", "parquet", "h5"] {
            let out = format!("{name}/other.{ending}");
            let talk = run(&["extract", "--cases", &table, "--whole", "-o", &out]);
            assert!(!(secret && tells(&talk)), "{}", String::from_utf8_lossy(&talk));
        }
        let mut files = Vec::new();
        contents(&dir.join(name), &mut files);
        // Features, quality, sheet, journal, SUV, mask and picture; four tables with their journals.
        assert_eq!(files.len(), 7 + 8, "{:?}", files.iter().map(|(path, _)| path).collect::<Vec<_>>());
        let mut told = 0;
        for (path, bytes) in &files {
            let mut seen = [path.as_bytes(), bytes].concat();
            if path.ends_with(".png") {
                assert_eq!(pieces(bytes), ["IHDR", "IDAT", "IEND"]);
            }
            if path.ends_with(".parquet") || path.ends_with(".h5") {
                let table = osteon_table::read(Path::new(path), &osteon_table::ReadOptions::default());
                seen.extend(format!("{:?}", table.expect("a table")).into_bytes());
            }
            told += usize::from(tells(&seen));
            assert!(!(secret && tells(&seen)), "{path}");
        }
        assert_eq!(told > 8, !secret, "{told} files tell who it is");
    }
}
