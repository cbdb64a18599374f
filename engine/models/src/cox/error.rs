//! Why a Cox model cannot be fitted.

use osteon_core::{ExitCode, Failure};

/// Why a Cox model, its baseline or a test of it has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CoxError {
    /// Two inputs describe different numbers of patients or features.
    #[error("{what} has {found} entries, expected {expected}")]
    Length {
        /// The input.
        what: &'static str,
        /// Its entries.
        found: usize,
        /// Entries it should have.
        expected: usize,
    },
    /// A value is NaN, infinite or out of range.
    #[error("{what} of row {row} is {value}")]
    Value {
        /// The input or the feature's name.
        what: String,
        /// Row from 0.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// A patient leaves before being observed.
    #[error("row {row} enters at {entry}, not before its time {time}")]
    Entry {
        /// Row from 0.
        row: usize,
        /// Its entry time.
        entry: f64,
        /// Its time.
        time: f64,
    },
    /// A setting is out of range.
    #[error("{what} is {value}; it must be finite and at least 0")]
    Setting {
        /// The setting.
        what: &'static str,
        /// The value given.
        value: f64,
    },
    /// Nobody with a positive weight had the event.
    #[error("no row has an event")]
    NoEvents,
    /// A column carries no information in any risk set.
    #[error("column {0} is constant in every risk set")]
    Constant(String),
    /// A column is a linear combination of others.
    #[error("column {column} is a linear combination of {}", .of.join(", "))]
    Collinear {
        /// The redundant column.
        column: String,
        /// The columns that make it up.
        of: Vec<String>,
    },
    /// The likelihood rises for ever in some direction: the coefficients are infinite.
    #[error(
        "the likelihood has no maximum: the events are separated by {}",
        .columns.iter().map(|(name, sign)| format!("{name} (to {sign}infinity)")).collect::<Vec<_>>().join(", ")
    )]
    Separation {
        /// The diverging columns and `+` or `-`.
        columns: Vec<(String, char)>,
    },
    /// A stratum has too few events for bins of the size asked for.
    #[error("stratum {stratum} has {events} events over all sites, and a bin must hold {least}")]
    FewEvents {
        /// Code of the stratum.
        stratum: u32,
        /// Its events.
        events: u64,
        /// Events a bin must hold.
        least: u64,
    },
    /// A sum over sites could not be made.
    #[error(transparent)]
    Reduce(#[from] osteon_core::ReduceError),
    /// Newton's method did not settle.
    #[error("no convergence within {0} iterations")]
    NotConverged(usize),
    /// A computation left the range of numbers.
    #[error("{0}")]
    Numerical(&'static str),
}

impl Failure for CoxError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Setting { .. } => ExitCode::Usage,
            Self::NotConverged(_) | Self::Numerical(_) => ExitCode::Unexpected,
            // Of a rank, or of the collective itself.
            Self::Reduce(_) => ExitCode::Mpi,
            _ => ExitCode::Data,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Constant(_) | Self::Collinear { .. } => "drop the column, or set ridge > 0",
            Self::Separation { .. } => "drop or merge the rare category, or set ridge > 0",
            Self::NotConverged(_) => "set ridge > 0, or look for extreme values in the columns",
            Self::FewEvents { .. } => "lower federation.min_count",
            _ => return None,
        };
        Some(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_failed_ends_with_the_code_of_mpi() {
        let lost = osteon_core::ReduceError("rank 2 on node3 is lost".to_owned());
        assert_eq!(CoxError::from(lost).exit_code(), ExitCode::Mpi);
    }
}
