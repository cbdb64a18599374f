//! Grey level size zone matrix (Thibault et al. 2014; PyRadiomics `glszm.py`), 26-connected.

use super::emphasis::Emphasis;
use super::{Case, Compute, FeatureClass};

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "glszm",
    features: &[
        "GrayLevelNonUniformity",
        "GrayLevelNonUniformityNormalized",
        "GrayLevelVariance",
        "HighGrayLevelZoneEmphasis",
        "LargeAreaEmphasis",
        "LargeAreaHighGrayLevelEmphasis",
        "LargeAreaLowGrayLevelEmphasis",
        "LowGrayLevelZoneEmphasis",
        "SizeZoneNonUniformity",
        "SizeZoneNonUniformityNormalized",
        "SmallAreaEmphasis",
        "SmallAreaHighGrayLevelEmphasis",
        "SmallAreaLowGrayLevelEmphasis",
        "ZoneEntropy",
        "ZonePercentage",
        "ZoneVariance",
    ],
    on_request: &[],
    compute: Compute::OfValues(compute),
};

fn compute(case: &Case) -> Vec<f64> {
    let level = |k: u16| f64::from(case.grid.levels[usize::from(k)]);
    let elements: Vec<_> = case.zones().iter().map(|e| (level(e.level), e.size, e.count as f64)).collect();
    let m = Emphasis::of(&elements);
    vec![
        m.level_non_uniformity,
        m.level_non_uniformity / m.total,
        m.level_variance,
        m.high,
        m.large,
        m.large_high,
        m.large_low,
        m.low,
        m.size_non_uniformity,
        m.size_non_uniformity / m.total,
        m.small,
        m.small_high,
        m.small_low,
        m.entropy,
        m.total / case.grid.count() as f64,
        m.size_variance,
    ]
}
