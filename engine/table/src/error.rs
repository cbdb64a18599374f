//! What can go wrong with a table file.

use std::io;
use std::path::{Path, PathBuf};

use osteon_core::{ExitCode, Failure};

use crate::place::Fault;

/// A table that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The extension names no format.
    #[error("{}: unknown kind of table; known are .csv, .tsv, .parquet, .h5, .hdf5 and, for writing, .json", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The build lacks the format.
    #[error("{}: this build cannot read or write HDF5 (feature \"{feature}\" is off)", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// The feature that would be needed.
        feature: &'static str,
    },
    /// The file is not what its extension says, is truncated, or holds what a table cannot.
    #[error("{}: {format}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// "Parquet", "HDF5" or "JSON".
        format: &'static str,
        /// Why.
        reason: String,
    },
    /// The file was read and has faults.
    #[error("{}", Fault::list(faults))]
    Content {
        /// Every fault, in order of the file.
        faults: Vec<Fault>,
    },
    /// Columns that do not make a table.
    #[error("{}: {reason}", path.display())]
    Columns {
        /// Source of the table.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl TableError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn format(path: &Path, format: &'static str, reason: impl ToString) -> Self {
        Self::Format { path: path.to_owned(), format, reason: reason.to_string() }
    }
}

impl Failure for TableError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Io { .. } => ExitCode::Io,
            Self::Extension { .. } | Self::Feature { .. } => ExitCode::Usage,
            Self::Format { .. } | Self::Content { .. } | Self::Columns { .. } => ExitCode::Data,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Feature { feature, .. } => {
                Some(format!("build with `--features {feature}`, or convert the table to CSV or Parquet"))
            }
            Self::Content { faults } if faults.len() > 10 => {
                let file = faults[0].at.file.display();
                Some(format!("`osteon data check {file}` lists every fault"))
            }
            _ => None,
        }
    }
}
