//! What can go wrong on the way from a table to a design matrix.

use osteon_core::{ExitCode, Failure, ReduceError};
use osteon_table::{Fault, TableError};

/// Data that cannot be used as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The rows have faults.
    #[error("{}", Fault::list(.0))]
    Faults(Vec<Fault>),
    /// A column that was asked for does not exist, or two roles contradict each other.
    #[error("{0}")]
    Roles(String),
    /// Two schemas that must be one differ.
    #[error("schemas differ: {0}")]
    Schema(String),
    /// A split that cannot be made.
    #[error("{0}")]
    Split(String),
    /// A preprocessing step cannot be fitted or applied.
    #[error("column \"{column}\": {reason}")]
    Preprocess {
        /// The column.
        column: String,
        /// Why.
        reason: String,
    },
    /// A total over all sites could not be formed.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
}

impl Failure for DataError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Table(e) => e.exit_code(),
            Self::Roles(_) | Self::Split(_) => ExitCode::Usage,
            Self::Faults(_) | Self::Schema(_) | Self::Preprocess { .. } => ExitCode::Data,
            Self::Reduce(_) => ExitCode::Mpi,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Table(e) => e.hint(),
            Self::Faults(faults) if faults.len() > 10 => {
                Some(format!("`osteon data check {}` lists every fault", faults[0].at.file.display()))
            }
            _ => None,
        }
    }
}
