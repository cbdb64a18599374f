//! `[preprocess]`: what becomes of a column before the model sees it.

use serde::{Deserialize, Serialize};

/// `[preprocess]`. Everything is fitted on the training rows only, in a federation by exact sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preprocess {
    /// What takes the place of a missing number; a missing 0/1 or category becomes the most
    /// frequent one unless this is `"none"`.
    pub impute: Impute,
    /// Which columns are centred and divided by their standard deviation.
    pub scale: Scale,
    /// Leave out the column of a category's first level.
    pub drop_first: bool,
    /// Add a 0/1 column for each feature with missing values.
    pub indicators: bool,
}

/// What takes the place of a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impute {
    /// The median of the training rows.
    #[default]
    Median,
    /// The mean of the training rows.
    Mean,
    /// Nothing: a missing value is an error.
    None,
}

/// Which columns are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Every column of the design.
    #[default]
    All,
    /// Continuous and ordinal columns; 0/1 columns stay as they are.
    Numbers,
    /// None.
    None,
}
