//! Grey level co-occurrence matrix (Haralick et al. 1973; PyRadiomics `glcm.py`): symmetric,
//! features per direction, then their mean over the directions that hold a pair; with
//! `weightingNorm`, features of the weighted sum of all directions.

use std::collections::BTreeMap;

use osteon_kernels::ops::glcm::pairs;
use osteon_kernels::voxels::{Offset, offsets};
use rayon::prelude::*;

use super::mcc::maximal_correlation;
use super::{Case, Compute, EPSILON, FeatureClass, entropy, glcm_one_way, mean_over_directions};

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "glcm",
    features: &[
        "Autocorrelation",
        "ClusterProminence",
        "ClusterShade",
        "ClusterTendency",
        "Contrast",
        "Correlation",
        "DifferenceAverage",
        "DifferenceEntropy",
        "DifferenceVariance",
        "Id",
        "Idm",
        "Idmn",
        "Idn",
        "Imc1",
        "Imc2",
        "InverseVariance",
        "JointAverage",
        "JointEnergy",
        "JointEntropy",
        "MCC",
        "MaximumProbability",
        "SumAverage",
        "SumEntropy",
        "SumSquares",
    ],
    on_request: &[],
    compute: Compute::OfValues(compute),
};

/// The upper half of a symmetric matrix: level indices `i <= j` and the element.
pub(super) type Upper = Vec<(u16, u16, f64)>;

fn compute(case: &Case) -> Vec<f64> {
    let settings = case.settings;
    let directions = offsets(&settings.distances, settings.flat_axis());
    if !settings.symmetrical_glcm {
        return glcm_one_way::compute(case, &directions);
    }
    let matrix = |o: Offset| -> Upper {
        pairs(case.grid, o).entries.into_iter().map(|(i, j, n)| (i, j, n as f64)).collect()
    };
    let rows: Vec<Vec<f64>> = match settings.weighting_norm {
        None => directions
            .into_par_iter()
            .map(matrix)
            .filter(|m| !m.is_empty())
            .map(|m| features(&m, case))
            .collect(),
        Some(norm) => {
            let matrices: Vec<(Offset, Upper)> = directions.into_par_iter().map(|o| (o, matrix(o))).collect();
            let weight = |o| (-norm.length(o, case.region.spacing).powi(2)).exp();
            vec![features(&weighted(&matrices, weight), case)]
        }
    };
    mean_over_directions(&rows, CLASS.features.len())
}

fn weighted(matrices: &[(Offset, Upper)], weight: impl Fn(Offset) -> f64) -> Upper {
    let mut sum: BTreeMap<(u16, u16), f64> = BTreeMap::new();
    for (offset, matrix) in matrices {
        for &(i, j, n) in matrix {
            *sum.entry((i, j)).or_default() += weight(*offset) * n;
        }
    }
    sum.into_iter().map(|((i, j), p)| (i, j, p)).collect()
}

/// The 24 features of one matrix, in the order of the class.
fn features(matrix: &[(u16, u16, f64)], case: &Case) -> Vec<f64> {
    let levels = &case.grid.levels;
    let twice = |i: u16, j: u16| if i == j { 1.0 } else { 2.0 };
    let total: f64 = matrix.iter().map(|&(i, j, n)| twice(i, j) * n).sum();
    if matrix.is_empty() || total == 0.0 {
        return vec![f64::NAN; CLASS.features.len()];
    }
    // Probabilities, and the marginal, which by symmetry is the same for rows and columns.
    let matrix: Upper = matrix.iter().map(|&(i, j, n)| (i, j, n / total)).collect();
    let mut margin = vec![0.0; levels.len()];
    for &(i, j, p) in &matrix {
        margin[usize::from(i)] += p;
        if i != j {
            margin[usize::from(j)] += p;
        }
    }
    let level = |k: u16| f64::from(levels[usize::from(k)]);
    // Sum over the whole matrix of an expression that is symmetric in i and j.
    let sum = |f: &dyn Fn(f64, f64, f64) -> f64| {
        matrix.iter().map(|&(i, j, p)| twice(i, j) * f(level(i), level(j), p)).sum::<f64>()
    };
    let mean: f64 = margin.iter().zip(levels).map(|(p, &l)| p * f64::from(l)).sum();
    let variance: f64 = margin.iter().zip(levels).map(|(p, &l)| p * (f64::from(l) - mean).powi(2)).sum();
    let cluster = |power: i32| sum(&|i, j, p| p * (i + j - 2.0 * mean).powi(power));
    let covariance = sum(&|i, j, p| p * (i - mean) * (j - mean));
    let correlation = if variance == 0.0 { 1.0 } else { covariance / (variance + EPSILON) };

    // Probabilities of sums and of differences of levels.
    let highest = levels.last().map_or(0, |&l| l as usize);
    let mut sums = vec![0.0; 2 * highest + 1];
    let mut differences = vec![0.0; highest + 1];
    for &(i, j, p) in &matrix {
        let (a, b) = (levels[usize::from(i)] as usize, levels[usize::from(j)] as usize);
        sums[a + b] += twice(i, j) * p;
        differences[b - a] += twice(i, j) * p;
    }
    let over = |m: &[f64], f: &dyn Fn(f64) -> f64| {
        m.iter().enumerate().filter(|(_, p)| **p != 0.0).map(|(k, p)| p * f(k as f64)).sum::<f64>()
    };
    let difference_average = over(&differences, &|k| k);
    let many = case.part_of.map_or(highest as f64, f64::from);

    let joint_entropy = sum(&|_, _, p| -p * (p + EPSILON).log2());
    let margin_entropy = entropy(margin.iter().copied());
    let (hxy1, hxy2) = product_entropies(&matrix, &margin, twice);
    let imc1 = if margin_entropy == 0.0 { 0.0 } else { (joint_entropy - hxy1) / margin_entropy };
    // Rounding may put the product's entropy below the joint one; PyRadiomics skips such a direction.
    let imc2 = if hxy2 == joint_entropy { 0.0 } else { (1.0 - (-2.0 * (hxy2 - joint_entropy)).exp()).sqrt() };

    vec![
        sum(&|i, j, p| p * i * j),
        cluster(4),
        cluster(3),
        cluster(2),
        sum(&|i, j, p| p * (i - j) * (i - j)),
        correlation,
        difference_average,
        entropy(differences.iter().copied()),
        over(&differences, &|k| (k - difference_average).powi(2)),
        over(&differences, &|k| 1.0 / (1.0 + k)),
        over(&differences, &|k| 1.0 / (1.0 + k * k)),
        over(&differences, &|k| 1.0 / (1.0 + k * k / (many * many))),
        over(&differences, &|k| 1.0 / (1.0 + k / many)),
        imc1,
        imc2,
        over(&differences, &|k| if k == 0.0 { 0.0 } else { 1.0 / (k * k) }),
        mean,
        sum(&|_, _, p| p * p),
        joint_entropy,
        // The whole region's matrix, with its empty levels, has a second eigenvalue.
        if case.part_of.is_some_and(|n| n > 1) && levels.len() == 1 {
            0.0
        } else {
            maximal_correlation(&matrix, &margin)
        },
        matrix.iter().map(|e| e.2).fold(0.0, f64::max),
        over(&sums, &|k| k),
        entropy(sums.iter().copied()),
        variance,
    ]
}

/// `-sum p log2(px py)` and `-sum px py log2(px py)`, the latter over every pair of levels.
fn product_entropies(
    matrix: &[(u16, u16, f64)],
    margin: &[f64],
    twice: impl Fn(u16, u16) -> f64,
) -> (f64, f64) {
    let log = |product: f64| (product + EPSILON).log2();
    let first = matrix
        .iter()
        .map(|&(i, j, p)| -twice(i, j) * p * log(margin[usize::from(i)] * margin[usize::from(j)]))
        .sum();
    let row = |(k, &a): (usize, &f64)| {
        let beyond: f64 = margin[k + 1..].iter().map(|&b| a * b * log(a * b)).sum();
        -(2.0 * beyond + a * a * log(a * a))
    };
    (first, margin.iter().enumerate().map(row).sum())
}
