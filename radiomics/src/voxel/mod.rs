//! Maps: the features of the neighbourhood of every voxel of a region (PyRadiomics' voxel-based
//! extraction).
//!
//! The neighbourhood of a voxel is the box of `kernelRadius` voxels round it, in planes with `force2D`;
//! with `maskedKernel` the part of it that lies in the region. Grey levels are those of the region, or
//! without `maskedKernel` of its box with `kernelRadius` voxels round it, on which the maps lie.

mod neighbourhood;
mod settings;

pub use settings::VoxelSettings;

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::extract::check;
use crate::features::{CLASSES, Compute};
use crate::filters::normalise;
use crate::image::{Geometry, Image, Labels};
use crate::resample::resample;
use crate::roi::{Region, Selection, cropped};
use crate::settings::Params;
use neighbourhood::Neighbourhoods;

/// Maps of one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Maps {
    /// Label of the region, `all` for the union.
    pub label: String,
    /// Their grid: the box of the region with `kernelRadius` voxels round it.
    pub geometry: Geometry,
    /// Index of each voxel of the region in the grid, x fastest, ascending.
    pub voxels: Vec<u32>,
    /// Names such as `original_glcm_Contrast`, and a value for each of `voxels`; NaN where a feature does
    /// not exist.
    pub features: Vec<(String, Vec<f64>)>,
    /// The value of all other voxels.
    pub outside: f64,
}

impl Maps {
    /// The values of one feature on the whole grid, x fastest.
    pub fn volume(&self, feature: usize) -> Vec<f64> {
        let mut volume = vec![self.outside; self.geometry.voxels()];
        self.voxels.iter().zip(&self.features[feature].1).for_each(|(&v, &x)| volume[v as usize] = x);
        volume
    }
}

/// Computes the maps of the selected regions, each or the reason why it has none. `each` takes them one
/// after the other, so that those of one region are in memory. The numbers do not depend on the number of
/// threads.
///
/// # Errors
/// If image and mask lie on different grids, or a label that was asked for is absent.
pub fn maps(
    image: &Image,
    labels: &Labels,
    selection: &Selection,
    params: &Params,
    mut each: impl FnMut(Result<Maps, RadiomicsError>),
) -> Result<(), RadiomicsError> {
    let settings = &params.settings;
    if let Some(text) = image.geometry.difference(&labels.geometry, settings.geometry_tolerance) {
        return Err(RadiomicsError::Geometry(text));
    }
    let regions = Region::find(labels, selection)?;
    let normal = settings.normalize.then(|| normalise(image, settings));
    let image = normal.as_ref().unwrap_or(image);
    regions.iter().for_each(|region| each(of_region(region, image, params)));
    Ok(())
}

fn of_region(region: &Region, image: &Image, params: &Params) -> Result<Maps, RadiomicsError> {
    let settings = &params.settings;
    check(region, settings)?;
    let pad = settings.pad_distance as usize;
    let part = match settings.resampled_spacing {
        Some(spacing) => {
            Some(resample(image, region, spacing, settings)?.unwrap_or_else(|| cropped(image, region, pad)))
        }
        None if settings.pre_crop => Some(cropped(image, region, pad)),
        None => None,
    };
    let (image, region) = part.as_ref().map_or((image, region), |(image, region)| (image, region));
    let kept = match &settings.resegment {
        Some(range) => Some(range.apply(region, &region.values(image)?)?),
        None => None,
    };
    let region = kept.as_ref().unwrap_or(region);
    check(region, settings)?;
    let radius = settings.voxel.kernel_radius as usize;
    let (frame, inner) = cropped(image, region, radius);
    let mut maps = Maps {
        label: region.label.clone(),
        voxels: inner
            .voxels
            .iter()
            .map(|&v| inner.place(v))
            .map(|p| frame.geometry.index(std::array::from_fn(|k| p[k] + inner.corner[k])) as u32)
            .collect(),
        geometry: frame.geometry,
        features: Vec::new(),
        outside: settings.voxel.init_value,
    };
    for image_type in &params.image_types {
        let settings = image_type.settings(settings)?;
        for view in image_type.filter.images(image, &[region], &settings)? {
            let (view_image, view_region) = cropped(view.image.as_deref().unwrap_or(image), region, radius);
            let around = Neighbourhoods::new(&view_image, &view_region, &settings)?;
            for (class, wanted) in &params.features {
                let Compute::OfValues(compute) = CLASSES[*class].compute else { continue };
                let rows: Vec<Vec<f64>> = maps
                    .voxels
                    .par_iter()
                    .map(|&v| around.features(v as usize, compute))
                    .collect::<Result<_, _>>()?;
                for &k in wanted {
                    let name =
                        format!("{}_{}_{}", view.name, CLASSES[*class].name, CLASSES[*class].features[k]);
                    maps.features.push((name, rows.iter().map(|row| row[k]).collect()));
                }
            }
        }
    }
    Ok(maps)
}
