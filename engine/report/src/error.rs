//! Errors of records and reports.

use std::io;
use std::path::PathBuf;

use osteon_core::{ExitCode, Failure};

/// What can go wrong with the files of a run directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{}:{line}: {message}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Line of the fault, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
}

impl ReportError {
    /// A closure that names the file and the action of a failed operation.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl Failure for ReportError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Io
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { action: "read", source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("a run directory is what `osteon train STUDY.toml -o DIR` writes".to_owned())
            }
            _ => None,
        }
    }
}
