//! The formulas that run-length, size-zone and dependence matrices share, with `i` the grey level
//! and `j` the extent (Galloway 1975; Chu et al. 1990; Dasarathy and Holder 1991).

use super::entropy;

/// Statistics of a matrix `P(i, j)`; `n` is its sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Emphasis {
    /// `n`.
    pub total: f64,
    /// `sum P / j^2 / n`.
    pub small: f64,
    /// `sum P j^2 / n`.
    pub large: f64,
    /// `sum_i (sum_j P)^2 / n`.
    pub level_non_uniformity: f64,
    /// `sum_j (sum_i P)^2 / n`.
    pub size_non_uniformity: f64,
    /// Variance of `i`.
    pub level_variance: f64,
    /// Variance of `j`.
    pub size_variance: f64,
    /// Entropy of `P / n`.
    pub entropy: f64,
    /// `sum P / i^2 / n`.
    pub low: f64,
    /// `sum P i^2 / n`.
    pub high: f64,
    /// `sum P / (i j)^2 / n`.
    pub small_low: f64,
    /// `sum P i^2 / j^2 / n`.
    pub small_high: f64,
    /// `sum P j^2 / i^2 / n`.
    pub large_low: f64,
    /// `sum P (i j)^2 / n`.
    pub large_high: f64,
}

impl Emphasis {
    /// Of elements `(i, j, P)`, each `(i, j)` once, in ascending order.
    pub(super) fn of(elements: &[(f64, u32, f64)]) -> Self {
        let total: f64 = elements.iter().map(|e| e.2).sum();
        let mut sums = [0.0; 8];
        for &(i, j, p) in elements {
            let (i, j) = (i * i, f64::from(j) * f64::from(j));
            let terms = [1.0 / j, j, 1.0 / i, i, 1.0 / (i * j), i / j, j / i, i * j];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += p * term);
        }
        let [small, large, low, high, small_low, small_high, large_low, large_high] =
            sums.map(|sum| sum / total);
        let by_level: Vec<(f64, f64)> = elements
            .chunk_by(|a, b| a.0 == b.0)
            .map(|row| (row[0].0, row.iter().map(|e| e.2).sum::<f64>()))
            .collect();
        let mut sizes: Vec<(u32, f64)> = elements.iter().map(|e| (e.1, e.2)).collect();
        sizes.sort_by_key(|e| e.0);
        let by_size: Vec<(f64, f64)> = sizes
            .chunk_by(|a, b| a.0 == b.0)
            .map(|row| (f64::from(row[0].0), row.iter().map(|e| e.1).sum::<f64>()))
            .collect();
        let non_uniformity = |m: &[(f64, f64)]| m.iter().map(|(_, p)| p * p).sum::<f64>() / total;
        let variance = |m: &[(f64, f64)]| {
            let mean = m.iter().map(|(x, p)| x * p / total).sum::<f64>();
            m.iter().map(|(x, p)| p / total * (x - mean) * (x - mean)).sum::<f64>()
        };
        Self {
            total,
            small,
            large,
            level_non_uniformity: non_uniformity(&by_level),
            size_non_uniformity: non_uniformity(&by_size),
            level_variance: variance(&by_level),
            size_variance: variance(&by_size),
            entropy: entropy(elements.iter().map(|e| e.2 / total)),
            low,
            high,
            small_low,
            small_high,
            large_low,
            large_high,
        }
    }
}
