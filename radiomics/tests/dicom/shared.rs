//! The shared series STS_001 (see the README of the reference data) against its NIfTI files.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use osteon_radiomics::{Image, Labels, Mask};

/// The folder of the reference data, as in `tests/reference`.
pub fn folder() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = env::var_os("OSTEON_TEST_DATA").map_or(default, PathBuf::from).join("radiomics");
    if root.is_dir() {
        return Some(root);
    }
    let required = env::var("OSTEON_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|part| part == "data"), "no reference data in {}", root.display());
    let _ = writeln!(std::io::stderr(), "skipped: {} is absent (set OSTEON_TEST_DATA)", root.display());
    None
}

#[test]
fn the_series_is_its_nifti_image() {
    let Some(root) = folder() else { return };
    let nifti = Image::read(&root.join("ibsi_sts_pet/STS_001_PET_image.nii.gz")).expect("NIfTI");
    let dicom = Image::read(&root.join("sts001_pet_dicom/image")).expect("a series");
    assert_eq!(nifti.geometry.difference(&dicom.geometry, 1e-4), None);
    // The NIfTI file has single precision: at an SUV of 17 it rounds by up to 1e-6.
    let gap = |k: usize| {
        let (a, b) = (nifti.samples.get(k), dicom.samples.get(k));
        (a - b).abs() / b.abs().max(1.0)
    };
    let worst = (0..nifti.samples.len()).map(gap).fold(0.0, f64::max);
    let _ = writeln!(std::io::stderr(), "largest difference of a voxel: {worst:e}");
    assert!(worst < 2e-7, "{worst:e}");
}

#[test]
fn the_contours_are_the_nifti_mask() {
    let Some(root) = folder() else { return };
    let series = root.join("sts001_pet_dicom/image");
    let grid = Image::read(&series).expect("a series").geometry;
    let mask = Mask::read(&root.join("sts001_pet_dicom/mask/RS.dcm"), &series, &grid).expect("contours");
    assert_eq!(mask.names.into_iter().collect::<Vec<_>>(), [(1, "GTV_Mass_PET".to_owned())]);
    let nifti = Labels::read(&root.join("ibsi_sts_pet/STS_001_PET_mask.nii.gz")).expect("NIfTI");
    let pairs = mask.labels.values.iter().zip(&nifti.values);
    let both = pairs.filter(|(a, b)| **a > 0 && **b > 0).count() as f64;
    let count = |labels: &[u16]| labels.iter().filter(|l| **l > 0).count() as f64;
    let (ours, theirs) = (count(&mask.labels.values), count(&nifti.values));
    let dice = 2.0 * both / (ours + theirs);
    let _ = writeln!(std::io::stderr(), "Dice {dice:.5}, {ours} and {theirs} voxels");
    assert!(dice > 0.99, "{dice}");
}
