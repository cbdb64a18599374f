//! SUV of objects made for every unit, decay correction and vendor case. Each expected factor is
//! worked out by hand in its comment.
//!
//! Common to all: weight 70 kg = 70 000 g, dose 350 MBq = 3.5e8 Bq, half-life 6000 s. Without decay
//! the factor is 70 000 / 3.5e8 = 2e-4; after one half-life the dose has halved: 4e-4; after half of
//! one it is 2e-4 * 2^0.5 = 2.828427e-4. Voxel 1 of slice 0 is 1 * 0.5 (slope) = 0.5 in its units.

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use osteon_radiomics::{RadiomicsError, Suv, not_suv};

use crate::objects::{Attributes, enhanced, group, item, pet, sequence, set, write, write_all};

const ROOT: f64 = std::f64::consts::SQRT_2;

/// What is added to or taken from a series.
type Change<'a> = &'a dyn Fn(&mut Attributes, usize);

fn isotope(elements: &[(Tag, VR, &str)]) -> Attributes {
    let mut all = item(&[
        (tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "3.5E8"),
        (tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "6000"),
    ]);
    elements.iter().for_each(|(tag, vr, text)| set(&mut all, *tag, *vr, text));
    all
}

/// Makes a slice dosed: injected at 10:00:00, series at 11:40:00 (6000 s later), slice `k` from then
/// on for 120 s each.
fn dosed(to: &mut Attributes, k: usize) {
    for (tag, vr, text) in [
        (tags::UNITS, VR::CS, "BQML"),
        (tags::DECAY_CORRECTION, VR::CS, "START"),
        (tags::CORRECTED_IMAGE, VR::CS, "DECY\\ATTN\\SCAT"),
        (tags::PATIENT_WEIGHT, VR::DS, "70"),
        (tags::SERIES_DATE, VR::DA, "20240310"),
        (tags::SERIES_TIME, VR::TM, "114000"),
        (tags::ACQUISITION_DATE, VR::DA, "20240310"),
        (tags::ACQUISITION_TIME, VR::TM, &*format!("11{}00.000", 40 + 2 * k)),
    ] {
        set(to, tag, vr, text);
    }
    let start = isotope(&[(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "100000.00")]);
    sequence(to, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![start]);
}

fn series(folder: &Path, change: Change) -> Result<Suv, RadiomicsError> {
    let slice = |k: usize| {
        let mut s = pet(k);
        dosed(&mut s, k);
        change(&mut s, k);
        s
    };
    write_all(folder, &[slice(0), slice(1), slice(2)]);
    Suv::read(folder)
}

/// The factor from stored values times slope to SUV, by the image itself.
fn factor(suv: &Suv) -> f64 {
    suv.image.samples.get(1) / 0.5
}

fn check(name: &str, wanted: f64, change: Change) -> Suv {
    let dir = tempfile::tempdir().expect("temporary directory");
    let suv = series(dir.path(), change).unwrap_or_else(|e| panic!("{name}: {e}"));
    let found = factor(&suv);
    assert!((found / wanted - 1.0).abs() < 1e-9, "{name}: {found:e} instead of {wanted:e}");
    // Slice 2 as well: 201 * 0.5.
    assert!((suv.image.samples.get(25) / (100.5 * wanted) - 1.0).abs() < 1e-9, "{name}");
    suv
}

fn refused(change: Change) -> String {
    let dir = tempfile::tempdir().expect("temporary directory");
    match series(dir.path(), change) {
        Err(e @ RadiomicsError::Suv { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

fn isotopes(to: &mut Attributes, elements: &[(Tag, VR, &str)]) {
    sequence(to, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![isotope(elements)]);
}

#[test]
fn activity_is_divided_by_the_dose_that_is_left_at_the_start_of_the_series() {
    // 6000 s = 1 half-life: 4e-4, the same for the slice of 11:44.
    let suv = check("START", 4e-4, &|_, _| {});
    assert_eq!(suv.record.uptake_minutes, Some(100.0));
    assert_eq!(suv.record.scan_start_from.as_deref(), Some("SeriesTime"));
    assert_eq!(suv.warnings, [""; 0]);
    // Corrected to the injection already: 2e-4.
    let suv = check("ADMIN", 2e-4, &|s, _| set(s, tags::DECAY_CORRECTION, VR::CS, "ADMIN"));
    assert_eq!(suv.record.uptake_minutes, None);
    let text = refused(&|s, _| set(s, tags::DECAY_CORRECTION, VR::CS, "NONE"));
    assert!(text.contains("DecayCorrection (0054,1102) is NONE"), "{text}");
}

#[test]
fn suv_stays_suv_and_counts_need_their_vendor() {
    check("GML", 1.0, &|s, _| set(s, tags::UNITS, VR::CS, "GML"));
    check("GML, not corrected", 1.0, &|s, _| {
        set(s, tags::UNITS, VR::CS, "GML");
        set(s, tags::DECAY_CORRECTION, VR::CS, "NONE");
    });
    let text = refused(&|s, _| {
        set(s, tags::UNITS, VR::CS, "GML");
        set(s, tags::SUV_TYPE, VR::CS, "LBM");
    });
    assert!(text.contains("SUVType (0054,1006) is LBM"), "{text}");
    let philips = |s: &mut Attributes, suv: &str, activity: &str| {
        set(s, tags::UNITS, VR::CS, "CNTS");
        set(s, Tag(0x7053, 0x0010), VR::LO, "Philips PET Private Group");
        set(s, Tag(0x7053, 0x1000), VR::DS, suv);
        set(s, Tag(0x7053, 0x1009), VR::DS, activity);
    };
    // The factor itself, whatever the dose.
    check("CNTS with 7053,1000", 0.0125, &|s, _| philips(s, "0.0125", "0"));
    check("CNTS with both", 0.0125, &|s, _| philips(s, "0.0125", "3"));
    // 3 Bq/ml per count, one half-life: 3 * 4e-4; without decay 3 * 2e-4.
    check("CNTS with 7053,1009", 1.2e-3, &|s, _| philips(s, "0", "3"));
    check("CNTS with 7053,1009, ADMIN", 6e-4, &|s, _| {
        philips(s, "0", "3");
        set(s, tags::DECAY_CORRECTION, VR::CS, "ADMIN");
    });
    let text = refused(&|s, _| set(s, tags::UNITS, VR::CS, "CNTS"));
    assert!(text.contains("(7053,1000)") && text.contains("(7053,1009)"), "{text}");
    let text = refused(&|s, _| {
        philips(s, "0", "3");
        set(s, tags::DECAY_CORRECTION, VR::CS, "NONE");
    });
    assert!(text.contains("is NONE"), "{text}");
    let text = refused(&|s, _| set(s, tags::UNITS, VR::CS, "PROPCPS"));
    assert!(text.contains("Units (0054,1001) is PROPCPS"), "{text}");
}

/// A factor of the vendor may differ from slice to slice, as the slope does.
#[test]
fn every_slice_has_its_own_factor() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let suv = series(dir.path(), &|s, k| {
        set(s, tags::UNITS, VR::CS, "CNTS");
        set(s, Tag(0x7053, 0x0010), VR::LO, "Philips PET Private Group");
        set(s, Tag(0x7053, 0x1000), VR::DS, ["1", "2", "4"][k]);
        set(s, tags::RESCALE_SLOPE, VR::DS, ["1", "1", "0.25"][k]);
    })
    .expect("SUV");
    // Stored 1, 101, 201.
    assert_eq!([1, 13, 25].map(|k| suv.image.samples.get(k)), [1.0, 202.0, 201.0]);
}

#[test]
fn a_series_time_of_post_processing_is_not_believed() {
    let late = |s: &mut Attributes| set(s, tags::SERIES_TIME, VR::TM, "160000");
    // The first slice starts at 11:40:00, one half-life.
    let suv = check("acquisition", 4e-4, &|s, _| late(s));
    assert_eq!(suv.record.scan_start_from.as_deref(), Some("AcquisitionTime"));
    assert!(suv.warnings[0].contains("11:40:00"), "{:?}", suv.warnings);
    // GE tells the start of the scan, 10:50:00: 3000 s, half of a half-life.
    let suv = check("GE", 2e-4 * ROOT, &|s, _| {
        late(s);
        set(s, Tag(0x0009, 0x0010), VR::LO, "GEMS_PETD_01");
        set(s, Tag(0x0009, 0x100d), VR::DT, "20240310105000.00");
    });
    assert_eq!(suv.record.scan_start_from.as_deref(), Some("GE scan time (0009,100d)"));
    // Frames of 120 s. Mean count rate of one: ln(x / (1 - e^-x)) / lambda with
    // lambda = ln 2 / 6000 = 1.1552453e-4 and x = 120 lambda = 0.013862944; the logarithm is
    // x/2 - x^2/24 = 0.006931472 - 0.000008008 = 0.006923464, so 59.930683 s. FrameReferenceTime
    // 3059.930683 s + 120 s per slice puts the start of the scan at 11:40:00 + 59.930683 s
    // - 3059.930683 s = 10:50:00: half of a half-life.
    let suv = check("FrameReferenceTime", 2e-4 * ROOT, &|s, k| {
        late(s);
        let reference = format!("{}", 3_059_930.683 + 120_000.0 * k as f64);
        set(s, tags::FRAME_REFERENCE_TIME, VR::DS, &reference);
        set(s, tags::ACTUAL_FRAME_DURATION, VR::IS, "120000");
    });
    assert_eq!(suv.record.scan_start_from.as_deref(), Some("FrameReferenceTime"));
    // An honest series time that FrameReferenceTime contradicts is used, and said.
    let suv = check("contradiction", 4e-4, &|s, _| {
        set(s, tags::FRAME_REFERENCE_TIME, VR::DS, "3059930.683");
        set(s, tags::ACTUAL_FRAME_DURATION, VR::IS, "120000");
    });
    assert!(suv.warnings[0].contains("at 10:50:00"), "{:?}", suv.warnings);
}

#[test]
fn an_injection_before_midnight_was_the_day_before() {
    // Injected at 23:10:00, series at 00:50:00 of the next day: 6000 s.
    let night = |s: &mut Attributes, k: usize| {
        set(s, tags::SERIES_TIME, VR::TM, "005000");
        set(s, tags::ACQUISITION_TIME, VR::TM, &format!("005{}00", 2 * k));
    };
    check("time alone", 4e-4, &|s, k| {
        night(s, k);
        isotopes(s, &[(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "231000")]);
    });
    check("date and time", 4e-4, &|s, k| {
        night(s, k);
        let start = "20240309231000.000000";
        isotopes(s, &[(tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, start)]);
    });
    // The scan itself passes midnight: series 23:59:00, the last slice at 00:01:00 of the next day.
    check("scan over midnight", 4e-4, &|s, k| {
        set(s, tags::SERIES_TIME, VR::TM, "235900");
        set(s, tags::ACQUISITION_DATE, VR::DA, if k == 0 { "20240310" } else { "20240311" });
        set(s, tags::ACQUISITION_TIME, VR::TM, ["235900", "000000", "000100"][k]);
        isotopes(s, &[(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "221900")]);
    });
    let text = refused(&|s, _| {
        let start = "20240312100000";
        isotopes(s, &[(tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, start)]);
    });
    assert!(text.contains("a date or a time is wrong"), "{text}");
}

#[test]
fn the_date_and_time_of_injection_win_over_the_time() {
    // 10:50:00 by date and time, 10:00:00 by time: half of a half-life.
    check("both", 2e-4 * ROOT, &|s, _| {
        isotopes(
            s,
            &[
                (tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20240310105000"),
                (tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "100000"),
            ],
        );
    });
    // GE's own, where neither is there: 10:50:00.
    check("GE", 2e-4 * ROOT, &|s, _| {
        isotopes(s, &[]);
        set(s, Tag(0x0009, 0x0010), VR::LO, "GEMS_PETD_01");
        set(s, Tag(0x0009, 0x103b), VR::DT, "20240310105000.00");
    });
}

#[test]
fn an_enhanced_object_says_what_it_is_corrected_to() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("e.dcm");
    let build = |change: &dyn Fn(&mut Attributes)| {
        let mut e = enhanced(3);
        set(&mut e, tags::PATIENT_WEIGHT, VR::DS, "70");
        set(&mut e, tags::ATTENUATION_CORRECTED, VR::CS, "YES");
        set(&mut e, tags::DECAY_CORRECTED, VR::CS, "YES");
        set(&mut e, tags::DECAY_CORRECTION_DATE_TIME, VR::DT, "20240310105000");
        isotopes(&mut e, &[(tags::RADIOPHARMACEUTICAL_START_DATE_TIME, VR::DT, "20240310100000")]);
        let mut units = item(&[(tags::CODE_VALUE, VR::SH, "Bq/ml")]);
        set(&mut units, tags::CODING_SCHEME_DESIGNATOR, VR::SH, "UCUM");
        let map = group(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, units);
        let mut shared = e.take(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).expect("shared groups");
        shared.update_value(|v| {
            if let Some(items) = v.items_mut() {
                sequence(&mut items[0], tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE, vec![map.clone()]);
            }
        });
        e.put(shared);
        change(&mut e);
        write(&path, &e);
        Suv::read(&path)
    };
    // 3000 s, half of a half-life; voxel 1 of the lowest slice is 1 * 0.5.
    let suv = build(&|_| {}).expect("SUV");
    assert!((factor(&suv) / (2e-4 * ROOT) - 1.0).abs() < 1e-9, "{:e}", factor(&suv));
    assert_eq!(suv.record.scan_start_from.as_deref(), Some("DecayCorrectionDateTime"));
    let text =
        build(&|e| set(e, tags::DECAY_CORRECTED, VR::CS, "NO")).expect_err("not corrected").to_string();
    assert!(text.contains("not corrected for decay"), "{text}");
}

#[test]
fn what_is_missing_or_impossible_is_named_with_its_tag() {
    let text = refused(&|s, _| {
        s.remove_element(tags::PATIENT_WEIGHT);
    });
    assert!(text.contains("PatientWeight (0010,1030) is missing"), "{text}");
    let text = refused(&|s, _| {
        set(s, tags::PATIENT_WEIGHT, VR::DS, "0");
        let empty = item(&[(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "100000")]);
        sequence(s, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE, vec![empty]);
    });
    for name in ["PatientWeight (0010,1030)", "TotalDose (0018,1074)", "HalfLife (0018,1075) are missing"] {
        assert!(text.contains(name), "{text}");
    }
    let text = refused(&|s, _| isotopes(s, &[]));
    assert!(text.contains("(0018,1078)") && text.contains("(0018,1072) are missing"), "{text}");
    let text = refused(&|s, _| isotopes(s, &[(tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "350")]));
    assert!(text.contains("in Bq (not MBq) is 350"), "{text}");
    let text = refused(&|s, k| set(s, tags::PATIENT_WEIGHT, VR::DS, if k == 1 { "71" } else { "70" }));
    assert!(text.contains("PatientWeight (0010,1030) differs between slices"), "{text}");
    let text = refused(&|s, _| set(s, tags::CORRECTED_IMAGE, VR::CS, "DECY\\SCAT"));
    assert!(text.contains("not corrected for attenuation"), "{text}");
    let text = refused(&|s, _| set(s, tags::MODALITY, VR::CS, "CT"));
    assert!(text.contains("not PT"), "{text}");
}

#[test]
fn a_series_in_activity_is_told_from_one_in_suv() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let suv = series(dir.path(), &|_, _| {}).expect("SUV");
    let image = osteon_radiomics::Image::read(dir.path()).expect("an image");
    let text = not_suv(dir.path(), &image).expect("a warning");
    assert!(text.contains("BQML"), "{text}");
    // As files without units: the activity by its size, the SUV not.
    let path = dir.path().join("a.nii");
    let mut active = image.clone();
    if let osteon_radiomics::Samples::F64(v) = &mut active.samples {
        v.iter_mut().for_each(|x| *x *= 100.0);
        v[0] = 0.25;
    }
    assert!(not_suv(&path, &active).expect("a warning").contains("values up to 10550"));
    assert_eq!(not_suv(&path, &suv.image), None);
}

/// The private number may come as binary, too, and as unknown in an implicit file.
#[test]
fn a_private_factor_is_read_in_any_form() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut s = pet(0);
    dosed(&mut s, 0);
    set(&mut s, tags::UNITS, VR::CS, "CNTS");
    set(&mut s, Tag(0x7053, 0x0010), VR::LO, "Philips PET Private Group");
    s.put(DataElement::new(Tag(0x7053, 0x1000), VR::UN, PrimitiveValue::from(b"0.0125".to_vec())));
    let path = dir.path().join("a.dcm");
    write(&path, &s);
    assert!((factor(&Suv::read(&path).expect("SUV")) - 0.0125).abs() < 1e-12);
}
