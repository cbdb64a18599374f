//! From the study file and a table's columns to the schema of the cohort.

use osteon_data::{ColumnSpec, Features, Kind, Role, Roles, Schema, Transform};
use osteon_table::Table;

use crate::StudyError;
use crate::config::{self, Block, Column, ColumnKind, Data};
use crate::modality::Joined;

/// Describes the columns of a table as the study says, and by their values where it says nothing. Columns of a
/// modality with a table of its own are numbers where nothing is said, and masked.
///
/// With `agreed`, nothing may depend on the rows, because other sites hold others: a category then
/// needs its levels in the study file, and an undeclared number is continuous.
///
/// # Errors
/// If a column of the study is not in the table, or a category without levels must be agreed.
pub fn schema(joined: &Joined, data: &Data, site: Option<&str>, agreed: bool) -> Result<Schema, StudyError> {
    let table = &joined.table;
    let (features, blocks) = features(joined, data)?;
    let roles = Roles {
        id: data.id.clone(),
        time: Some(data.time.clone()),
        event: Some(data.event.clone()),
        entry: data.entry.clone(),
        strata: data.strata.clone(),
        weight: data.weights.clone(),
        site: site.map(str::to_owned),
        features,
    };
    let mut schema = Schema::infer(table, &roles)?;
    let elsewhere = |name: &str| {
        let of = |b: &String| name.strip_prefix(b.as_str()).is_some_and(|rest| rest.starts_with('_'));
        joined.absent.iter().any(of)
    };
    for name in data.columns.keys() {
        if !schema.columns.iter().any(|c| c.name == *name) && !elsewhere(name) {
            return Err(missing(table, &format!("data.columns.{name}"), name));
        }
    }
    for column in schema.columns.iter_mut().filter(|c| c.role == Role::Feature) {
        if let Some((block, _)) = blocks.iter().find(|(_, names)| names.contains(&column.name)) {
            column.block.clone_from(block);
        }
        column.masked = joined.apart.iter().any(|(_, names)| names.contains(&column.name));
        let known = data.columns.get(&column.name);
        if column.masked {
            // Not told from the rows: shares of prototypes that are all 0 or 1 are numbers all the same.
            column.kind = Kind::Continuous;
        }
        if agreed && known.is_none_or(|k| k.kind.is_none()) {
            if let Kind::Categorical { .. } = column.kind {
                return Err(StudyError::Levels { column: column.name.clone() });
            }
            column.kind = Kind::Continuous;
        }
        if let Some(known) = known {
            describe(column, known);
        }
    }
    if agreed {
        // A column that only this site has must not make the schemas differ.
        schema.columns.retain(|c| c.role != Role::Ignore);
    }
    schema.validate()?;
    Ok(schema)
}

fn describe(column: &mut ColumnSpec, known: &Column) {
    column.unit.clone_from(&known.unit);
    column.post_baseline = known.post_baseline;
    column.transform = match known.transform {
        config::Transform::None => Transform::None,
        config::Transform::Log1p => Transform::Log1p,
    };
    let levels = || match known.levels.is_empty() {
        true => column.kind.levels().to_vec(),
        false => known.levels.clone(),
    };
    column.kind = match known.kind {
        Some(ColumnKind::Continuous) => Kind::Continuous,
        Some(ColumnKind::Binary) => Kind::Binary,
        Some(ColumnKind::Categorical) => Kind::Categorical { levels: levels() },
        Some(ColumnKind::Ordinal) => Kind::Ordinal { levels: levels() },
        None => return,
    };
}

type Blocks = Vec<(String, Vec<String>)>;

/// The features in order and the columns of each block. Modalities with tables of their own come behind the others.
fn features(joined: &Joined, data: &Data) -> Result<(Features, Blocks), StudyError> {
    let mut blocks = Blocks::new();
    let apart =
        |b: &&Block| joined.absent.contains(&b.name) || joined.apart.iter().any(|(n, _)| *n == b.name);
    for block in data.block.iter().filter(|b| !apart(b)) {
        blocks.push((block.name.clone(), matching(joined, data, &block.features, "data.block")?));
    }
    let mut names = match &data.features {
        config::Features::All if blocks.is_empty() => return Ok((Features::All, joined.apart.clone())),
        config::Features::All => blocks.iter().flat_map(|(_, names)| names.clone()).collect(),
        config::Features::Names(names) => matching(joined, data, names, "data.features")?,
    };
    names.extend(joined.apart.iter().flat_map(|(_, names)| names.clone()));
    blocks.extend(joined.apart.iter().cloned());
    Ok((Features::Only(names), blocks))
}

/// The columns that a list names; a name may end in `*`.
fn matching(joined: &Joined, data: &Data, list: &[String], key: &str) -> Result<Vec<String>, StudyError> {
    let table = &joined.table;
    let has_role = |name: &String| {
        let others = [&data.id, &data.entry, &data.strata, &data.weights];
        *name == data.time || *name == data.event || others.into_iter().flatten().any(|n| n == name)
    };
    let mut names = Vec::new();
    for pattern in list {
        let Some(prefix) = pattern.strip_suffix('*') else {
            names.push(pattern.clone());
            continue;
        };
        let all = table.columns()[..joined.own].iter().map(|c| c.name.clone());
        let found: Vec<String> = all.filter(|n| n.starts_with(prefix) && !has_role(n)).collect();
        if found.is_empty() {
            return Err(missing(table, key, pattern));
        }
        names.extend(found);
    }
    Ok(names)
}

/// The error of a column that is not there, with the nearest one.
pub(crate) fn missing(table: &Table, key: &str, name: &str) -> StudyError {
    let near = osteon_core::names::nearest(name, table.columns().iter().map(|c| c.name.as_str()));
    StudyError::Column {
        key: key.to_owned(),
        name: name.to_owned(),
        path: table.source().to_owned(),
        nearest: near.map(str::to_owned),
    }
}
