//! A schema for a table that came without one.

use std::collections::BTreeSet;

use osteon_core::names::nearest;
use osteon_table::{Cell, Table};
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::reading;
use crate::schema::{ColumnSpec, Kind, Role, Schema};

/// Which columns are features.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// All columns that have no other role.
    #[default]
    All,
    /// These, in this order.
    Only(Vec<String>),
    /// All columns that have no other role, but these.
    AllBut(Vec<String>),
}

/// Which columns have which role, where there is no schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Identifier of the patient.
    pub id: Option<String>,
    /// Follow-up time.
    pub time: Option<String>,
    /// Event, 0 or 1.
    pub event: Option<String>,
    /// Time of entry.
    pub entry: Option<String>,
    /// Stratum.
    pub strata: Option<String>,
    /// Case weight.
    pub weight: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// The features.
    pub features: Features,
}

impl Schema {
    /// Describes a table by its rows: features of 0 and 1 (or of TRUE and FALSE) are binary, of numbers continuous, of
    /// texts categorical with the texts found, sorted. A column of which more than half are numbers
    /// is continuous; the texts in it are then faults. Columns without a role are ignored.
    ///
    /// The levels are those of this table: sites of a federation need an agreed schema instead.
    ///
    /// # Errors
    /// [`DataError::Roles`] if a named column does not exist or has two roles.
    pub fn infer(table: &Table, roles: &Roles) -> Result<Self, DataError> {
        let named = [
            (&roles.id, Role::Id),
            (&roles.time, Role::Time),
            (&roles.event, Role::Event),
            (&roles.entry, Role::Entry),
            (&roles.strata, Role::Strata),
            (&roles.weight, Role::Weight),
            (&roles.site, Role::Site),
        ];
        let mut given: Vec<Option<Role>> = vec![None; table.columns().len()];
        for (name, role) in named {
            let Some(name) = name else { continue };
            let column = find(table, name)?;
            if let Some(other) = given[column] {
                return Err(DataError::Roles(format!("column \"{name}\" is both {other:?} and {role:?}")));
            }
            given[column] = Some(role);
        }
        let mut order: Vec<usize> = Vec::new();
        match &roles.features {
            Features::All => order.extend((0..given.len()).filter(|&k| given[k].is_none())),
            Features::AllBut(names) => {
                let out = names.iter().map(|n| find(table, n)).collect::<Result<Vec<_>, _>>()?;
                order.extend((0..given.len()).filter(|k| given[*k].is_none() && !out.contains(k)));
            }
            Features::Only(names) => {
                for name in names {
                    let column = find(table, name)?;
                    if let Some(other) = given[column] {
                        let text = format!("column \"{name}\" is both a feature and {other:?}");
                        return Err(DataError::Roles(text));
                    }
                    order.push(column);
                }
            }
        }
        let name = |k: usize| table.columns()[k].name.as_str();
        let mut columns: Vec<ColumnSpec> =
            order.iter().map(|&k| ColumnSpec::new(name(k), Role::Feature, kind(table, k))).collect();
        let mut is_feature = vec![false; given.len()];
        order.iter().for_each(|&k| is_feature[k] = true);
        for (k, role) in given.iter().enumerate() {
            if !is_feature[k] {
                let role = role.unwrap_or(Role::Ignore);
                columns.push(ColumnSpec::new(name(k), role, Kind::Continuous));
            }
        }
        let schema = Self { columns };
        schema.validate()?;
        Ok(schema)
    }
}

pub(crate) fn find(table: &Table, name: &str) -> Result<usize, DataError> {
    table.find(name).ok_or_else(|| {
        let names = table.columns().iter().map(|c| c.name.as_str());
        let meant = nearest(name, names).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
        DataError::Roles(format!("{}: there is no column \"{name}\"{meant}", table.source().display()))
    })
}

/// The kind a column's cells suggest.
fn kind(table: &Table, column: usize) -> Kind {
    let (mut numbers, mut binary, mut names, mut truths) = (0usize, true, 0usize, 0usize);
    for row in 0..table.rows() {
        let cell = table.cell(row, column);
        if reading::is_missing(cell, None) {
            continue;
        }
        let comma = matches!(cell, Cell::Text(text) if reading::without_comma(text.trim()).is_some());
        match reading::number(cell) {
            Ok(x) => {
                numbers += 1;
                binary &= x == 0.0 || x == 1.0;
            }
            Err(_) if comma => {
                numbers += 1;
                binary = false;
            }
            Err(_) => {
                names += 1;
                truths += usize::from(reading::truth_word(cell).is_some());
            }
        }
    }
    if binary && names == truths && numbers + names > 0 {
        return Kind::Binary;
    }
    if numbers >= names {
        return Kind::Continuous;
    }
    let present = (0..table.rows()).map(|row| table.cell(row, column));
    let present = present.filter(|&cell| !reading::is_missing(cell, None));
    let levels: BTreeSet<String> = present.map(|cell| reading::name(cell).into_owned()).collect();
    Kind::Categorical { levels: levels.into_iter().collect() }
}
