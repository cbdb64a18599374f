//! What can be wrong with the embeddings of a slide.

use std::io;
use std::path::{Path, PathBuf};

use osteon_core::{ExitCode, Failure, ReduceError};
use osteon_kernels::backend::DeviceError;
use osteon_table::TableError;

/// Why slides cannot be read or reduced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlidesError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table or an array cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The extension names no format of embeddings.
    #[error("{}: unknown kind of embeddings; known are .h5, .hdf5, .npy, .pt, .pth and .parquet", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A file is not what its extension says, or holds something else than embeddings.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Values that are no numbers.
    #[error("{}: {values} values in {tiles} tiles are NaN or infinite, the first in tile {first}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Values.
        values: u64,
        /// Tiles with such values.
        tiles: u64,
        /// The first of them, from 0.
        first: u64,
    },
    /// Slides that cannot be reduced together.
    #[error("{0}")]
    Mixed(String),
    /// An option that means nothing.
    #[error("{0}")]
    Option(String),
    /// A model that does not fit the slides, or cannot be fitted.
    #[error("{0}")]
    Model(String),
    /// A sum over sites that could not be formed.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
    /// A device fails, or has no version of what was asked for.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl SlidesError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn format(path: &Path, reason: impl ToString) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl Failure for SlidesError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Io { .. } => ExitCode::Io,
            Self::Table(e) => e.exit_code(),
            Self::Extension { .. } | Self::Option(_) => ExitCode::Usage,
            Self::Reduce(_) => ExitCode::Mpi,
            Self::Device(e) => e.exit_code(),
            Self::Format { .. } | Self::NotFinite { .. } | Self::Mixed(_) | Self::Model(_) => ExitCode::Data,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Table(e) => e.hint(),
            Self::Device(e) => e.hint(),
            Self::NotFinite { .. } => {
                Some("half-precision overflow in the encoder is the usual cause: write float32".into())
            }
            Self::Mixed(_) => Some("reduce the slides of each encoder by themselves".into()),
            _ => None,
        }
    }
}
