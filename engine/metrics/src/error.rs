//! What can be wrong with the input of a metric.

use osteon_core::{ExitCode, Failure};

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// Two columns describe different numbers of patients.
    #[error("{what} has {found} entries, time has {expected}")]
    Length {
        /// The column that differs.
        what: &'static str,
        /// Its entries.
        found: usize,
        /// Entries of `time` (times the evaluation times for a matrix of predictions).
        expected: usize,
    },
    /// A value is NaN, infinite, or of a sign that has no meaning here.
    #[error("{what} of row {row} is {value}")]
    Value {
        /// The column.
        what: &'static str,
        /// Row from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// Nobody had the event.
    #[error("no row has an event")]
    NoEvents,
    /// The quantity does not exist for these data; never replaced by a neutral number.
    #[error("{metric} is undefined: {reason}")]
    Undefined {
        /// The metric asked for.
        metric: &'static str,
        /// Why it does not exist.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("{what} is {value}; it must be {range}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// The value given.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
}

impl Failure for MetricError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Setting { .. } => ExitCode::Usage,
            _ => ExitCode::Data,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoEvents => "check that the event column codes events as 1",
            Self::Undefined { .. } => "evaluate on more patients, or at earlier times",
            _ => return None,
        };
        Some(text.into())
    }
}
