//! Against the consensus of the Image Biomarker Standardisation Initiative (digital phantom).

use std::collections::BTreeMap;
use std::fs;

use osteon_radiomics::{Image, Labels, Params};
use serde_json::Value;

use crate::data::{features, folder, worst};

#[test]
fn digital_phantom() {
    let Some(root) = folder() else { return };
    let phantom = root.join("ibsi1_digital_phantom");
    let image = Image::read(&phantom.join("phantom.nii.gz")).expect("the phantom");
    let mask = Labels::read(&phantom.join("mask.nii.gz")).expect("its mask");
    let mut params = Params::default();
    params.assign("binWidth=1").expect("a width");
    let found = features(&image, &mask, &params).features;

    let tables = root.join("ibsi1_reference_values");
    let json = |name: &str| -> BTreeMap<String, Value> {
        let text = fs::read_to_string(tables.join(name)).expect("a table");
        serde_json::from_str(&text).expect("JSON")
    };
    let pyradiomics: BTreeMap<String, f64> = json("digital_phantom_pyradiomics_binWidth1.json")
        .into_iter()
        .filter_map(|(k, v)| Some((k, v.as_f64()?)))
        .collect();
    for (class, (gap, text)) in worst(&found, &pyradiomics, 1e-6) {
        println!("phantom {class}: {gap:.1e} ({text})");
        assert!(gap < 1e-9, "{text}");
    }

    let consensus = fs::read_to_string(tables.join("ibsi_1_dig_phantom.csv")).expect("the consensus");
    let consensus: BTreeMap<&str, (&str, f64)> = consensus
        .lines()
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(';').collect();
            Some((*cells.get(2)?, (*cells.first()?, cells.get(1)?.parse().ok()?)))
        })
        .collect();
    let found: BTreeMap<String, f64> = found.into_iter().collect();
    let mut agreeing = 0;
    for (name, tag) in json("pyradiomics_to_ibsi_names.json") {
        let (printed, tolerance) = consensus[tag.as_str().expect("a tag")];
        let value = found[&format!("original_{name}")] - if name.ends_with("Kurtosis") { 3.0 } else { 0.0 };
        let expected: f64 = printed.parse().expect("a number");
        // To the printed digits, within the tolerance or one unit of the last digit beyond it.
        let unit = last_digit(printed);
        let gap = ((value / unit).round() * unit - expected).abs();
        assert!(gap < tolerance + 1.01 * unit, "{name}: {value} instead of {printed} within {tolerance}");
        agreeing += 1;
    }
    assert_eq!(agreeing, 100);
}

/// Worth of the last significant digit of a printed number.
fn last_digit(printed: &str) -> f64 {
    let (mantissa, exponent) = printed.split_once(['e', 'E']).unwrap_or((printed, "0"));
    let power: i32 = exponent.parse().expect("an exponent");
    let decimals = mantissa.split_once('.').map_or(0, |(_, d)| d.len()) as i32;
    let zeros = if decimals == 0 { mantissa.len() - mantissa.trim_end_matches('0').len() } else { 0 };
    10f64.powi(power - decimals + zeros as i32)
}
