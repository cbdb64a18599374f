//! Grey level dependence matrix (Sun and Wee 1983; PyRadiomics `gldm.py`).

use super::emphasis::Emphasis;
use super::{Case, Compute, FeatureClass};

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "gldm",
    features: &[
        "DependenceEntropy",
        "DependenceNonUniformity",
        "DependenceNonUniformityNormalized",
        "DependenceVariance",
        "GrayLevelNonUniformity",
        "GrayLevelVariance",
        "HighGrayLevelEmphasis",
        "LargeDependenceEmphasis",
        "LargeDependenceHighGrayLevelEmphasis",
        "LargeDependenceLowGrayLevelEmphasis",
        "LowGrayLevelEmphasis",
        "SmallDependenceEmphasis",
        "SmallDependenceHighGrayLevelEmphasis",
        "SmallDependenceLowGrayLevelEmphasis",
    ],
    on_request: &[],
    compute: Compute::OfValues(compute),
};

fn compute(case: &Case) -> Vec<f64> {
    let level = |k: u16| f64::from(case.grid.levels[usize::from(k)]);
    let elements: Vec<_> =
        case.around().dependence.iter().map(|e| (level(e.level), e.size, e.count as f64)).collect();
    let m = Emphasis::of(&elements);
    vec![
        m.entropy,
        m.size_non_uniformity,
        m.size_non_uniformity / m.total,
        m.size_variance,
        m.level_non_uniformity,
        m.level_variance,
        m.high,
        m.large,
        m.large_high,
        m.large_low,
        m.low,
        m.small,
        m.small_high,
        m.small_low,
    ]
}
