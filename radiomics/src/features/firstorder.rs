//! First-order statistics of the values of a region (PyRadiomics `firstorder.py`).

use super::{Case, Compute, FeatureClass, entropy};

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "firstorder",
    features: &[
        "10Percentile",
        "90Percentile",
        "Energy",
        "Entropy",
        "InterquartileRange",
        "Kurtosis",
        "Maximum",
        "MeanAbsoluteDeviation",
        "Mean",
        "Median",
        "Minimum",
        "Range",
        "RobustMeanAbsoluteDeviation",
        "RootMeanSquared",
        "Skewness",
        "StandardDeviation",
        "TotalEnergy",
        "Uniformity",
        "Variance",
    ],
    on_request: &["StandardDeviation"],
    compute: Compute::OfValues(compute),
};

fn compute(case: &Case) -> Vec<f64> {
    let x = case.values;
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let (mut m2, mut m3, mut m4, mut absolute, mut energy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let shift = case.settings.voxel_array_shift;
    for &v in x {
        let d = v - mean;
        let square = d * d;
        m2 += square;
        m3 += square * d;
        m4 += square * square;
        absolute += d.abs();
        energy += (v + shift) * (v + shift);
        low = low.min(v);
        high = high.max(v);
    }
    let (m2, m3, m4) = (m2 / n, m3 / n, m4 / n);
    let over = |a: f64, b: f64| if m2 == 0.0 { 0.0 } else { a / b };
    let [p10, p25, p50, p75, p90] = percentiles(x, [10.0, 25.0, 50.0, 75.0, 90.0]);
    let robust = robust_deviation(x, p10, p90);
    let p = level_probabilities(case);
    let volume: f64 = case.region.spacing.iter().product();
    vec![
        p10,
        p90,
        energy,
        entropy(p.iter().copied()),
        p75 - p25,
        over(m4, m2 * m2),
        high,
        absolute / n,
        mean,
        p50,
        low,
        high - low,
        robust,
        (energy / n).sqrt(),
        over(m3, m2.powf(1.5)),
        m2.sqrt(),
        volume * energy,
        p.iter().map(|p| p * p).sum(),
        m2,
    ]
}

/// Mean absolute deviation of the values in `low..=high` from their own mean.
fn robust_deviation(x: &[f64], low: f64, high: f64) -> f64 {
    let within = || x.iter().filter(|v| (low..=high).contains(*v));
    let n = within().count() as f64;
    let mean = within().sum::<f64>() / n;
    within().map(|v| (v - mean).abs()).sum::<f64>() / n
}

/// Part of the voxels in each grey level.
fn level_probabilities(case: &Case) -> Vec<f64> {
    let counts = case.grid.level_counts();
    counts.into_iter().map(|c| c as f64 / case.grid.count() as f64).collect()
}

/// Percentiles by linear interpolation, as numpy's default. `ranks` ascend.
fn percentiles<const K: usize>(x: &[f64], ranks: [f64; K]) -> [f64; K] {
    let mut x = x.to_vec();
    let last = x.len() - 1;
    let mut done = 0;
    ranks.map(|rank| {
        let at = rank / 100.0 * last as f64;
        let k = (at.floor() as usize).min(last);
        let t = at - k as f64;
        // Everything before `done` is smaller already, so only the rest is partitioned.
        let (_, a, above) = x[done..].select_nth_unstable_by(k - done, f64::total_cmp);
        let a = *a;
        done = k;
        if t == 0.0 {
            return a;
        }
        let b = above.iter().copied().fold(f64::INFINITY, f64::min);
        if t >= 0.5 { b - (b - a) * (1.0 - t) } else { a + (b - a) * t }
    })
}

#[cfg(test)]
mod tests {
    use super::percentiles;

    /// `numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [10, 25, 50, 75, 90])`.
    #[test]
    fn percentiles_interpolate_as_numpy() {
        let x = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let expected = [1.0, 1.75, 3.5, 5.25, 6.9];
        for (found, expected) in percentiles(&x, [10.0, 25.0, 50.0, 75.0, 90.0]).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        assert_eq!(percentiles(&[2.0], [10.0, 90.0]), [2.0, 2.0]);
    }
}
