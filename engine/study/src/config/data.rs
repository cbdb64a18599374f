//! `[data]`: the cohort and the meaning of its columns.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Features;

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// Table of patients: `.csv`, `.parquet` or `.h5`. Absent when each site has its own file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Column that identifies a patient; rows are numbered without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Column of the follow-up time, in `time_unit`.
    pub time: String,
    /// Unit of `time` and `entry`.
    pub time_unit: TimeUnit,
    /// Column of the event: 1 observed, 0 censored.
    pub event: String,
    /// Column of the entry time (left truncation).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Column whose values part the risk sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strata: Option<String>,
    /// Column of case weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Columns that enter the model: `"all"` the rest, or a list.
    pub features: Features,
    /// Columns marked post-baseline are refused unless this is set.
    pub allow_post_baseline: bool,
    /// Rows without time and event are left out and counted, in place of refused.
    pub drop_missing_outcome: bool,
    /// `[[data.block]]`: modalities, in place of `features`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub block: Vec<Block>,
    /// `[data.columns.NAME]`: what is known of a column beyond its values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Column>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            path: None,
            id: None,
            time: "time".to_owned(),
            time_unit: TimeUnit::Unstated,
            event: "event".to_owned(),
            entry: None,
            strata: None,
            weights: None,
            features: Features::All,
            allow_post_baseline: false,
            drop_missing_outcome: false,
            block: Vec::new(),
            columns: BTreeMap::new(),
        }
    }
}

/// A modality: a named block of feature columns, of the table of patients or of a table of its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Block {
    /// Name of the modality: clinical, genomic, pet, wsi, ...
    pub name: String,
    /// Its columns; a name may end in `*`. Of a table of its own, all columns where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Table of its own, a row per patient, such as `osteon slides reduce --by patient` writes: patients without a row
    /// are masked. Sites with files name theirs in `blocks` of `[[federation.site]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Column of the patient in that table; `data.id` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What becomes of its patients that are not in the cohort.
    #[serde(skip_serializing_if = "Unknown::is_default")]
    pub unknown: Unknown,
}

/// What becomes of the patients of a modality that are not in the cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// They are faults.
    #[default]
    Refuse,
    /// They are left out.
    Ignore,
}

impl Unknown {
    fn is_default(&self) -> bool {
        *self == Self::Refuse
    }
}

/// What is known of a column beyond its values; an absent key is inferred.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Column {
    /// How its values are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ColumnKind>,
    /// Unit of its values, as text: `g/dL`, `10^9/L`, `years`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Applied before scaling.
    pub transform: Transform,
    /// Values of a categorical (unordered) or ordinal (lowest first) column.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// Known only after baseline: using it would leak the outcome.
    pub post_baseline: bool,
}

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A number on a scale.
    Continuous,
    /// 0 or 1.
    Binary,
    /// One of several unordered values.
    Categorical,
    /// One of several ordered values.
    Ordinal,
}

/// A function of a continuous column, applied before scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// The value as it is.
    #[default]
    None,
    /// `ln(1 + x)`; a value of -1 or less is a fault.
    Log1p,
}

/// Unit of a follow-up time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// The file does not say.
    #[default]
    Unstated,
    /// Days.
    Days,
    /// Weeks.
    Weeks,
    /// Months.
    Months,
    /// Years.
    Years,
}
