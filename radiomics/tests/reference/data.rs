//! Where the reference data are, and how two tables of features are compared.

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use osteon_radiomics::{Image, Labels, Params, Row, Selection, extract};

/// The folder of the reference data; `None` (with a printed reason) when it is absent and nothing demands it.
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

/// Image and mask of a case: `brain1` and its like as NRRD, `STS_...` as NIfTI.
pub fn case(root: &Path, name: &str) -> (Image, Labels) {
    let (folder, image, mask) = if name.starts_with("STS") {
        ("ibsi_sts_pet", format!("{name}_image.nii.gz"), format!("{name}_mask.nii.gz"))
    } else {
        ("pyradiomics_cases", format!("{name}_image.nrrd"), format!("{name}_label.nrrd"))
    };
    let image = Image::read(&root.join(folder).join(image)).expect("an image");
    let mask = Labels::read(&root.join(folder).join(mask)).expect("a mask");
    (image, mask)
}

/// The features of label 1.
pub fn features(image: &Image, mask: &Labels, params: &Params) -> Row {
    let mut rows = extract(image, mask, &Selection::single(1), params).expect("regions");
    rows.remove(0).expect("features")
}

/// Largest difference of each class: relative, or absolute where the expected value is below
/// `small` in size.
pub fn worst(
    found: &[(String, f64)],
    expected: &BTreeMap<String, f64>,
    small: f64,
) -> BTreeMap<String, (f64, String)> {
    let mut worst: BTreeMap<String, (f64, String)> = BTreeMap::new();
    for (name, value) in found {
        let Some(&wanted) = expected.get(name) else { continue };
        let gap = (value - wanted).abs() / if wanted.abs() < small { 1.0 } else { wanted.abs() };
        let gap = if value.is_nan() != wanted.is_nan() { f64::INFINITY } else { gap };
        let class = name.rsplit_once('_').map_or(name.as_str(), |(class, _)| class);
        let entry = worst.entry(class.to_owned()).or_default();
        if gap > entry.0 || entry.1.is_empty() {
            *entry = (gap, format!("{name}: {value} instead of {wanted}"));
        }
    }
    worst
}
