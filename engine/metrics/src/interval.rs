//! Confidence intervals that say how they were made.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::MetricError;

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower limit.
    pub lower: f64,
    /// Upper limit.
    pub upper: f64,
    /// Confidence level in (0, 1).
    pub level: f64,
    /// How the limits were obtained.
    pub method: &'static str,
}

/// The standard normal quantile that leaves `(1 - level) / 2` above it.
pub(crate) fn normal_quantile(level: f64) -> Result<f64, MetricError> {
    if level > 0.0 && level < 1.0 {
        Ok(Normal::standard().inverse_cdf(0.5 + level / 2.0))
    } else {
        Err(MetricError::Setting { what: "confidence level", value: level, range: "between 0 and 1" })
    }
}

/// Quantile `p` of ascending values, linear between order statistics (type 7 of Hyndman and Fan,
/// The American Statistician 50, 1996; the default of R and NumPy). `sorted` is not empty.
pub(crate) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
