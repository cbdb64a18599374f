//! Floor 2: radiomics features of images over labelled regions, equal to PyRadiomics.
//!
//! [`Image::read`] and [`Mask::read`] read NIfTI, NRRD and DICOM; [`extract()`] computes the features of
//! every selected label in one pass, by PyRadiomics' names and in its order; [`Params`] holds its
//! parameters. Texture matrices, meshes and filters are ops of `osteon_kernels`; the matrices are
//! integer counts, so results have the same bits for any number of threads.

mod diagnostics;
mod error;
mod extract;
pub mod features;
mod filters;
mod image;
mod index;
mod params_file;
mod pet;
mod profile;
mod resample;
mod roi;
mod settings;
pub mod skeleton;
mod suv;
mod voxel;

pub use error::RadiomicsError;
pub use extract::{Row, extract, extract_on};
pub use filters::{Code, Filter, FilterSettings};
pub use image::{Geometry, Image, Labels, Mask, Samples};
pub use index::{Choice, Index, Key, Listing, Naming};
pub use pet::pet;
pub use profile::Profile;
pub use resample::Interpolator;
pub use roi::{Binning, Region, Resegment, ResegmentMode, Selection, discretise};
pub use settings::{ImageType, Norm, Params, Settings};
pub use suv::{Suv, SuvRecord, not_suv};
pub use voxel::{Maps, VoxelSettings, maps};
