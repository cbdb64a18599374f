//! Maps: the features of the neighbourhood of every voxel of a region (PyRadiomics' voxel-based
//! extraction).
//!
//! The neighbourhood of a voxel is the box of `kernelRadius` voxels round it, in planes with `force2D`;
//! with `maskedKernel` the part of it that lies in the region. Grey levels are those of the region, or
//! without `maskedKernel` of its box with `kernelRadius` voxels round it, on which the maps lie.

mod neighbourhood;
mod settings;
mod write;

pub use settings::VoxelSettings;

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::extract::{check, part};
use crate::features::{CLASSES, Compute};
use crate::filters::normalise;
use crate::image::{Geometry, Image, Labels};
use crate::roi::{Region, Selection, Window, cropped};
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
    let own = settings.resampled_spacing.is_some() || settings.pre_crop;
    let own = if own { Some(part(region, image, settings)?) } else { None };
    let (image, region) = own.as_ref().map_or((image, region), |(image, region)| (image, region));
    let kept = match &settings.resegment {
        Some(range) => Some(range.apply(region, &region.values(image)?)?),
        None => None,
    };
    let region = kept.as_ref().unwrap_or(region);
    check(region, settings)?;
    let radius = settings.voxel.kernel_radius as usize;
    let (frame, inner) = cropped(image, region, radius);
    let corner = std::array::from_fn(|k| region.corner[k] - inner.corner[k]);
    let window = Window { corner, size: frame.geometry.size };
    let place = |v: u32| {
        let place = inner.place(v);
        frame.geometry.index(std::array::from_fn(|k| place[k] + inner.corner[k])) as u32
    };
    let mut maps = Maps {
        label: region.label.clone(),
        voxels: inner.voxels.iter().map(|&v| place(v)).collect(),
        geometry: frame.geometry.clone(),
        features: Vec::new(),
        outside: settings.voxel.init_value,
    };
    for image_type in &params.image_types {
        let settings = image_type.settings(settings)?;
        for view in image_type.filter.images(image, window, &[region], &settings)? {
            let samples = view.part.as_ref().map_or(&frame.samples, |(samples, _)| samples);
            let around = Neighbourhoods::new(samples, window, region, &settings)?;
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
