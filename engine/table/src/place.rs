//! Where in a file something is, and what is wrong there.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a table file. Prints as `file:row:column`, or less where less is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// Line of the file, from 1, at which the record starts (CSV; the header is line 1), or number
    /// of the row, from 1 (Parquet, HDF5).
    pub line: Option<u64>,
    /// Number of the column, from 1.
    pub column: Option<usize>,
    /// Name of the column.
    pub name: Option<String>,
}

impl Location {
    /// The file as a whole.
    pub fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), line: None, column: None, name: None }
    }

    /// A line of the file.
    pub fn line(file: &Path, line: u64) -> Self {
        Self { line: Some(line), ..Self::file(file) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, ":{line}:{column}"),
            (Some(line), None) => write!(f, ":{line}"),
            // A column as a whole is located by its heading.
            (None, Some(column)) => write!(f, ":1:{column}"),
            (None, None) => Ok(()),
        }
    }
}

/// Whether a fault forbids the use of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the data can be used.
    Warning,
    /// The data cannot be used.
    Error,
}

/// Something wrong at a place. Prints as `file:row:column: [warning: ]column "name": message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub at: Location,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl Fault {
    /// A fault that forbids the use of the data.
    pub fn error(at: Location, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, at, message: message.into() }
    }

    /// A fault worth knowing.
    pub fn warning(at: Location, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, at, message: message.into() }
    }

    /// Whether this fault forbids the use of the data.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The first ten faults, a line each, and how many more there are.
    pub fn list(faults: &[Self]) -> String {
        let mut text = faults.iter().take(10).map(Self::to_string).collect::<Vec<_>>().join("\n");
        if faults.len() > 10 {
            text.push_str(&format!("\nand {} more", faults.len() - 10));
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if self.severity == Severity::Warning {
            write!(f, "warning: ")?;
        }
        if let Some(name) = &self.at.name {
            write!(f, "column \"{name}\": ")?;
        }
        write!(f, "{}", self.message)
    }
}
