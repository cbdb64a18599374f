//! Errors of a study.

use std::io;
use std::path::PathBuf;

use osteon_core::{ExitCode, Failure};
use osteon_report::ReportError;

/// Where in a study file, or in which override, a fault lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub String);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can go wrong between a study file and its run directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The study file or an override is wrong.
    #[error("{place}: {message}")]
    Config {
        /// `file:line:column`, or the override.
        place: Place,
        /// What is wrong there.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// "read", "create", "remove" or "lock".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record of the run directory cannot be read or written.
    #[error(transparent)]
    Record(#[from] ReportError),
    /// The run directory belongs to another study.
    #[error("{} holds a run with another {what}: {difference}", path.display())]
    Changed {
        /// The run directory.
        path: PathBuf,
        /// "configuration", "input" or "numeric profile".
        what: &'static str,
        /// The first difference.
        difference: String,
    },
    /// Another process works in the run directory.
    #[error("{} is in use by another process", path.display())]
    Busy {
        /// The run directory.
        path: PathBuf,
    },
    /// The build lacks a part.
    #[error("{0} is not part of this build")]
    Absent(&'static str),
    /// The directory holds files, but no run.
    #[error("{} is not empty and holds no run.json", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
}

impl StudyError {
    /// A closure that names the file and the action of a failed operation.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl Failure for StudyError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config { .. } | Self::Changed { .. } | Self::Foreign { .. } => ExitCode::Usage,
            Self::Record(e) => e.exit_code(),
            Self::Absent(_) => ExitCode::Unexpected,
            Self::Io { .. } | Self::Busy { .. } => ExitCode::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config { hint, .. } => hint.clone(),
            Self::Changed { .. } => {
                Some("give another directory with -o, or discard this run with --restart".to_owned())
            }
            Self::Foreign { .. } => Some("give an empty or a new directory with -o".to_owned()),
            Self::Busy { .. } => {
                Some("wait for the other process, or give another directory with -o".to_owned())
            }
            Self::Record(e) => e.hint(),
            Self::Io { .. } | Self::Absent(_) => None,
        }
    }
}
