//! Grey level run length matrix (Galloway 1975; PyRadiomics `glrlm.py`): features per direction,
//! then their mean; with `weightingNorm`, features of the weighted sum of all directions.

use std::collections::BTreeMap;

use osteon_kernels::voxels::{Offset, offsets};
use rayon::prelude::*;

use super::emphasis::Emphasis;
use super::{Case, Compute, FeatureClass, mean_over_directions};

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "glrlm",
    features: &[
        "GrayLevelNonUniformity",
        "GrayLevelNonUniformityNormalized",
        "GrayLevelVariance",
        "HighGrayLevelRunEmphasis",
        "LongRunEmphasis",
        "LongRunHighGrayLevelEmphasis",
        "LongRunLowGrayLevelEmphasis",
        "LowGrayLevelRunEmphasis",
        "RunEntropy",
        "RunLengthNonUniformity",
        "RunLengthNonUniformityNormalized",
        "RunPercentage",
        "RunVariance",
        "ShortRunEmphasis",
        "ShortRunHighGrayLevelEmphasis",
        "ShortRunLowGrayLevelEmphasis",
    ],
    on_request: &[],
    compute: Compute::OfValues(compute),
};

/// Elements of a matrix: grey level, length, and count or weighted count.
type Elements = Vec<(f64, u32, f64)>;

fn compute(case: &Case) -> Vec<f64> {
    let directions = offsets(&[1], case.settings.flat_axis());
    let matrices: Vec<(Offset, Elements)> = directions
        .into_par_iter()
        .enumerate()
        .map(|at| {
            let level = |k: u16| f64::from(case.grid.levels[usize::from(k)]);
            (at.1, case.runs(at).iter().map(|e| (level(e.level), e.size, e.count as f64)).collect())
        })
        .collect();
    let matrices: Vec<Elements> = match case.settings.weighting_norm {
        None => matrices.into_iter().map(|(_, m)| m).filter(|m| !m.is_empty()).collect(),
        Some(norm) => vec![weighted(&matrices, |o| norm.length(o, case.region.spacing))],
    };
    let rows: Vec<Vec<f64>> = matrices.iter().map(|m| features(m)).collect();
    mean_over_directions(&rows, CLASS.features.len())
}

fn weighted(matrices: &[(Offset, Elements)], weight: impl Fn(Offset) -> f64) -> Elements {
    let mut sum: BTreeMap<(u64, u32), f64> = BTreeMap::new();
    for (offset, matrix) in matrices {
        for &(level, length, count) in matrix {
            *sum.entry((level as u64, length)).or_default() += weight(*offset) * count;
        }
    }
    sum.into_iter().map(|((level, length), p)| (level as f64, length, p)).collect()
}

fn features(matrix: &[(f64, u32, f64)]) -> Vec<f64> {
    let m = Emphasis::of(matrix);
    // Voxels are counted by the runs themselves, so that weights cancel.
    let voxels: f64 = matrix.iter().map(|e| f64::from(e.1) * e.2).sum();
    vec![
        m.level_non_uniformity,
        m.level_non_uniformity / m.total,
        m.level_variance,
        m.high,
        m.large,
        m.large_high,
        m.large_low,
        m.low,
        m.entropy,
        m.size_non_uniformity,
        m.size_non_uniformity / m.total,
        m.total / voxels,
        m.size_variance,
        m.small,
        m.small_high,
        m.small_low,
    ]
}
