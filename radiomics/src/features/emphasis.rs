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
        let mean = |f: &dyn Fn(f64, f64) -> f64| {
            elements.iter().map(|&(i, j, p)| p * f(i * i, f64::from(j) * f64::from(j))).sum::<f64>() / total
        };
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
            small: mean(&|_, j| 1.0 / j),
            large: mean(&|_, j| j),
            level_non_uniformity: non_uniformity(&by_level),
            size_non_uniformity: non_uniformity(&by_size),
            level_variance: variance(&by_level),
            size_variance: variance(&by_size),
            entropy: entropy(elements.iter().map(|e| e.2 / total)),
            low: mean(&|i, _| 1.0 / i),
            high: mean(&|i, _| i),
            small_low: mean(&|i, j| 1.0 / (i * j)),
            small_high: mean(&|i, j| i / j),
            large_low: mean(&|i, j| j / i),
            large_high: mean(&|i, j| i * j),
        }
    }
}
