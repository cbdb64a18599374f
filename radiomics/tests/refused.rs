//! Regions and parameters that have no features, and the values of flat regions.

use osteon_radiomics::{Geometry, Image, Labels, Params, Row, Samples, Selection, extract, maps};
use serde_json::json;

fn run(labels: Vec<u16>, values: Vec<f64>, params: &Params) -> Result<Row, String> {
    let geometry = Geometry::aligned([4, 4, 4], [1.0; 3]);
    let image = Image { geometry: geometry.clone(), samples: Samples::F64(values) };
    let labels = Labels { geometry, values: labels };
    let rows = extract(&image, &labels, &Selection { labels: None, whole: false }, params);
    rows.map_err(|e| e.to_string())?.remove(0).map_err(|e| e.to_string())
}

fn ramp() -> Vec<f64> {
    (0..64).map(f64::from).collect()
}

#[test]
fn regions_without_extent_are_named() {
    let params = Params::default();
    let of = |keep: fn(usize) -> bool| {
        run((0..64).map(|k| u16::from(keep(k))).collect(), ramp(), &params).expect_err("no features")
    };
    assert!(of(|_| false).contains("the mask is empty"));
    assert!(of(|k| k == 21).contains("region 1: it is a single voxel"));
    assert!(of(|k| k < 4).contains("minimumROIDimensions"));
}

#[test]
fn a_flat_region_has_pyradiomics_values() {
    let row = run(vec![1; 64], vec![7.0; 64], &Params::default()).expect("features");
    let named = |name: &str| {
        row.features.iter().find(|(n, _)| n == &format!("original_{name}")).expect("a feature").1
    };
    assert_eq!((named("firstorder_Skewness"), named("firstorder_Kurtosis")), (0.0, 0.0));
    assert_eq!((named("glcm_Correlation"), named("glcm_MCC"), named("ngtdm_Coarseness")), (1.0, 1.0, 1e6));
    assert!(row.features.iter().all(|(_, x)| x.is_finite()));
}

#[test]
fn a_shape_in_a_plane_needs_a_plane() {
    let params = Params::from_value(&json!({
        "setting": {"force2D": true, "additionalInfo": false},
        "featureClass": {"shape2D": null},
    }));
    let text = run(vec![1; 64], ramp(), &params.expect("parameters")).expect_err("a cube").to_string();
    assert!(text.contains("4 voxels thick"), "{text}");
}

#[test]
fn parameters_out_of_range_and_unknown_ones_are_named() {
    let refused = |value: serde_json::Value| Params::from_value(&value).expect_err("refused").to_string();
    for (value, expected) in [
        (json!({"setting": {"binWidth": 0}}), "binWidth is 0"),
        (json!({"setting": {"lbp2DMethod": "median"}}), "default, ror, uniform or var"),
        (json!({"setting": {"lbp3DIcosphereSubdivision": 9}}), "from 0 to 4"),
        (json!({"imageType": {"Wavelet": {"wavelet": "coiff1"}}}), "\"coif1\""),
        (json!({"imageType": {"LBP2D": {"lbp2DRadiu": 1}}}), "\"lbp2DRadius\""),
        (json!({"imageType": {"Original": {"normalize": true}}}), "in the section setting"),
        (json!({"imageType": {"Wavlet": {}}}), "\"Wavelet\""),
        (json!({"voxelSetting": {"kernelRadius": 0}}), "from 1 to 50"),
        (json!({"voxelSetting": {"kernelradios": 1}}), "\"kernelRadius\""),
        (json!({"featureClass": {"shape2d": null}}), "\"shape2D\""),
    ] {
        let text = refused(value);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn maps_of_a_region_with_nan_are_refused_by_its_place() {
    let geometry = Geometry::aligned([4, 4, 4], [1.0; 3]);
    let mut values = ramp();
    values[22] = f64::NAN;
    let image = Image { geometry: geometry.clone(), samples: Samples::F64(values) };
    let labels = Labels { geometry, values: vec![1; 64] };
    let mut found = Vec::new();
    maps(&image, &labels, &Selection::single(1), &Params::default(), |m| found.push(m)).expect("regions");
    let text = found.remove(0).expect_err("NaN").to_string();
    assert!(text.contains("voxel (2, 1, 1) of region 1 is NaN"), "{text}");
}
