//! Errors of a study.

use std::io;
use std::path::PathBuf;

use osteon_core::{ExitCode, Failure};
use osteon_federate::FederateError;
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
    /// A column that the study names is not in the table.
    #[error("{key}: {} has no column \"{name}\"", path.display())]
    Column {
        /// The key of the study.
        key: String,
        /// The column.
        name: String,
        /// The table.
        path: PathBuf,
        /// The nearest column there is.
        nearest: Option<String>,
    },
    /// Sites with files of their own must agree on a category's levels beforehand.
    #[error(
        "column \"{column}\" is a category, and its levels must be agreed before any site reads its rows"
    )]
    Levels {
        /// The column.
        column: String,
    },
    /// No site of that name.
    #[error("there is no site \"{name}\"; known: {known}")]
    Site {
        /// The name in the study.
        name: String,
        /// The sites.
        known: String,
    },
    /// A site's table is not the one that was read.
    #[error("{} was {what} since it was read", path.display())]
    SiteTable {
        /// The table.
        path: PathBuf,
        /// "removed" or "changed".
        what: &'static str,
    },
    /// Training left the finite numbers.
    #[error("the loss is not a number after epoch {step}")]
    Diverged {
        /// Epochs done.
        step: u64,
    },
    /// One process was expected.
    #[error("arm = \"{arm}\" runs in one process, and {ranks} were started")]
    OneProcess {
        /// The arm of the study.
        arm: &'static str,
        /// Ranks started.
        ranks: usize,
    },
    /// A device was not there or did not compute.
    #[error(transparent)]
    Device(#[from] osteon_kernels::backend::DeviceError),
    /// A fault of a table.
    #[error(transparent)]
    Table(#[from] osteon_table::TableError),
    /// A fault of the cohort.
    #[error(transparent)]
    Data(#[from] osteon_data::DataError),
    /// The outcome cannot be sorted into risk sets.
    #[error(transparent)]
    Outcome(#[from] osteon_kernels::ops::cox_nll::CoxInputError),
    /// The linear model cannot be fitted.
    #[error(transparent)]
    Cox(#[from] osteon_models::cox::CoxError),
    /// A metric is not defined.
    #[error(transparent)]
    Metric(#[from] osteon_metrics::MetricError),
    /// The federation failed.
    #[error(transparent)]
    Federate(#[from] FederateError),
    /// Slides cannot be read.
    #[error(transparent)]
    Slides(#[from] osteon_slides::SlidesError),
    /// Slides do not fit the patients, or one another.
    #[error("{reason}")]
    Bags {
        /// What is wrong.
        reason: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The directory holds no finished run.
    #[error("{} holds no finished run", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// A finished run cannot give what was asked for.
    #[error("{}: {reason}", path.display())]
    Prediction {
        /// The run directory.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What to do instead.
        hint: &'static str,
    },
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

impl From<osteon_core::ReduceError> for StudyError {
    fn from(error: osteon_core::ReduceError) -> Self {
        Self::Cox(error.into())
    }
}

/// As an error that can be shared with the other ranks.
impl From<StudyError> for FederateError {
    fn from(error: StudyError) -> Self {
        match error {
            StudyError::Federate(error) => error,
            error => Self::local(&error),
        }
    }
}

impl Failure for StudyError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config { .. } | Self::Changed { .. } | Self::Foreign { .. } => ExitCode::Usage,
            Self::Column { .. } | Self::Levels { .. } | Self::Site { .. } => ExitCode::Usage,
            Self::OneProcess { .. } => ExitCode::Usage,
            Self::Unfinished { .. } | Self::Prediction { .. } => ExitCode::Usage,
            Self::Diverged { .. } | Self::Outcome(_) | Self::Bags { .. } => ExitCode::Data,
            Self::Device(e) => e.exit_code(),
            Self::Table(e) => e.exit_code(),
            Self::Data(e) => e.exit_code(),
            Self::Slides(e) => e.exit_code(),
            Self::Cox(e) => e.exit_code(),
            Self::Metric(e) => e.exit_code(),
            Self::Federate(e) => e.exit_code(),
            Self::Record(e) => e.exit_code(),
            Self::Io { .. } | Self::Busy { .. } | Self::SiteTable { .. } => ExitCode::Io,
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
            Self::Column { nearest, .. } => nearest.as_ref().map(|n| format!("did you mean \"{n}\"?")),
            Self::Levels { column } => Some(format!(
                "add [data.columns.{column}] with kind = \"categorical\" and levels = [...] to the study"
            )),
            Self::Diverged { .. } => Some("lower train.learning_rate".to_owned()),
            Self::OneProcess { .. } => Some("start it without mpirun or with one task".to_owned()),
            Self::Device(e) => e.hint(),
            Self::Table(e) => e.hint(),
            Self::Data(e) => e.hint(),
            Self::Slides(e) => e.hint(),
            Self::Bags { hint, .. } => Some((*hint).to_owned()),
            Self::Cox(e) => e.hint(),
            Self::Metric(e) => e.hint(),
            Self::Federate(e) => e.hint(),
            Self::Unfinished { .. } => Some("`osteon train STUDY.toml -o RUN` makes one".to_owned()),
            Self::Prediction { hint, .. } => Some((*hint).to_owned()),
            Self::SiteTable { .. } => {
                Some("federation.on_site_failure = \"drop\" goes on without such a site".to_owned())
            }
            Self::Site { .. } | Self::Outcome(_) => None,
            Self::Io { .. } => None,
        }
    }
}
