//! Floor 1: CSV, Parquet and HDF5 tables. The one room that knows these formats.
//!
//! [`read`] chooses the format by the extension and gives a [`Table`]: named columns of typed
//! cells, missing kept as missing, each cell traceable to `file:row:column`. [`examine`] reads as
//! far as it can and lists every fault; [`write()`] is atomic. [`read_deepsurv`] reads the HDF5
//! layout `train/{x,t,e}`, `test/{x,t,e}` of the DeepSurv experiments. [`mod@array`] reads large arrays in blocks of rows.
//!
//! | extension | read | types |
//! |---|---|---|
//! | `.csv` `.tsv` | RFC 4180, UTF-8, delimiter `,` `;` or tab as the header line shows | text |
//! | `.parquet` | flat schemas; dates and times as ISO text | text, float, int, bool |
//! | `.h5` `.hdf5` | one 1-D data set per column, in the root or a group (feature `hdf5`) | the same |
//! | `.json` | written only: an object per row | |

pub mod array;
mod calendar;
mod cells;
mod csv_file;
mod error;
#[cfg(feature = "hdf5")]
mod hdf5_file;
mod json_file;
mod parquet_file;
mod place;
mod table;

use std::fs;
use std::path::Path;

pub use cells::{Cell, Cells, Texts};
pub use error::TableError;
pub use place::{Fault, Location, Severity};
pub use table::{Column, Table};

use osteon_core::files;

/// How a table is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Delimiter of a CSV file; by default the one the header line shows.
    pub delimiter: Option<u8>,
    /// HDF5 group that holds the columns; by default the root.
    pub group: Option<String>,
}

/// The two parts of a file in the DeepSurv layout: columns `x0`, `x1`, ..., `t` (time), `e` (event).
#[derive(Debug, Clone)]
pub struct DeepSurvFile {
    /// Group `train`.
    pub train: Table,
    /// Group `test`, if there is one.
    pub test: Option<Table>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Tsv,
    Parquet,
    Hdf5,
    Json,
}

fn format(path: &Path) -> Result<Format, TableError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "csv" => Ok(Format::Csv),
        "tsv" => Ok(Format::Tsv),
        "parquet" => Ok(Format::Parquet),
        "h5" | "hdf5" => Ok(Format::Hdf5),
        "json" => Ok(Format::Json),
        _ => Err(TableError::Extension { path: path.to_owned() }),
    }
}

/// Reads a table.
///
/// # Errors
/// If the file cannot be opened, is of an unknown or not compiled-in format, or has any fault; the
/// faults are then in [`TableError::Content`].
pub fn read(path: &Path, options: &ReadOptions) -> Result<Table, TableError> {
    match examine(path, options)? {
        (Some(table), faults) if faults.is_empty() => Ok(table),
        (_, faults) => Err(TableError::Content { faults }),
    }
}

/// Reads what can be read and lists every fault: ragged rows (left out of the table), bytes that
/// are not UTF-8, open quotes, empty or repeated column names, no rows. Without a usable header
/// there is no table.
///
/// # Errors
/// If the file cannot be opened, or its binary format cannot be decoded at all.
pub fn examine(path: &Path, options: &ReadOptions) -> Result<(Option<Table>, Vec<Fault>), TableError> {
    match format(path)? {
        kind @ (Format::Csv | Format::Tsv) => {
            let bytes = fs::read(path).map_err(|source| TableError::io(path, source))?;
            let delimiter = options.delimiter.or((kind == Format::Tsv).then_some(b'\t'));
            Ok(examine_csv(path, &bytes, delimiter))
        }
        Format::Parquet => parquet_file::read(path).map(require_rows),
        Format::Hdf5 => read_hdf5(path, options.group.as_deref()).map(require_rows),
        Format::Json => Err(TableError::format(path, "JSON", "tables are written as JSON, not read")),
    }
}

/// As [`examine`], for the bytes of a CSV file; `name` stands for the file in messages.
pub fn examine_csv(name: &Path, bytes: &[u8], delimiter: Option<u8>) -> (Option<Table>, Vec<Fault>) {
    csv_file::read(name, bytes, delimiter)
}

fn require_rows(table: Table) -> (Option<Table>, Vec<Fault>) {
    let mut faults = Vec::new();
    if table.rows() == 0 {
        faults.push(Fault::error(Location::file(table.source()), "the table has no rows"));
    }
    (Some(table), faults)
}

/// Writes a table in the format of the extension: the file is complete or absent.
/// Floats of a CSV file have the fewest digits that read back to the same value; a missing cell is
/// empty (CSV), null (Parquet) or, as HDF5 has no null, NaN in a number column (an integer or
/// boolean column with missing cells is stored as float) and empty in a text column.
///
/// # Errors
/// If the format is unknown or not compiled in, or the file cannot be written.
pub fn write(path: &Path, table: &Table) -> Result<(), TableError> {
    let done = match format(path)? {
        Format::Csv => files::write_atomic(path, |out| csv_file::write(out, table, b',')),
        Format::Tsv => files::write_atomic(path, |out| csv_file::write(out, table, b'\t')),
        Format::Parquet => files::write_atomic(path, |out| parquet_file::write(out, table)),
        Format::Hdf5 => return write_hdf5(path, table),
        Format::Json => files::write_atomic(path, |out| json_file::write(out, table)),
    };
    done.map_err(|source| TableError::io(path, source))
}

#[cfg(feature = "hdf5")]
use hdf5_file::{read as read_hdf5, write as write_hdf5};

/// Reads a file in the DeepSurv layout, or `None` if an HDF5 file has another one.
///
/// # Errors
/// If the file is not HDF5, truncated, or its arrays have the wrong type or shape.
#[cfg(feature = "hdf5")]
pub fn read_deepsurv(path: &Path) -> Result<Option<DeepSurvFile>, TableError> {
    hdf5_file::read_deepsurv(path)
}

/// Reads a file in the DeepSurv layout; this build has no HDF5.
///
/// # Errors
/// Always.
#[cfg(not(feature = "hdf5"))]
pub fn read_deepsurv(path: &Path) -> Result<Option<DeepSurvFile>, TableError> {
    Err(TableError::Feature { path: path.to_owned(), feature: "hdf5" })
}

#[cfg(not(feature = "hdf5"))]
fn read_hdf5(path: &Path, _group: Option<&str>) -> Result<Table, TableError> {
    Err(TableError::Feature { path: path.to_owned(), feature: "hdf5" })
}

#[cfg(not(feature = "hdf5"))]
fn write_hdf5(path: &Path, _table: &Table) -> Result<(), TableError> {
    Err(TableError::Feature { path: path.to_owned(), feature: "hdf5" })
}
