//! `diagnostics_*`: where the numbers come from, by PyRadiomics' names and in its order
//! (`generalinfo.py`), switched by `additionalInfo`. Values are texts as Python writes them.

use serde_json::Value;
use sha1::{Digest, Sha1};

use crate::image::{Geometry, Image, Labels, Samples};
use crate::roi::{Region, islands};
use crate::settings::Params;

/// Names without their prefix, and values.
pub(crate) type Diagnostics = Vec<(String, String)>;

/// Versions and configuration.
pub(crate) fn of_params(params: &Params, label: &str) -> Diagnostics {
    let version = format!("v3.0.1 (osteon {})", env!("CARGO_PKG_VERSION"));
    let mut all: Diagnostics = vec![("Versions_PyRadiomics".into(), version)];
    for library in ["Numpy", "SimpleITK", "PyWavelet", "Python"] {
        all.push((format!("Versions_{library}"), "none".into()));
    }
    all.push(("Configuration_Settings".into(), python(&params.settings.listed(label))));
    let types = params.image_types.iter();
    let types: serde_json::Map<String, Value> =
        types.map(|t| (t.filter.name().to_owned(), Value::Object(t.settings.clone()))).collect();
    all.push(("Configuration_EnabledImageTypes".into(), python(&Value::Object(types))));
    all
}

/// The image as it was read.
pub(crate) fn of_image(image: &Image) -> Diagnostics {
    let mut all = Diagnostics::new();
    let mut hash = Sha1::new();
    match &image.samples {
        Samples::I16(v) => v.iter().for_each(|x| hash.update(x.to_le_bytes())),
        Samples::F32(v) => v.iter().for_each(|x| hash.update(x.to_le_bytes())),
        Samples::F64(v) => v.iter().for_each(|x| hash.update(x.to_le_bytes())),
    }
    all.push(("Image-original_Hash".into(), hexadecimal(hash)));
    all.push(("Image-original_Dimensionality".into(), "3D".into()));
    all.extend(of_values("original", image));
    all
}

/// An image by its part of the name.
pub(crate) fn of_values(kind: &str, image: &Image) -> Diagnostics {
    let n = image.samples.len();
    let values = || (0..n).map(|k| image.samples.get(k));
    let entry = |name: &str, text: String| (format!("Image-{kind}_{name}"), text);
    vec![
        entry("Spacing", tuple(&image.geometry.spacing)),
        entry("Size", format!("({})", image.geometry.size.map(|n| n.to_string()).join(", "))),
        entry("Mean", number(values().sum::<f64>() / n as f64)),
        entry("Minimum", number(values().fold(f64::INFINITY, f64::min))),
        entry("Maximum", number(values().fold(f64::NEG_INFINITY, f64::max))),
    ]
}

/// The hash of a mask.
pub(crate) fn of_mask(labels: &Labels) -> Diagnostics {
    let mut hash = Sha1::new();
    // PyRadiomics makes every mask one of 32-bit integers.
    labels.values.iter().for_each(|&label| hash.update(u32::from(label).to_le_bytes()));
    vec![("Mask-original_Hash".into(), hexadecimal(hash))]
}

/// A region by its part of the name, with what its values are where they are known.
pub(crate) fn of_region(
    kind: &str,
    region: &Region,
    geometry: &Geometry,
    values: Option<&[f64]>,
) -> Diagnostics {
    let entry = |name: &str, text: String| (format!("Mask-{kind}_{name}"), text);
    let list = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let n = region.voxels.len() as f64;
    let mut sums = [0u64; 3];
    for &voxel in &region.voxels {
        region.place(voxel).iter().zip(&mut sums).for_each(|(p, s)| *s += *p as u64);
    }
    let centre: [f64; 3] = std::array::from_fn(|k| sums[k] as f64 / n + region.corner[k] as f64);
    let step = |row: usize, k: usize| geometry.direction[k][row] * geometry.spacing[k] * centre[k];
    let place: [f64; 3] =
        std::array::from_fn(|row| geometry.origin[row] + (0..3).map(|k| step(row, k)).sum::<f64>());
    let mut all = vec![
        entry("Spacing", tuple(&geometry.spacing)),
        entry("Size", format!("({})", list(&geometry.size))),
        entry("BoundingBox", format!("({}, {})", list(&region.corner), list(&region.size))),
        entry("VoxelNum", region.voxels.len().to_string()),
        entry("VolumeNum", islands(region).to_string()),
        entry("CenterOfMassIndex", tuple(&centre)),
        entry("CenterOfMass", tuple(&place)),
    ];
    if let Some(values) = values {
        all.push(entry("Mean", number(values.iter().sum::<f64>() / n)));
        all.push(entry("Minimum", number(values.iter().copied().fold(f64::INFINITY, f64::min))));
        all.push(entry("Maximum", number(values.iter().copied().fold(f64::NEG_INFINITY, f64::max))));
    }
    all
}

fn hexadecimal(hash: Sha1) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tuple(numbers: &[f64]) -> String {
    format!("({})", numbers.iter().map(|x| number(*x)).collect::<Vec<_>>().join(", "))
}

/// The shortest digits that give the number, as Python's `repr`.
fn number(x: f64) -> String {
    let exponent = if x == 0.0 { 0.0 } else { x.abs().log10().floor() };
    if !x.is_finite() || (-4.0..16.0).contains(&exponent) {
        let text = format!("{x:?}");
        return text.to_lowercase();
    }
    let text = format!("{x:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let sign = if power.starts_with('-') { '-' } else { '+' };
    format!("{digits}e{sign}{:0>2}", power.trim_start_matches('-'))
}

/// A value as Python's `repr` writes it.
fn python(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(n) => match n.as_f64() {
            Some(x) if n.is_f64() => number(x),
            _ => n.to_string(),
        },
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(python).collect())),
        Value::Object(table) => {
            format!("{{{}}}", joined(table.iter().map(|(k, v)| format!("'{k}': {}", python(v))).collect()))
        }
    }
}
