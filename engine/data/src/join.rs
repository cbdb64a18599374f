//! Modalities with a table of their own, joined to the cohort by patient.
//!
//! A patient has a modality as a whole or not at all. Cells of a patient without it are missing, and stay so until
//! the preprocessing fills them from the training patients that have it and adds one mask column per modality
//! ([`crate::ColumnSpec::masked`]).

use std::collections::HashMap;

use osteon_table::{Fault, Location, Table};

use crate::error::DataError;
use crate::infer::find;
use crate::reading;

/// Columns by which `osteon slides reduce` describes a row, which are no values of it.
pub const DESCRIBING: [&str; 4] = ["slide", "patient", "site", "tiles"];

/// How a modality is found in its table.
#[derive(Debug, Clone, Copy)]
pub struct Modality<'a> {
    /// Its name: the block of its columns, which are called `name_column`.
    pub name: &'a str,
    /// Column of the patient in its table.
    pub key: &'a str,
    /// Its columns; a name may end in `*`. Empty: all but the key and [`DESCRIBING`].
    pub features: &'a [String],
    /// Patients of its table that are not in the cohort are left out, in place of refused.
    pub ignore_unknown: bool,
}

/// Joins a modality to a cohort by the cohort's column `id`: the cohort with the columns of the modality behind its
/// own, and the names of these.
///
/// # Errors
/// [`DataError::Roles`] if a column is not there; [`DataError::Faults`] with every row whose patient is not named, is
/// named twice or is not in the cohort, or that has only a part of the values, and if no patient is in both.
pub fn join(
    cohort: &Table,
    id: &str,
    file: &Table,
    modality: &Modality<'_>,
) -> Result<(Table, Vec<String>), DataError> {
    let id = find(cohort, id)?;
    let key = find(file, modality.key)?;
    let columns = features(file, key, modality.features)?;
    let mut patients: HashMap<String, Vec<usize>> = HashMap::new();
    for row in 0..cohort.rows() {
        patients.entry(reading::name(cohort.cell(row, id)).into_owned()).or_default().push(row);
    }
    let mut faults = Vec::new();
    let mut unknown = Vec::new();
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut rows = vec![None; cohort.rows()];
    let mut matched = false;
    for row in 0..file.rows() {
        let mut fault = |message: String| faults.push(Fault::error(file.locate(row, key), message));
        if reading::is_missing(file.cell(row, key), None) {
            fault("no patient is named".to_owned());
            continue;
        }
        let name = reading::name(file.cell(row, key)).into_owned();
        if let Some(&other) = first.get(&name) {
            let line = file.line(other);
            fault(format!(
                "patient \"{name}\" is in row {line} already; a patient has one row (of slides: `osteon slides reduce --by patient`)"
            ));
            continue;
        }
        let values = columns.iter().filter(|&&k| !reading::is_missing(file.cell(row, k), None)).count();
        if 0 < values && values < columns.len() {
            fault(format!(
                "patient \"{name}\" has {values} of {} values: one of another dimension? A patient has a modality as a whole or not at all",
                columns.len()
            ));
        }
        match patients.get(&name) {
            None => unknown.push(Fault::error(
                file.locate(row, key),
                format!(
                    "patient \"{name}\" is not in {}; leave the row out, or set unknown = \"ignore\" in the block",
                    cohort.source().display()
                ),
            )),
            Some(own) => {
                matched = true;
                // A row without any value, such as one of slides without tissue, is a patient without the modality.
                own.iter().filter(|_| values > 0).for_each(|&r| rows[r] = Some(row));
            }
        }
        first.insert(name, row);
    }
    if !matched && faults.is_empty() {
        let shown = |table: &Table, k: usize| reading::name(table.cell(0, k)).into_owned();
        let message = format!(
            "none of its {} patients is among the {} of {}: \"{}\" here, \"{}\" there",
            file.rows(),
            cohort.rows(),
            cohort.source().display(),
            shown(file, key),
            shown(cohort, id),
        );
        return Err(DataError::Faults(vec![Fault::error(Location::file(file.source()), message)]));
    }
    if !modality.ignore_unknown {
        faults.extend(unknown);
    }
    if !faults.is_empty() {
        faults.sort_by_key(|f| f.at.line);
        return Err(DataError::Faults(faults));
    }
    let names: Vec<(usize, String)> =
        columns.iter().map(|&k| (k, format!("{}_{}", modality.name, file.columns()[k].name))).collect();
    let table = cohort.joined(file, &rows, names.clone())?;
    Ok((table, names.into_iter().map(|(_, name)| name).collect()))
}

/// The columns of the values.
fn features(file: &Table, key: usize, asked: &[String]) -> Result<Vec<usize>, DataError> {
    let name = |k: usize| file.columns()[k].name.as_str();
    let mut columns = Vec::new();
    for pattern in asked {
        match pattern.strip_suffix('*') {
            None => columns.push(find(file, pattern)?),
            Some(prefix) => {
                let before = columns.len();
                columns
                    .extend((0..file.columns().len()).filter(|&k| k != key && name(k).starts_with(prefix)));
                if columns.len() == before {
                    let text = format!("{}: no column begins with \"{prefix}\"", file.source().display());
                    return Err(DataError::Roles(text));
                }
            }
        }
    }
    if asked.is_empty() {
        columns.extend((0..file.columns().len()).filter(|&k| k != key && !DESCRIBING.contains(&name(k))));
    }
    if columns.is_empty() {
        let text = format!("{}: there are no columns beside the patient", file.source().display());
        return Err(DataError::Roles(text));
    }
    Ok(columns)
}
