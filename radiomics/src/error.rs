//! What can be wrong with an image, a region or a parameter.

use std::io;
use std::path::{Path, PathBuf};

use osteon_core::{ExitCode, Failure};
use osteon_kernels::backend::DeviceError;

/// Why a case has no features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RadiomicsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what its name says, or a kind of it that is not supported.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file ends before all voxels of its header were read.
    #[error("{} is truncated: {found} of {expected} bytes of voxels", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes the header asks for.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A folder holds several series.
    #[error("{} holds several series: {found}", path.display())]
    Series {
        /// The folder.
        path: PathBuf,
        /// The series.
        found: String,
    },
    /// A DICOM series lacks what its SUV needs, or contradicts itself.
    #[error("{}: no SUV: {reason}", path.display())]
    Suv {
        /// The series.
        path: PathBuf,
        /// What is missing or wrong, with its tag.
        reason: String,
    },
    /// Image and mask lie on different grids.
    #[error("image and mask lie on different grids: {0}")]
    Geometry(String),
    /// A label is not in the mask.
    #[error("label {label} is not in the mask (labels there: {present})")]
    Label {
        /// The label asked for.
        label: u16,
        /// The labels there are.
        present: String,
    },
    /// A region is too small, or gone after resegmentation.
    #[error("region {label}: {reason}")]
    Region {
        /// Its label.
        label: String,
        /// Why it has no features.
        reason: String,
    },
    /// A voxel of the region is NaN or infinite.
    #[error("voxel ({}, {}, {}) of region {label} is {value}", index[0], index[1], index[2])]
    Voxel {
        /// Label of the region.
        label: String,
        /// Index of the voxel along x, y, z, from 0.
        index: [usize; 3],
        /// Its value.
        value: f64,
    },
    /// The device did not compute.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A parameter is unknown.
    #[error("unknown parameter \"{key}\"{}", nearest.as_ref().map_or(String::new(), |n| format!("; did you mean \"{n}\"?")))]
    UnknownKey {
        /// The name given.
        key: String,
        /// The nearest known name.
        nearest: Option<String>,
    },
    /// A parameter has a value that it cannot have.
    #[error("parameter {key} is {value}; it must be {range}")]
    Setting {
        /// The parameter.
        key: String,
        /// The value given.
        value: String,
        /// What is allowed.
        range: String,
    },
}

impl RadiomicsError {
    /// The region that an error is about, if it is about one.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Region { label, .. } | Self::Voxel { label, .. } => Some(label),
            _ => None,
        }
    }

    /// A file that is not as its format demands.
    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.into() }
    }

    /// A file that cannot be read.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A parameter out of its range.
    pub(crate) fn setting(key: &str, value: impl ToString, range: impl Into<String>) -> Self {
        Self::Setting { key: key.to_owned(), value: value.to_string(), range: range.into() }
    }
}

impl Failure for RadiomicsError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Io { .. } => ExitCode::Io,
            Self::UnknownKey { .. } | Self::Setting { .. } => ExitCode::Usage,
            Self::Device(error) => error.exit_code(),
            _ => ExitCode::Data,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Truncated { .. } => "copy the file again; other readers fill the rest with zeros",
            Self::Series { .. } => "choose one with FOLDER#SeriesInstanceUID",
            Self::Geometry(_) => {
                "--resample-mask puts the mask on the grid of the image (nearest voxel), \
                 --resample-image the image on that of the mask"
            }
            Self::Voxel { .. } => {
                "mask the voxel out, or repair the image: NaN would spread into some features only"
            }
            Self::Device(error) => return error.hint(),
            Self::Label { .. } => "--labels all takes every label of the mask",
            _ => return None,
        };
        Some(text.into())
    }
}
