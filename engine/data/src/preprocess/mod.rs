//! From a cohort to a design matrix: transform, impute, encode, scale, in this order.
//!
//! [`FittedPreprocess::fit`] learns from training rows only, and only through sums and counts over
//! whoever holds them ([`osteon_core::Reduce`]): the result has the same bits for one process and
//! for any number of sites, and no row leaves its site.

mod design;
mod fit;
mod order;

use serde::{Deserialize, Serialize};

use crate::schema::ColumnSpec;

pub use design::Design;

/// What takes the place of a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImputeNumber {
    /// The median of the present values; of an even number the mean of the middle two.
    #[default]
    Median,
    /// The mean of the present values.
    Mean,
    /// This number, after the transform.
    Constant(f64),
    /// Nothing: a missing value is an error.
    None,
}

/// What takes the place of a missing 0/1 or level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImputeLevel {
    /// The most frequent value; of several the first in the order of the schema.
    #[default]
    Mode,
    /// Nothing: a missing value is an error.
    None,
}

/// Which columns of the design are centred by their mean and divided by their standard deviation
/// (of the population: numpy's `ddof=0`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// All of them, as scikit-learn's `StandardScaler` on the whole matrix.
    #[default]
    Standard,
    /// Those of continuous and ordinal features; 0/1 columns stay 0/1.
    Numbers,
    /// None.
    None,
}

/// Whether the one-hot columns of a category leave one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// A column for each level.
    #[default]
    None,
    /// None for the first level, the reference; for models without a penalty.
    First,
}

/// How a cohort becomes a design matrix.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preprocess {
    /// For continuous features.
    pub impute_number: ImputeNumber,
    /// For binary, categorical and ordinal features.
    pub impute_level: ImputeLevel,
    /// Scaling.
    pub scale: Scale,
    /// One-hot columns of categorical features; an ordinal one is its code.
    pub drop: Drop,
    /// Adds a 0/1 column for each feature that has missing values among the training rows.
    pub indicators: bool,
    /// The mask of a modality is a column even where no training patient lacks it, so that every part of a study
    /// (folds, single sites) has the same columns. A linear model without a penalty cannot bear such a column.
    pub constant_masks: bool,
}

/// How one feature gives one column of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The transformed value, or the code of a binary or ordinal feature.
    Value,
    /// 1 if the feature has this level (by code).
    Level(u32),
    /// 1 if the feature is missing; of a masked block, its first feature stands for all.
    Missing,
}

/// One column of the design: `(encoded - centre) / scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOutput {
    /// Name: the feature's, or `feature=level`, `feature_missing` or `block_missing`.
    pub name: String,
    /// How the feature is encoded.
    pub encoding: Encoding,
    /// Mean over the training rows, or 0 where nothing is scaled.
    pub centre: f64,
    /// Standard deviation over the training rows; 1 for a constant column and where nothing is scaled.
    pub scale: f64,
}

/// What was learnt about one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedFeature {
    /// The feature.
    pub spec: ColumnSpec,
    /// What takes the place of a missing value, after the transform; `None`: it is an error.
    pub fill: Option<f64>,
    /// Missing values among the training rows.
    pub missing: u64,
    /// Its columns of the design.
    pub outputs: Vec<FittedOutput>,
}

/// A fitted preprocessing: everything that turns a row into a row of the design.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedPreprocess {
    /// What was asked for.
    pub spec: Preprocess,
    /// Training rows over all sites.
    pub n: u64,
    /// The features in order.
    pub features: Vec<FittedFeature>,
    /// Columns of the design that are constant over the training rows; left unscaled (scale 1).
    pub constant: Vec<String>,
}

impl FittedPreprocess {
    /// Names of the columns of the design.
    pub fn names(&self) -> Vec<String> {
        self.features.iter().flat_map(|f| &f.outputs).map(|o| o.name.clone()).collect()
    }
}
