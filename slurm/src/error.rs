//! Errors of batch scripts.

use std::io;
use std::path::PathBuf;

use osteon_core::{ExitCode, Failure};
use osteon_report::ReportError;

/// What can go wrong between a request and a submitted job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// A value that does not belong into a script.
    #[error("{what} \"{value}\": {reason}")]
    Value {
        /// The flag.
        what: &'static str,
        /// What was given.
        value: String,
        /// Why it is refused.
        reason: String,
    },
    /// A script could not be written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// "write" or "create".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program of Slurm could not be run, or refused.
    #[error("{program}: {message}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it said.
        message: String,
    },
    /// A run directory without a record of its use.
    #[error(transparent)]
    Record(#[from] ReportError),
}

impl SlurmError {
    pub(crate) fn value(what: &'static str, value: impl ToString, reason: impl Into<String>) -> Self {
        Self::Value { what, value: value.to_string(), reason: reason.into() }
    }
}

impl Failure for SlurmError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Value { .. } => ExitCode::Usage,
            Self::Io { .. } | Self::Record(_) => ExitCode::Io,
            Self::Program { .. } => ExitCode::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Program { .. } => Some(
                "`osteon slurm render` writes the scripts without Slurm; submit.sh submits them".to_owned(),
            ),
            Self::Record(e) => e.hint(),
            _ => None,
        }
    }
}
