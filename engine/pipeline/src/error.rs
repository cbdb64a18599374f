//! What can be wrong with a batch, apart from its cases.

use std::io;
use std::path::{Path, PathBuf};

use osteon_core::{ExitCode, Failure};

/// Why a batch cannot run or be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The journal cannot be read or written.
    #[error("cannot use the journal {}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not a journal, or one of another version.
    #[error("{} is not a journal of this version", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The journal was written under other parameters.
    #[error("{} was begun with other parameters, cases or shards", path.display())]
    Changed {
        /// The journal.
        path: PathBuf,
    },
    /// Another process writes the journal.
    #[error("another process is writing {}", path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
    },
    /// A shard that is not one of its number.
    #[error("shard \"{0}\" is not of the form i/n with 1 <= i <= n")]
    Shard(String),
    /// Two journals hold the same case.
    #[error("case {case} is in {} and in {}", first.display(), second.display())]
    Twice {
        /// Number of the case, from 1.
        case: usize,
        /// One journal.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// Journals that are merged do not hold every case.
    #[error("{missing} of {total} cases are in none of the journals, the first of them case {first}")]
    Incomplete {
        /// Cases in no journal.
        missing: usize,
        /// All cases.
        total: usize,
        /// Number of the first missing case, from 1.
        first: usize,
    },
}

impl PipelineError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

impl Failure for PipelineError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Io { .. } => ExitCode::Io,
            Self::Incomplete { .. } | Self::Twice { .. } | Self::Foreign { .. } => ExitCode::Data,
            _ => ExitCode::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Changed { .. } => "--restart begins anew; another --out keeps both",
            Self::Locked { .. } => "wait for it, or give this one another --out",
            Self::Foreign { .. } => {
                "name the table that a shard wrote, or its .journal file; --restart begins anew"
            }
            Self::Shard(_) => "--shard 2/8 is the second of eight parts",
            Self::Incomplete { .. } => "name the outputs of all shards; run those again that were stopped",
            _ => return None,
        };
        Some(text.into())
    }
}
