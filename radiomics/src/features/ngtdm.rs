//! Neighbouring grey tone difference matrix (Amadasun and King 1989; PyRadiomics `ngtdm.py`).

use super::{Case, Compute, FeatureClass};

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "ngtdm",
    features: &["Busyness", "Coarseness", "Complexity", "Contrast", "Strength"],
    on_request: &[],
    compute: Compute::OfValues(compute),
};

fn compute(case: &Case) -> Vec<f64> {
    let found = case.around();
    let difference = found.difference();
    let total = case.grid.count() as f64;
    // Level i, its probability p, and its summed difference s.
    let rows: Vec<[f64; 3]> = (0..case.grid.levels.len())
        .map(|k| [f64::from(case.grid.levels[k]), found.voxels[k] as f64 / total, difference[k]])
        .collect();
    let differences: f64 = rows.iter().map(|r| r[2]).sum();
    let weighted: f64 = rows.iter().map(|r| r[1] * r[2]).sum();
    let over_pairs = |f: &dyn Fn(&[f64; 3], &[f64; 3]) -> f64| {
        rows.iter().map(|a| rows.iter().map(|b| f(a, b)).sum::<f64>()).sum::<f64>()
    };
    let levels = rows.len() as f64;
    let spread = over_pairs(&|a, b| a[1] * b[1] * (a[0] - b[0]) * (a[0] - b[0]));
    let contrast =
        if rows.len() > 1 { spread / (levels * (levels - 1.0)) * (differences / total) } else { 0.0 };
    let between = over_pairs(&|a, b| (a[0] * a[1] - b[0] * b[1]).abs());
    let complexity =
        over_pairs(&|a, b| (a[0] - b[0]).abs() * (a[1] * a[2] + b[1] * b[2]) / (a[1] + b[1])) / total;
    let strength = over_pairs(&|a, b| (a[1] + b[1]) * (a[0] - b[0]) * (a[0] - b[0]));
    vec![
        if between == 0.0 { 0.0 } else { weighted / between },
        // PyRadiomics' cap for a flat region.
        if weighted == 0.0 { 1e6 } else { 1.0 / weighted },
        complexity,
        contrast,
        if differences == 0.0 { 0.0 } else { strength / differences },
    ]
}
