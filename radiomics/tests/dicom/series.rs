//! Series as images, and what is no image.

use std::fs;
use std::path::Path;

use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use osteon_radiomics::{Image, RadiomicsError, Samples};

use crate::objects::{self, enhanced, pet, set, write, write_all, write_as};

fn error(path: &Path) -> String {
    Image::read(path).expect_err("no image").to_string()
}

/// The image of `pet(0)`, `pet(1)`, `pet(2)`: stored values times 0.5.
fn check(image: &Image) {
    assert_eq!(image.geometry.size, [4, 3, 3]);
    assert_eq!(image.geometry.spacing, [2.0, 2.5, 3.0]);
    assert_eq!(image.geometry.origin, [-10.0, -20.0, 5.0]);
    assert_eq!(image.geometry.direction[2], [0.0, 0.0, 1.0]);
    let wanted: Vec<f64> = (0..36).map(|k| f64::from(100 * (k / 12) + k % 12) * 0.5).collect();
    assert_eq!(image.samples, Samples::F64(wanted));
}

#[test]
fn slices_are_sorted_by_their_place_not_their_name() {
    let dir = tempfile::tempdir().expect("temporary directory");
    write_all(dir.path(), &[pet(2), pet(0), pet(1)]);
    fs::write(dir.path().join("notes.txt"), "no DICOM").expect("a file");
    check(&Image::read(dir.path()).expect("an image"));
}

#[test]
fn an_enhanced_object_is_the_same_image() {
    let dir = tempfile::tempdir().expect("temporary directory");
    write(&dir.path().join("e.dcm"), &enhanced(3));
    check(&Image::read(dir.path()).expect("a folder"));
    check(&Image::read(&dir.path().join("e.dcm")).expect("a file"));
}

#[test]
fn every_slice_has_its_own_slope_and_integers_stay_integers() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut a, mut b) = (pet(0), pet(1));
    set(&mut a, tags::RESCALE_SLOPE, VR::DS, "1");
    set(&mut b, tags::RESCALE_SLOPE, VR::DS, "2");
    set(&mut b, tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    write_all(dir.path(), &[a, b]);
    let wanted = (0..12).chain((0..12).map(|k| 2 * (100 + k) - 1024)).collect();
    assert_eq!(Image::read(dir.path()).expect("an image").samples, Samples::I16(wanted));
}

#[test]
fn a_slice_that_is_missing_doubled_or_shifted_is_named_in_mm() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let folder = |name: &str, slices: &[objects::Attributes]| {
        let path = dir.path().join(name);
        write_all(&path, slices);
        error(&path)
    };
    let text = folder("missing", &[pet(0), pet(1), pet(2), pet(4)]);
    assert!(text.contains("slices are 3.000 mm apart") && text.contains("11.000 to 17.000 mm"), "{text}");
    assert!(text.contains("1 missing"), "{text}");
    let text = folder("doubled", &[pet(0), pet(1), pet(1), pet(2)]);
    assert!(text.contains("two slices at 8.000 mm") && text.contains("1.dcm"), "{text}");
    let mut shifted = pet(2);
    set(&mut shifted, tags::IMAGE_POSITION_PATIENT, VR::DS, "-10\\-20\\12");
    let text = folder("uneven", &[pet(0), pet(1), shifted, pet(3)]);
    assert!(text.contains("8.000 to 12.000 mm (4.000 mm)"), "{text}");
    let mut rounded = pet(2);
    set(&mut rounded, tags::IMAGE_POSITION_PATIENT, VR::DS, "-10\\-20\\11.04");
    write_all(&dir.path().join("rounded"), &[pet(0), pet(1), rounded, pet(3)]);
    assert!(Image::read(&dir.path().join("rounded")).is_ok());
}

#[test]
fn a_tilted_gantry_and_turned_slices_are_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let tilted = |k: usize| {
        let mut s = pet(k);
        let at = format!("-10\\{}\\{}", -20.0 + 0.3 * k as f64, 5.0 + 3.0 * k as f64);
        set(&mut s, tags::IMAGE_POSITION_PATIENT, VR::DS, &at);
        s
    };
    write_all(&dir.path().join("tilted"), &[tilted(0), tilted(1), tilted(2)]);
    let text = error(&dir.path().join("tilted"));
    assert!(text.contains("0.60 mm over 6.00 mm: a tilted gantry"), "{text}");
    let mut turned = pet(1);
    set(&mut turned, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "0\\1\\0\\1\\0\\0");
    write_all(&dir.path().join("turned"), &[pet(0), turned]);
    assert!(error(&dir.path().join("turned")).contains("different orientation"));
}

#[test]
fn one_of_two_series_is_chosen_by_its_uid() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut other = pet(0);
    set(&mut other, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.201");
    write_all(dir.path(), &[pet(0), pet(1), pet(2), other]);
    match Image::read(dir.path()) {
        Err(RadiomicsError::Series { found, .. }) => {
            assert!(found.contains("1.2.200 (PT \"PET AC\", 3 files), 1.2.201"), "{found}");
        }
        other => panic!("{other:?}"),
    }
    let chosen = |uid: &str| Image::read(Path::new(&format!("{}#{uid}", dir.path().display())));
    check(&chosen("1.2.200").expect("an image"));
    assert_eq!(chosen("1.2.201").expect("an image").geometry.size, [4, 3, 1]);
    assert!(chosen("1.2.9").expect_err("no series").to_string().contains("no image series 1.2.9"));
}

#[test]
fn run_lengths_are_unpacked_and_other_packings_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut object = pet(0);
    // Two planes of 12 bytes, the high ones first: 12 zeros as a run; 0, 1, ..., 11 as they are.
    let mut fragment = vec![0u8; 64];
    for (k, word) in [2u32, 64, 66].iter().enumerate() {
        fragment[4 * k..4 * k + 4].copy_from_slice(&word.to_le_bytes());
    }
    fragment.extend([245, 0, 11]);
    fragment.extend(0..12u8);
    fragment.push(0);
    let packed = PixelFragmentSequence::new_fragments(vec![fragment]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, Value::PixelSequence(packed)));
    let path = dir.path().join("rle.dcm");
    write_as(&path, &object, uids::RLE_LOSSLESS);
    let wanted = (0..12).map(|k| f64::from(k) * 0.5).collect();
    assert_eq!(Image::read(&path).expect("an image").samples, Samples::F64(wanted));
    write_as(&path, &object, uids::JPEG2000_LOSSLESS);
    assert!(error(&path).contains("transfer syntax 1.2.840.10008.1.2.4.90 is not read"), "{}", error(&path));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.dcm");
    write(&path, &enhanced(2));
    let bytes = fs::read(&path).expect("a file");
    assert!(Image::read(&path).is_ok());
    for keep in (0..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..keep]).expect("a file");
        let text = error(&path);
        assert!(text.contains("a.dcm"), "{text}");
    }
}

#[test]
fn an_element_that_claims_gigabytes_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.dcm");
    write(&path, &pet(0));
    let mut bytes = fs::read(&path).expect("a file");
    // (7FE0,0010) OW and its 32-bit length.
    let at = bytes.windows(6).rposition(|w| w == [0xE0, 0x7F, 0x10, 0, b'O', b'W']).expect("pixels");
    bytes[at + 8..at + 12].copy_from_slice(&0xFFFF_FFF0u32.to_le_bytes());
    fs::write(&path, &bytes).expect("a file");
    let text = error(&path);
    assert!(text.contains("truncated: element (7FE0,0010)") && text.contains("24 of 4294967280"), "{text}");
}

#[test]
fn what_places_a_slice_is_named_when_it_is_missing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.dcm");
    for (tag, name) in [
        (tags::IMAGE_POSITION_PATIENT, "ImagePositionPatient"),
        (tags::IMAGE_ORIENTATION_PATIENT, "ImageOrientationPatient"),
        (tags::PIXEL_SPACING, "PixelSpacing"),
        (tags::PIXEL_DATA, "PixelData"),
    ] {
        let mut object = pet(0);
        object.remove_element(tag);
        write(&path, &object);
        assert!(error(&path).contains(name), "{}", error(&path));
    }
    let mut object = pet(0);
    set(&mut object, tags::PIXEL_SPACING, VR::DS, "two\\2");
    write(&path, &object);
    assert!(error(&path).contains("PixelSpacing"));
}

/// Bytes changed at places that a counter draws: an image or an error, never a panic.
#[test]
fn a_file_with_changed_bytes_is_an_image_or_an_error() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.dcm");
    write(&path, &enhanced(2));
    let whole = fs::read(&path).expect("a file");
    let mut state = 1u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut images, mut errors) = (0, 0);
    for _ in 0..1500 {
        let mut bytes = whole.clone();
        for _ in 0..=draw(3) {
            let at = 128 + draw(bytes.len() - 128);
            bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, b'9'][draw(6)];
        }
        fs::write(&path, &bytes).expect("a file");
        match Image::read(&path) {
            Ok(image) => {
                assert_eq!(image.samples.len(), image.geometry.voxels());
                images += 1;
            }
            Err(_) => errors += 1,
        }
        let _ = osteon_radiomics::Suv::read(&path);
    }
    assert!(images > 100 && errors > 100, "{images} and {errors}");
}
