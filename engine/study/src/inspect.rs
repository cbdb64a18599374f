//! Every fault of tables, before a study uses them.

use std::path::{Path, PathBuf};

use osteon_data::check::{self, Typing};
use osteon_data::{DataError, Fault, Location, Roles, Rules, Schema};
use osteon_table::{ReadOptions, Table, TableError, examine, read_deepsurv};
use serde::Serialize;

use crate::cohorts::rules;
use crate::config::SiteSource;
use crate::modality::Joined;
use crate::schema::schema;
use crate::{Study, StudyError};

/// Where the meaning of the columns comes from.
#[derive(Debug, Clone, Copy)]
pub enum Columns<'a> {
    /// Roles named one by one; the rest is told from the rows.
    Roles(&'a Roles),
    /// The `[data]` table of a study.
    Study(&'a Study),
}

/// A fault as a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Line (CSV, the header is 1) or row number from 1; absent for a column or the file as a whole.
    pub row: Option<u64>,
    /// Number of the column, from 1.
    pub column: Option<usize>,
    /// Name of the column.
    pub name: Option<String>,
    /// "error" or "warning".
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
}

impl From<&Fault> for Finding {
    fn from(fault: &Fault) -> Self {
        Self {
            file: fault.at.file.clone(),
            row: fault.at.line,
            column: fault.at.column,
            name: fault.at.name.clone(),
            severity: if fault.is_error() { "error" } else { "warning" },
            message: fault.message.clone(),
        }
    }
}

/// The tables that a study reads.
pub fn tables_of(study: &Study) -> Vec<PathBuf> {
    match &study.federation.site {
        Some(SiteSource::Files(files)) => files.iter().map(|f| f.path.clone()).collect(),
        _ => study.data.path.iter().cloned().collect(),
    }
}

/// Every fault of these tables, file after file and in order of the lines. A file that cannot be
/// decoded is a fault of that file; the others are still looked at.
///
/// # Errors
/// If a file cannot be opened or is of an unknown kind, or a column with a role does not exist.
pub fn inspect(files: &[PathBuf], columns: Columns<'_>) -> Result<Vec<Fault>, StudyError> {
    let mut faults = Vec::new();
    for path in files {
        match one(path, columns) {
            Ok(found) => faults.extend(found),
            Err(StudyError::Table(e) | StudyError::Data(DataError::Table(e))) => {
                faults.push(undecodable(e)?);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(faults)
}

fn undecodable(error: TableError) -> Result<Fault, StudyError> {
    match error {
        TableError::Format { path, format, reason } => {
            Ok(Fault::error(Location::file(&path), format!("{format}: {reason}")))
        }
        other => Err(other.into()),
    }
}

fn one(path: &Path, columns: Columns<'_>) -> Result<Vec<Fault>, StudyError> {
    let hdf5 = path.extension().is_some_and(|e| e == "h5" || e == "hdf5");
    if let Some(file) = if hdf5 { read_deepsurv(path)? } else { None } {
        // This layout names its own columns.
        let roles = Roles { time: Some("t".to_owned()), event: Some("e".to_owned()), ..Roles::default() };
        let mut faults = Vec::new();
        for table in std::iter::once(&file.train).chain(&file.test) {
            faults.extend(check::check(table, &Schema::infer(table, &roles)?, &Rules::default()));
        }
        return Ok(faults);
    }
    match columns {
        Columns::Roles(roles) => {
            Ok(check::file(path, &ReadOptions::default(), Typing::Infer(roles), &Rules::default())?)
        }
        Columns::Study(study) => {
            let (table, mut faults) = examine(path, &ReadOptions::default())?;
            if let Some(table) = table.filter(|t| t.rows() > 0) {
                faults.extend(by_study(path, table, study)?);
            }
            faults.sort_by_key(|f| f.at.line.unwrap_or(0));
            Ok(faults)
        }
    }
}

fn by_study(path: &Path, table: Table, study: &Study) -> Result<Vec<Fault>, StudyError> {
    let (column, file) = match &study.federation.site {
        Some(SiteSource::Column(column)) => (Some(column.as_str()), None),
        Some(SiteSource::Files(files)) => (None, files.iter().find(|f| f.path == path)),
        None => (None, None),
    };
    let one_site = matches!(study.federation.site, Some(SiteSource::Files(_)));
    let joined = match Joined::new(table, study, file) {
        Ok(joined) => joined,
        Err(
            StudyError::Data(DataError::Faults(faults)) | StudyError::Table(TableError::Content { faults }),
        ) => {
            return Ok(faults);
        }
        Err(e) => return Err(e),
    };
    let schema = schema(&joined, &study.data, column, one_site)?;
    Ok(check::check(&joined.table, &schema, &rules(&study.data, one_site)))
}
