//! What can be wrong with a table of cases.

use std::path::PathBuf;

use osteon_core::{ExitCode, Failure};
use osteon_federate::FederateError;
use osteon_pipeline::PipelineError;
use osteon_radiomics::RadiomicsError;
use osteon_report::ReportError;
use osteon_slides::SlidesError;
use osteon_table::TableError;

/// Why a table of cases gives no table of features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// A table cannot be read or written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The batch cannot run.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A page or a picture cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The table of cases lacks a column.
    #[error("{} has no column \"{column}\"", path.display())]
    Column {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A cell of the table of cases is not what its column holds.
    #[error("{place}: {reason}")]
    Cell {
        /// File, row and column.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Slides that cannot be read or reduced.
    #[error(transparent)]
    Slides(#[from] SlidesError),
    /// Sites that cannot be reached, or do not agree.
    #[error(transparent)]
    Federate(#[from] FederateError),
    /// A single case without features.
    #[error(transparent)]
    Radiomics(#[from] RadiomicsError),
}

impl Failure for ImagingError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Table(e) => e.exit_code(),
            Self::Pipeline(e) => e.exit_code(),
            Self::Radiomics(e) => e.exit_code(),
            Self::Slides(e) => e.exit_code(),
            Self::Federate(e) => e.exit_code(),
            Self::Report(e) => e.exit_code(),
            Self::Column { .. } | Self::Cell { .. } => ExitCode::Data,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Table(e) => e.hint(),
            Self::Pipeline(e) => e.hint(),
            Self::Radiomics(e) => e.hint(),
            Self::Slides(e) => e.hint(),
            Self::Federate(e) => e.hint(),
            Self::Column { .. } => {
                Some(
                    "a table of cases has Image, Mask (or CT) and, if wanted, Label and ID; one of slides has slide and, \
                     if wanted, patient and site"
                        .into(),
                )
            }
            Self::Report(e) => e.hint(),
            Self::Cell { .. } => None,
        }
    }
}

impl From<ImagingError> for FederateError {
    fn from(error: ImagingError) -> Self {
        match error {
            ImagingError::Federate(e) => e,
            other => Self::Local { text: other.to_string(), code: other.exit_code(), hint: other.hint() },
        }
    }
}
