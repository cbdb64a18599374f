//! Images and masks: voxels on a grid in patient space.

mod bytes;
pub(crate) mod dicom;
mod geometry;
mod mask;
mod nifti;
mod nifti_write;
mod nrrd;

use std::path::Path;

pub use geometry::Geometry;
pub use mask::Mask;

use crate::error::RadiomicsError;

/// Voxel values in the type that decides how they are binned: 32-bit floats get 32-bit bin edges.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Integers of at most 16 bits.
    I16(Vec<i16>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision and wider integers.
    F64(Vec<f64>),
}

impl Samples {
    /// The value at a place in memory.
    pub fn get(&self, index: usize) -> f64 {
        match self {
            Self::I16(v) => f64::from(v[index]),
            Self::F32(v) => f64::from(v[index]),
            Self::F64(v) => v[index],
        }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        match self {
            Self::I16(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are no voxels.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An image: one value per voxel.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its grid.
    pub geometry: Geometry,
    /// Values, x fastest, `geometry.voxels()` of them.
    pub samples: Samples,
}

impl Image {
    /// Reads `.nii`, `.nii.gz`, `.nrrd`, `.nhdr`, a DICOM file, or a folder that holds a DICOM series
    /// (`FOLDER#SeriesInstanceUID` where it holds several).
    ///
    /// # Errors
    /// If the file cannot be read, is not of its format, is truncated, or has more than three
    /// dimensions or axes that are not orthogonal; if the slices of a series are not one regular grid.
    pub fn read(path: &Path) -> Result<Self, RadiomicsError> {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
        let image = if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            nifti::read(path)?
        } else if name.ends_with(".nrrd") || name.ends_with(".nhdr") {
            nrrd::read(path)?
        } else if dicom::is_ours(path) {
            dicom::read(path)?
        } else if !dicom::series::split(path).0.exists() {
            return Err(RadiomicsError::io(path, std::io::ErrorKind::NotFound.into()));
        } else {
            let reason = "not a known image: .nii, .nii.gz, .nrrd, .nhdr or DICOM";
            return Err(RadiomicsError::format(path, reason));
        };
        if !image.geometry.is_orthonormal() {
            return Err(RadiomicsError::format(
                path,
                "its axes are not orthogonal (a sheared or tilted grid)",
            ));
        }
        if image.geometry.spacing.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
            let reason = format!("voxel spacing {:?} mm", image.geometry.spacing);
            return Err(RadiomicsError::format(path, reason));
        }
        if image.geometry.origin.iter().any(|x| !x.is_finite()) {
            let reason = format!("its first voxel lies at {:?} mm", image.geometry.origin);
            return Err(RadiomicsError::format(path, reason));
        }
        Ok(image)
    }
}

/// A mask: one label per voxel, 0 outside every region.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Its grid.
    pub geometry: Geometry,
    /// Labels, x fastest.
    pub values: Vec<u16>,
}

impl Labels {
    /// Reads a mask in one of the formats of [`Image::read`]; [`Mask::read`] knows more.
    ///
    /// # Errors
    /// As [`Image::read`]; or if a voxel is not an integer in `0..=65535`.
    pub fn read(path: &Path) -> Result<Self, RadiomicsError> {
        let Image { geometry, samples } = Image::read(path)?;
        let count = samples.len();
        let mut values = Vec::with_capacity(count);
        for index in 0..count {
            let value = samples.get(index);
            if !(0.0..=65535.0).contains(&value) || value.fract() != 0.0 {
                let reason = format!("voxel {index} is {value}; labels are integers from 0 to 65535");
                return Err(RadiomicsError::format(path, reason));
            }
            values.push(value as u16);
        }
        Ok(Self { geometry, values })
    }
}
