//! The cases of a folder, and that no name leaves it.

use std::fs;
use std::path::Path;

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use osteon_radiomics::{Choice, Image, Index, Key, Listing, Naming};

use crate::objects::{Attributes, group, item, pet, sequence, set, write, write_all};

/// Changes all slices of a series.
fn series(uid: &str, description: &str, change: &dyn Fn(&mut Attributes)) -> Vec<Attributes> {
    let slice = |k: usize| {
        let mut s = pet(k);
        set(&mut s, tags::SERIES_INSTANCE_UID, VR::UI, uid);
        set(&mut s, tags::SERIES_DESCRIPTION, VR::LO, description);
        set(&mut s, tags::CORRECTED_IMAGE, VR::CS, "DECY\\ATTN");
        set(&mut s, tags::UNITS, VR::CS, "BQML");
        set(&mut s, tags::PATIENT_WEIGHT, VR::DS, "70");
        set(&mut s, tags::SERIES_DATE, VR::DA, "20240310");
        set(&mut s, tags::SERIES_TIME, VR::TM, "110500");
        set(&mut s, tags::ACQUISITION_DATE, VR::DA, "20240310");
        set(&mut s, tags::ACQUISITION_TIME, VR::TM, "110500");
        let isotope = item(&[
            (tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "350000000"),
            (tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "6586.2"),
            (tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "100000"),
        ]);
        sequence(&mut s, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![isotope]);
        change(&mut s);
        s
    };
    (0..3).map(slice).collect()
}

fn ct(uid: &str, change: &dyn Fn(&mut Attributes)) -> Vec<Attributes> {
    series(uid, "CT", &|s| {
        set(s, tags::MODALITY, VR::CS, "CT");
        set(s, tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
        change(s);
    })
}

/// A structure set drawn on a series.
fn contours(uid: &str, on: &str) -> Attributes {
    let mut rs = Attributes::new_empty();
    for (tag, vr, text) in [
        (tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, uid),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.100"),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid),
        (tags::MODALITY, VR::CS, "RTSTRUCT"),
        (tags::PATIENT_ID, VR::LO, "P1"),
    ] {
        set(&mut rs, tag, vr, text);
    }
    let referenced = item(&[(tags::SERIES_INSTANCE_UID, VR::UI, on)]);
    let study = group(tags::RT_REFERENCED_SERIES_SEQUENCE, referenced);
    let mut frame = group(tags::RT_REFERENCED_STUDY_SEQUENCE, study);
    set(&mut frame, tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.300");
    sequence(&mut rs, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, vec![frame]);
    rs
}

fn cell<'a>(listing: &'a Listing, row: usize, column: &str) -> &'a str {
    let k = listing.columns.iter().position(|c| *c == column).expect("a column");
    &listing.rows[row][k]
}

fn found(dir: &Path, choice: &Choice) -> [Listing; 3] {
    let index = Index::read(dir, choice).expect("an index");
    [index.cases(&Naming::Plain), index.series(&Naming::Plain), index.doubts(&Naming::Plain)]
}

#[test]
fn the_corrected_pet_is_paired_with_the_ct_of_its_frame_and_its_mask() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| dir.path().join(name);
    write_all(&at("a/pet"), &series("1.2.200", "PET WB AC", &|_| {}));
    write_all(
        &at("a/nac"),
        &series("1.2.201", "PET NAC", &|s| set(s, tags::CORRECTED_IMAGE, VR::CS, "DECY")),
    );
    write_all(&at("b/ct"), &ct("1.2.210", &|_| {}));
    write_all(
        &at("b/scout"),
        &ct("1.2.211", &|s| set(s, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER")),
    );
    write(&at("b/rs.dcm"), &contours("1.2.220", "1.2.200"));
    fs::write(at("b/readme.txt"), "text").expect("a file");
    let [cases, series, doubts] = found(dir.path(), &Choice::default());
    assert_eq!((cases.rows.len(), doubts.rows.len()), (1, 0), "{doubts:?}");
    assert!(cell(&cases, 0, "Image").ends_with("a/pet#1.2.200"));
    assert!(cell(&cases, 0, "CT").ends_with("b/ct#1.2.210"));
    assert!(cell(&cases, 0, "Mask").ends_with("b/rs.dcm"));
    for (column, wanted) in [
        ("ID", "P1"),
        ("UptakeMinutes", "65"),
        ("DoseMBq", "350"),
        ("WeightKg", "70"),
        ("Slices", "3"),
        ("VoxelXmm", "2"),
        ("VoxelYmm", "2.5"),
        ("VoxelZmm", "3"),
        ("Manufacturer", "SIEMENS"),
    ] {
        assert_eq!(cell(&cases, 0, column), wanted, "{column}");
    }
    let roles: Vec<_> = (0..5).map(|k| (cell(&series, k, "Series"), cell(&series, k, "Role"))).collect();
    assert_eq!(
        roles,
        [
            ("1.2.200", "PET"),
            ("1.2.201", "not used: not attenuation corrected"),
            ("1.2.210", "CT"),
            ("1.2.211", "not used: a localizer"),
            ("1.2.220", "mask"),
        ]
    );
    // What the table names can be read.
    assert!(Image::read(Path::new(cell(&cases, 0, "Image"))).is_ok());
}

#[test]
fn what_no_rule_decides_is_listed_and_left_open() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| dir.path().join(name);
    write_all(&at("p1"), &series("1.2.200", "PET AC 3D", &|_| {}));
    write_all(&at("p2"), &series("1.2.201", "PET AC PSF", &|_| {}));
    write_all(&at("c1"), &ct("1.2.210", &|_| {}));
    write_all(&at("c2"), &ct("1.2.211", &|_| {}));
    fs::write(at("c2/cut.dcm"), &fs::read(at("c2/0.dcm")).expect("a file")[..400]).expect("a file");
    let [cases, _, doubts] = found(dir.path(), &Choice::default());
    assert_eq!(cases.rows.len(), 0);
    assert_eq!(cell(&doubts, 0, "Question"), "several PET series meet the rules");
    assert_eq!(cell(&doubts, 0, "Candidates"), "1.2.200 PET AC 3D; 1.2.201 PET AC PSF");
    assert!(cell(&doubts, 1, "Candidates").contains("cut.dcm"), "{doubts:?}");
    // A person may say which.
    let choice = Choice { pet: Some("psf".into()), ct: None };
    let [cases, _, doubts] = found(dir.path(), &choice);
    assert!(cell(&cases, 0, "Image").ends_with("p2#1.2.201"));
    assert_eq!(cell(&cases, 0, "CT"), "");
    assert_eq!(cell(&doubts, 0, "Question"), "several CT series share the frame of reference of the PET");
    // A CT elsewhere is no pair.
    for name in ["c1", "c2"] {
        fs::remove_dir_all(at(name)).expect("removed");
    }
    write_all(&at("c3"), &ct("1.2.212", &|s| set(s, tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.301")));
    let [cases, _, doubts] = found(dir.path(), &choice);
    assert_eq!(cell(&cases, 0, "CT"), "");
    assert!(cell(&doubts, 0, "Question").contains("another frame of reference"));
}

/// Every file below a folder, links not followed.
fn contents(folder: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        all.push(entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            contents(&entry.path(), all);
        } else if kind.is_file() {
            all.push(fs::read_to_string(entry.path()).expect("text"));
        }
    }
}

#[test]
fn no_name_leaves_under_pseudonyms() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (input, out) = (dir.path().join("PLANTED-4711"), dir.path().join("out"));
    fs::create_dir(&out).expect("a folder");
    let plant = |s: &mut Attributes| {
        set(s, tags::PATIENT_ID, VR::LO, "PLANTED-4711");
        set(s, tags::PATIENT_NAME, VR::PN, "Rossi^Maria");
        set(s, tags::PATIENT_BIRTH_DATE, VR::DA, "19610203");
        // Where people also write it.
        set(s, tags::MANUFACTURER_MODEL_NAME, VR::LO, "mCT of rossi");
        set(s, tags::SERIES_DESCRIPTION, VR::LO, "PET Rossi");
    };
    write_all(&input.join("pet"), &series("1.2.200", "PET", &plant));
    write_all(&input.join("two"), &ct("1.2.210", &plant));
    write_all(&input.join("three"), &ct("1.2.211", &plant));
    fs::write(input.join("two/cut.dcm"), &fs::read(input.join("two/0.dcm")).expect("a file")[..400])
        .expect("cut");
    let secret = dir.path().join("key");
    fs::write(&secret, "short").expect("a key");
    assert!(Key::read(&secret).is_err());
    fs::write(&secret, "a secret of sixteen bytes or more\n").expect("a key");
    let key = Key::read(&secret).expect("a key");
    let links = out.join("cases.links");
    let naming = Naming::Pseudonyms(&key, &links);
    let index = Index::read(&input, &Choice::default()).expect("an index");
    index.link(&naming).expect("links");
    let cases = index.cases(&naming);
    for (name, listing) in
        [("cases", &cases), ("series", &index.series(&naming)), ("doubts", &index.doubts(&naming))]
    {
        let lines: Vec<String> = listing.rows.iter().map(|r| r.join(",")).collect();
        assert!(!lines.is_empty(), "{name}");
        fs::write(out.join(name), lines.join("\n")).expect("a table");
    }
    let mut all = Vec::new();
    contents(&out, &mut all);
    let text = all.join("\n").to_lowercase();
    for planted in ["planted", "4711", "rossi", "maria", "19610203", "1961", "1.2.200", "1.2.100"] {
        assert!(!text.contains(planted), "{planted} in {text}");
    }
    // The link of the case is the image, and the same key gives the same name.
    let image = Image::read(&out.join(cell(&cases, 0, "Image"))).expect("an image");
    assert_eq!(image.geometry.size, [4, 3, 3]);
    assert_eq!(index.cases(&naming), cases);
    assert_eq!(cell(&cases, 0, "ID").len(), 16);
}
