//! What each column of a cohort is. In a federation the schema is agreed before any row is read:
//! categories, units and their order come from it and not from the rows of one site.

use std::collections::{HashMap, HashSet};

use osteon_core::files::sha256_hex;
use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An input of the model.
    Feature,
    /// Follow-up time, at least 0.
    Time,
    /// 1 if the event happened at that time, 0 if it was censored.
    Event,
    /// Time of entry into observation (left truncation), before the follow-up time.
    Entry,
    /// Stratum of the baseline hazard.
    Strata,
    /// Case weight, at least 0; 0 means absent.
    Weight,
    /// Identifier of the patient, unique.
    Id,
    /// Site of the patient.
    Site,
    /// Not read.
    Ignore,
}

/// The type of a feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// A finite number.
    Continuous,
    /// 0 or 1.
    Binary,
    /// One of these names; coded 0, 1, ... in this order.
    Categorical {
        /// The names.
        levels: Vec<String>,
    },
    /// One of these names, from least to most; coded 0, 1, ... in this order.
    Ordinal {
        /// The names.
        levels: Vec<String>,
    },
}

impl Kind {
    /// The names of a categorical or ordinal feature; empty for numbers.
    pub fn levels(&self) -> &[String] {
        match self {
            Self::Continuous | Self::Binary => &[],
            Self::Categorical { levels } | Self::Ordinal { levels } => levels,
        }
    }
}

/// A transform applied to a value before anything is fitted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// The value itself.
    #[default]
    None,
    /// `ln(1 + x)`, for x above -1.
    Log1p,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// Heading in the table.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Type of a feature; without meaning for other roles.
    #[serde(default = "continuous")]
    pub kind: Kind,
    /// Unit, as the report prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Modality: clinical, genomic, pet, wsi, ...
    #[serde(default = "clinical")]
    pub block: String,
    /// Of a block that a patient has as a whole or not at all: the design has one mask column for the block.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// Transform of a continuous feature.
    #[serde(default)]
    pub transform: Transform,
    /// Known only after baseline (a treatment, a transplant): refused as a feature unless allowed.
    #[serde(default)]
    pub post_baseline: bool,
    /// Texts or numbers that mean "missing", instead of [`crate::MISSING_CODES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_codes: Option<Vec<String>>,
}

fn continuous() -> Kind {
    Kind::Continuous
}

fn clinical() -> String {
    "clinical".to_owned()
}

impl ColumnSpec {
    /// A column with this role and type, in the block "clinical".
    pub fn new(name: impl Into<String>, role: Role, kind: Kind) -> Self {
        Self {
            name: name.into(),
            role,
            kind,
            unit: None,
            block: clinical(),
            masked: false,
            transform: Transform::None,
            post_baseline: false,
            missing_codes: None,
        }
    }
}

/// The columns of a cohort, in the order in which features enter the model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The columns; `[[column]]` tables in TOML.
    #[serde(rename = "column")]
    pub columns: Vec<ColumnSpec>,
}

impl Schema {
    /// The column that has a role, if any.
    pub fn with_role(&self, role: Role) -> Option<&ColumnSpec> {
        self.columns.iter().find(|c| c.role == role)
    }

    /// The features in order.
    pub fn features(&self) -> impl Iterator<Item = &ColumnSpec> {
        self.columns.iter().filter(|c| c.role == Role::Feature)
    }

    /// What a cohort to be predicted on must have: the features, and the id if one is named. Its
    /// outcome may be unknown.
    pub fn for_prediction(&self) -> Self {
        let needed = |c: &&ColumnSpec| matches!(c.role, Role::Feature | Role::Id);
        Self { columns: self.columns.iter().filter(needed).cloned().collect() }
    }

    /// Checks the schema itself: names unique, one column per role but feature and ignore, levels
    /// given and unique, an event beside a time.
    ///
    /// # Errors
    /// [`DataError::Roles`] naming the first contradiction.
    pub fn validate(&self) -> Result<(), DataError> {
        let wrong = |text: String| Err(DataError::Roles(text));
        let mut names = HashSet::new();
        let mut roles: HashMap<Role, &str> = HashMap::new();
        for column in &self.columns {
            let (name, role) = (&column.name, column.role);
            if !names.insert(name.as_str()) {
                return wrong(format!("column \"{name}\" is described twice"));
            }
            if !matches!(role, Role::Feature | Role::Ignore)
                && let Some(other) = roles.insert(role, name)
            {
                return wrong(format!("columns \"{other}\" and \"{name}\" both have the role {role:?}"));
            }
            let levels = column.kind.levels();
            let numeric = matches!(column.kind, Kind::Continuous | Kind::Binary);
            if levels.is_empty() && !numeric {
                return wrong(format!("column \"{name}\" is categorical and has no levels"));
            }
            if let Some(twice) = levels.iter().enumerate().find(|(i, l)| levels[..*i].contains(l)) {
                return wrong(format!("column \"{name}\" has the level \"{}\" twice", twice.1));
            }
            if column.transform != Transform::None && column.kind != Kind::Continuous {
                return wrong(format!("column \"{name}\" is not continuous and cannot be transformed"));
            }
        }
        match (self.with_role(Role::Time), self.with_role(Role::Event)) {
            (Some(time), None) => wrong(format!("time column \"{}\" has no event column", time.name)),
            (None, Some(event)) => wrong(format!("event column \"{}\" has no time column", event.name)),
            _ => Ok(()),
        }
    }

    /// Checks that another site's schema is this one.
    ///
    /// # Errors
    /// [`DataError::Schema`] naming the first difference: this schema's side first.
    pub fn agree(&self, other: &Self) -> Result<(), DataError> {
        let differ = |text: String| Err(DataError::Schema(text));
        for (k, (a, b)) in self.columns.iter().zip(&other.columns).enumerate() {
            if a.name != b.name {
                return differ(format!("column {} is \"{}\" and \"{}\"", k + 1, a.name, b.name));
            }
            let (left, right) = (a.kind.levels(), b.kind.levels());
            if std::mem::discriminant(&a.kind) == std::mem::discriminant(&b.kind) && left != right {
                let missing = |of: &[String], in_: &[String]| of.iter().find(|l| !in_.contains(l)).cloned();
                return differ(match (missing(left, right), missing(right, left)) {
                    (Some(level), _) => {
                        format!("column \"{}\": only the first has the level \"{level}\"", a.name)
                    }
                    (_, Some(level)) => {
                        format!("column \"{}\": only the second has the level \"{level}\"", a.name)
                    }
                    _ => format!("column \"{}\": levels are in another order", a.name),
                });
            }
            for (what, left, right) in [
                ("role", format!("{:?}", a.role), format!("{:?}", b.role)),
                ("kind", format!("{:?}", a.kind), format!("{:?}", b.kind)),
                ("unit", format!("{:?}", a.unit), format!("{:?}", b.unit)),
                ("block", a.block.clone(), b.block.clone()),
                ("masked", a.masked.to_string(), b.masked.to_string()),
                ("transform", format!("{:?}", a.transform), format!("{:?}", b.transform)),
                ("post_baseline", a.post_baseline.to_string(), b.post_baseline.to_string()),
                ("missing_codes", format!("{:?}", a.missing_codes), format!("{:?}", b.missing_codes)),
            ] {
                if left != right {
                    return differ(format!("column \"{}\": {what} is {left} and {right}", a.name));
                }
            }
        }
        let common = self.columns.len().min(other.columns.len());
        match (self.columns.get(common), other.columns.get(common)) {
            (Some(extra), _) => differ(format!("only the first has the column \"{}\"", extra.name)),
            (_, Some(extra)) => differ(format!("only the second has the column \"{}\"", extra.name)),
            _ => Ok(()),
        }
    }

    /// A digest that is equal exactly if two schemas are (SHA-256, hexadecimal), for ranks that
    /// compare schemas without sending them. Comparable within one version of Osteon.
    pub fn digest(&self) -> String {
        sha256_hex(format!("{self:?}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let levels = vec!["good".to_owned(), "poor".to_owned()];
        let mut age = ColumnSpec::new("age", Role::Feature, Kind::Continuous);
        age.unit = Some("years".to_owned());
        Schema {
            columns: vec![
                age,
                ColumnSpec::new("cyto", Role::Feature, Kind::Categorical { levels }),
                ColumnSpec::new("t", Role::Time, Kind::Continuous),
                ColumnSpec::new("e", Role::Event, Kind::Binary),
            ],
        }
    }

    fn changed(change: impl FnOnce(&mut Schema)) -> String {
        let mut other = schema();
        change(&mut other);
        assert_ne!(other.digest(), schema().digest());
        schema().agree(&other).expect_err("a difference").to_string()
    }

    #[test]
    fn the_first_difference_is_named() {
        assert!(schema().agree(&schema()).is_ok());
        assert_eq!(schema().digest(), schema().digest());
        let unit = changed(|s| s.columns[0].unit = Some("months".to_owned()));
        assert_eq!(unit, "schemas differ: column \"age\": unit is Some(\"years\") and Some(\"months\")");
        let level = changed(|s| {
            s.columns[1].kind =
                Kind::Categorical { levels: vec!["good".into(), "poor".into(), "new".into()] };
        });
        assert_eq!(level, "schemas differ: column \"cyto\": only the second has the level \"new\"");
        let order = changed(|s| {
            s.columns[1].kind = Kind::Categorical { levels: vec!["poor".into(), "good".into()] };
        });
        assert!(order.ends_with("levels are in another order"), "{order}");
        assert!(changed(|s| drop(s.columns.pop())).ends_with("only the first has the column \"e\""));
        assert!(changed(|s| s.columns.swap(0, 1)).contains("column 1 is \"age\" and \"cyto\""));
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(schema().validate().is_ok());
        let refused = |change: &dyn Fn(&mut Schema)| {
            let mut other = schema();
            change(&mut other);
            other.validate().expect_err("a contradiction").to_string()
        };
        assert!(refused(&|s| s.columns[1].name = "age".into()).contains("twice"));
        assert!(refused(&|s| s.columns[0].role = Role::Time).contains("both have the role Time"));
        assert!(refused(&|s| s.columns[3].role = Role::Ignore).contains("no event column"));
        assert!(refused(&|s| s.columns[1].transform = Transform::Log1p).contains("not continuous"));
        assert!(refused(&|s| s.columns[1].kind = Kind::Ordinal { levels: vec![] }).contains("no levels"));
    }
}
