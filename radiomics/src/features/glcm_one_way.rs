//! Co-occurrence counted one way only (`symmetricalGLCM: false`): the same features of matrices that
//! are not symmetric, rows for a voxel and columns for its neighbour at the offset.

use nalgebra::DMatrix;
use osteon_kernels::ops::glcm::ordered_pairs;
use osteon_kernels::voxels::{LevelGrid, Offset};
use rayon::prelude::*;

use super::{Case, EPSILON, entropy, mean_over_directions};

pub(super) fn compute(case: &Case, directions: &[Offset]) -> Vec<f64> {
    let counted = |grid: &LevelGrid, o: Offset| {
        let n = grid.levels.len();
        let mut matrix = DMatrix::zeros(n, n);
        ordered_pairs(grid, o).for_each(|(i, j)| matrix[(usize::from(i), usize::from(j))] += 1.0);
        matrix
    };
    let matrices: Vec<DMatrix<f64>> = directions.par_iter().map(|&o| counted(case.grid, o)).collect();
    let matrices = match case.settings.weighting_norm {
        None => matrices,
        Some(norm) => {
            let weight = |o: &Offset| (-norm.length(*o, case.region.spacing).powi(2)).exp();
            directions
                .iter()
                .zip(matrices)
                .map(|(o, m)| m * weight(o))
                .reduce(|a, b| a + b)
                .into_iter()
                .collect()
        }
    };
    let rows: Vec<Vec<f64>> =
        matrices.par_iter().filter(|m| m.sum() > 0.0).map(|m| features(m, case)).collect();
    mean_over_directions(&rows, super::glcm::CLASS.features.len())
}

/// The 24 features of one matrix, in the order of the class.
fn features(counts: &DMatrix<f64>, case: &Case) -> Vec<f64> {
    let levels: Vec<f64> = case.grid.levels.iter().map(|&l| f64::from(l)).collect();
    let matrix = counts / counts.sum();
    let sum = |f: &dyn Fn(f64, f64, f64) -> f64| {
        let cell = |(k, p): (usize, &f64)| f(levels[k % levels.len()], levels[k / levels.len()], *p);
        matrix.iter().enumerate().map(cell).sum::<f64>()
    };
    let (rows, columns) = (matrix.column_sum(), matrix.row_sum());
    let (mean_i, mean_j) = (sum(&|i, _, p| p * i), sum(&|_, j, p| p * j));
    let variance = sum(&|i, _, p| p * (i - mean_i) * (i - mean_i));
    let spread = (variance * sum(&|_, j, p| p * (j - mean_j) * (j - mean_j))).sqrt();
    let covariance = sum(&|i, j, p| p * (i - mean_i) * (j - mean_j));
    let cluster = |power: i32| sum(&|i, j, p| p * (i + j - mean_i - mean_j).powi(power));

    let highest = levels.last().copied().unwrap_or(0.0);
    let many = case.part_of.map_or(highest, f64::from);
    let mut sums = vec![0.0; 2 * highest as usize + 1];
    let mut differences = vec![0.0; highest as usize + 1];
    for (k, p) in matrix.iter().enumerate() {
        let (i, j) = (levels[k % levels.len()], levels[k / levels.len()]);
        sums[(i + j) as usize] += p;
        differences[(i - j).abs() as usize] += p;
    }
    let over = |m: &[f64], f: &dyn Fn(f64) -> f64| {
        m.iter().enumerate().filter(|(_, p)| **p != 0.0).map(|(k, p)| p * f(k as f64)).sum::<f64>()
    };
    let difference_average = over(&differences, &|k| k);
    let log = |product: f64| (product + EPSILON).log2();
    let joint_entropy = sum(&|_, _, p| -p * log(p));
    let (mut hxy1, mut hxy2) = (0.0, 0.0);
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in columns.iter().enumerate() {
            hxy1 -= matrix[(i, j)] * log(a * b);
            hxy2 -= a * b * log(a * b);
        }
    }
    let margin_entropy = entropy(rows.iter().copied()).max(entropy(columns.iter().copied()));
    let imc1 = if margin_entropy == 0.0 { 0.0 } else { (joint_entropy - hxy1) / margin_entropy };
    let imc2 = if hxy2 == joint_entropy { 0.0 } else { (1.0 - (-2.0 * (hxy2 - joint_entropy)).exp()).sqrt() };

    vec![
        sum(&|i, j, p| p * i * j),
        cluster(4),
        cluster(3),
        cluster(2),
        sum(&|i, j, p| p * (i - j) * (i - j)),
        if spread == 0.0 { 1.0 } else { covariance / (spread + EPSILON) },
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
        mean_i,
        sum(&|_, _, p| p * p),
        joint_entropy,
        maximal_correlation(&matrix, case),
        matrix.max(),
        over(&sums, &|k| k),
        entropy(sums.iter().copied()),
        variance,
    ]
}

/// The second singular value of `p(i, j) / sqrt(px(i) py(j))`: its squares are the eigenvalues of
/// PyRadiomics' `Q`.
fn maximal_correlation(matrix: &DMatrix<f64>, case: &Case) -> f64 {
    if matrix.nrows() < 2 {
        return if case.part_of.is_some_and(|n| n > 1) { 0.0 } else { 1.0 };
    }
    let (rows, columns) = (matrix.column_sum(), matrix.row_sum());
    let scaled = DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| {
        let product = rows[i] * columns[j];
        if product > 0.0 { matrix[(i, j)] / product.sqrt() } else { 0.0 }
    });
    let mut values: Vec<f64> = scaled.singular_values().iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values[1]
}
