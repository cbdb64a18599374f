//! Masks whose regions have names, on the grid of their image where the format leaves it open.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Geometry, Labels, dicom};
use crate::error::RadiomicsError;

/// A mask and the names of its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// The labels.
    pub labels: Labels,
    /// Names of labels, where the file has them (DICOM SEG and RTSTRUCT).
    pub names: BTreeMap<u16, String>,
}

impl Mask {
    /// Reads the mask of an image: one of the formats of [`Labels::read`], DICOM SEG or RTSTRUCT.
    ///
    /// Segments and contoured regions get the labels 1, 2, ... in the order of their numbers in the
    /// file; `FILE#NAME` takes the one of that name, as label 1. Contours are filled on `grid`, the
    /// grid of the image; a SEG lies on it where its frames do, and on its own otherwise.
    /// `image` is the path of the image: if that is DICOM, its frame of reference must be the mask's.
    ///
    /// # Errors
    /// As [`Labels::read`]; if the mask has another frame of reference or no such region, if two
    /// regions overlap (a voxel has one label), or if contours lie between the slices of the image.
    pub fn read(path: &Path, image: &Path, grid: &Geometry) -> Result<Self, RadiomicsError> {
        match dicom::mask(path, image, grid)? {
            Some(mask) => Ok(mask),
            None => Ok(Self { labels: Labels::read(path)?, names: BTreeMap::new() }),
        }
    }
}

/// Regions of a file that become labels.
pub(super) struct Chosen {
    /// Number in the file -> label.
    pub labels: BTreeMap<usize, u16>,
    /// Label -> name.
    pub names: BTreeMap<u16, String>,
}

impl Chosen {
    /// Labels for the regions (number and name) of a file, or for the one that is wanted.
    pub fn new(
        path: &Path,
        mut regions: Vec<(usize, String)>,
        wanted: Option<&str>,
    ) -> Result<Self, RadiomicsError> {
        regions.sort();
        let all = regions.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(wanted) = wanted {
            regions.retain(|(_, name)| name == wanted);
        }
        let reason = match (regions.len(), wanted) {
            (0, Some(wanted)) => format!("no region \"{wanted}\" is there; found: {all}"),
            (0, None) => "it has no regions".to_owned(),
            (2.., Some(wanted)) => format!("{} regions are named \"{wanted}\"", regions.len()),
            (n, _) if n > usize::from(u16::MAX) => format!("{n} regions"),
            _ => {
                let labels = regions.iter().zip(1..).map(|((number, _), label)| (*number, label)).collect();
                let names = (1..).zip(regions.into_iter().map(|(_, name)| name)).collect();
                return Ok(Self { labels, names });
            }
        };
        Err(RadiomicsError::format(path, reason))
    }

    /// The error that two regions share a voxel.
    pub fn overlap(&self, path: &Path, a: u16, b: u16) -> RadiomicsError {
        let name = |label: u16| self.names.get(&label).map_or("", String::as_str);
        RadiomicsError::format(
            path,
            format!(
                "regions \"{}\" and \"{}\" overlap, and a voxel has one label; choose a region with {}#{}",
                name(a),
                name(b),
                path.display(),
                name(a)
            ),
        )
    }
}
