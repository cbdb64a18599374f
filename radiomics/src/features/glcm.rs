//! Grey level co-occurrence matrix (Haralick et al. 1973; PyRadiomics `glcm.py`): symmetric,
//! features per direction, then their mean over the directions that hold a pair; with
//! `weightingNorm`, features of the weighted sum of all directions.

use std::collections::BTreeMap;

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
    let matrix =
        |at: (usize, Offset)| -> Upper { case.pairs(at).iter().map(|&(i, j, n)| (i, j, n as f64)).collect() };
    let rows: Vec<Vec<f64>> = match settings.weighting_norm {
        None => directions
            .into_par_iter()
            .enumerate()
            .map(matrix)
            .filter(|m| !m.is_empty())
            .map(|m| features(&m, case))
            .collect(),
        Some(norm) => {
            let matrices: Vec<(Offset, Upper)> =
                directions.into_par_iter().enumerate().map(|at| (at.1, matrix(at))).collect();
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
    let mean: f64 = margin.iter().zip(levels).map(|(p, &l)| p * f64::from(l)).sum();
    let variance: f64 = margin.iter().zip(levels).map(|(p, &l)| p * (f64::from(l) - mean).powi(2)).sum();
    // Sums over the whole matrix of expressions that are symmetric in i and j.
    let (mut product, mut prominence, mut shade, mut tendency) = (0.0, 0.0, 0.0, 0.0);
    let (mut contrast, mut covariance, mut energy) = (0.0, 0.0, 0.0);
    let (mut joint_entropy, mut hxy1) = (0.0, 0.0);
    for &(i, j, p) in &matrix {
        let (a, b, w) = (level(i), level(j), twice(i, j));
        let beyond = a + b - 2.0 * mean;
        product += w * (p * a * b);
        prominence += w * (p * beyond.powi(4));
        shade += w * (p * beyond.powi(3));
        tendency += w * (p * beyond.powi(2));
        contrast += w * (p * (a - b) * (a - b));
        covariance += w * (p * (a - mean) * (b - mean));
        energy += w * (p * p);
        joint_entropy += w * (-p * (p + EPSILON).log2());
        let independent = margin[usize::from(i)] * margin[usize::from(j)];
        hxy1 += -w * p * (independent + EPSILON).log2();
    }
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

    let margin_entropy = entropy(margin.iter().copied());
    let hxy2 = product_entropy(&margin);
    let imc1 = if margin_entropy == 0.0 { 0.0 } else { (joint_entropy - hxy1) / margin_entropy };
    // Rounding may put the product's entropy below the joint one; PyRadiomics skips such a direction.
    let imc2 = if hxy2 == joint_entropy { 0.0 } else { (1.0 - (-2.0 * (hxy2 - joint_entropy)).exp()).sqrt() };

    vec![
        product,
        prominence,
        shade,
        tendency,
        contrast,
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
        energy,
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

/// `-sum px py log2(px py)` over every pair of levels.
fn product_entropy(margin: &[f64]) -> f64 {
    let term = |product: f64| product * (product + EPSILON).log2();
    let row = |(k, &a): (usize, &f64)| {
        let beyond: f64 = margin[k + 1..].iter().map(|&b| term(a * b)).sum();
        -(2.0 * beyond + term(a * a))
    };
    margin.iter().enumerate().map(row).sum()
}
