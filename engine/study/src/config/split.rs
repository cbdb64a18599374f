//! `[split]` and `[evaluation]`: which patients are held out, and what is measured on them.

use serde::{Deserialize, Serialize};

/// `[split]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Split {
    /// Share of the patients held out, in `[0, 1)`; 0 trains on every row.
    pub test: f64,
    /// Folds of a cross-validation in place of one held-out set; 0 is none.
    pub folds: u32,
    /// Seed of the draw. The same seed gives every arm the same held-out patients.
    pub seed: u64,
}

impl Default for Split {
    fn default() -> Self {
        Self { test: 0.1, folds: 0, seed: 0 }
    }
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluation {
    /// How intervals are made.
    pub ci: Interval,
    /// Resamples of a bootstrap interval.
    pub resamples: u32,
    /// Coverage of an interval, in `(0, 1)`.
    pub level: f64,
    /// Times of the Brier score and the time-dependent AUC, in `data.time_unit`; empty for none.
    pub times: Vec<f64>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { ci: Interval::Bootstrap, resamples: 1000, level: 0.95, times: Vec::new() }
    }
}

/// How an interval is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Percentiles over resampled patients.
    Bootstrap,
    /// Estimate plus or minus normal quantiles of its standard error.
    Normal,
}
