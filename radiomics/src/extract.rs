//! Features of the regions of one image.

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::features::{CLASSES, Case, Compute};
use crate::filters::{View, normalise};
use crate::image::{Image, Labels};
use crate::resample::resample;
use crate::roi::{Region, Selection, cropped, discretise};
use crate::settings::{Params, Settings};
use crate::texture::LevelGrid;

/// The features of one region, in the order of their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The region's label, `all` for the union.
    pub label: String,
    /// Names such as `original_glcm_Contrast`, and values. NaN where a feature does not exist.
    pub features: Vec<(String, f64)>,
}

/// Computes the features of the selected regions, each a row or the reason why it has none. The
/// numbers do not depend on the number of threads.
///
/// # Errors
/// If image and mask lie on different grids, or a label that was asked for is absent.
pub fn extract(
    image: &Image,
    labels: &Labels,
    selection: &Selection,
    params: &Params,
) -> Result<Vec<Result<Row, RadiomicsError>>, RadiomicsError> {
    let settings = &params.settings;
    if let Some(text) = image.geometry.difference(&labels.geometry, settings.geometry_tolerance) {
        return Err(RadiomicsError::Geometry(text));
    }
    let regions = Region::find(labels, selection)?;
    let normal = settings.normalize.then(|| normalise(image, settings));
    let image = normal.as_ref().unwrap_or(image);
    if let Some(spacing) = settings.resampled_spacing {
        return Ok(regions
            .into_par_iter()
            .map(|region| resampled_row(&region, image, spacing, params))
            .collect());
    }
    if settings.pre_crop {
        let crop = |region: Region| {
            check(&region, settings)?;
            let (image, region) = cropped(image, &region, settings.pad_distance as usize);
            row(&region, &image, &views(&image, &[&region], params)?, params)
        };
        return Ok(regions.into_par_iter().map(crop).collect());
    }
    let views = views(image, &regions.iter().collect::<Vec<_>>(), params)?;
    Ok(regions.into_par_iter().map(|region| row(&region, image, &views, params)).collect())
}

/// The images that features are computed from, with the settings of each.
fn views(
    image: &Image,
    regions: &[&Region],
    params: &Params,
) -> Result<Vec<(View, Settings)>, RadiomicsError> {
    let views = params.image_types.par_iter().map(|image_type| {
        let settings = image_type.settings(&params.settings)?;
        let views = image_type.filter.images(image, regions, &settings)?;
        Ok(views.into_iter().map(|view| (view, settings.clone())).collect::<Vec<_>>())
    });
    Ok(views.collect::<Result<Vec<_>, RadiomicsError>>()?.concat())
}

/// The features of a region on another grid; the part that is resampled, and so what filters see,
/// is the region's own.
fn resampled_row(
    region: &Region,
    image: &Image,
    spacing: [f64; 3],
    params: &Params,
) -> Result<Row, RadiomicsError> {
    check(region, &params.settings)?;
    match resample(image, region, spacing, &params.settings)? {
        Some((image, region)) => row(&region, &image, &views(&image, &[&region], params)?, params),
        // PyRadiomics crops where it has nothing to resample.
        None => {
            let (image, region) = cropped(image, region, params.settings.pad_distance as usize);
            row(&region, &image, &views(&image, &[&region], params)?, params)
        }
    }
}

fn row(
    region: &Region,
    image: &Image,
    views: &[(View, Settings)],
    params: &Params,
) -> Result<Row, RadiomicsError> {
    let settings = &params.settings;
    check(region, settings)?;
    let resegmented = match &settings.resegment {
        Some(range) => {
            let kept = range.apply(region, &region.values(image)?)?;
            check(&kept, settings)?;
            Some(kept)
        }
        None => None,
    };
    let inner = resegmented.as_ref().unwrap_or(region);
    // PyRadiomics crops the mask of the shape to the box of the resegmented one.
    let cropped = region.within(inner);
    let form = if settings.resegment_shape { inner } else { cropped.as_ref().unwrap_or(region) };
    let (shape, values) = rayon::join(
        || of_form(form, params),
        || {
            let found = views.par_iter().map(|(v, settings)| of_values(v, image, inner, settings, params));
            found.collect::<Result<Vec<_>, _>>()
        },
    );
    let features = std::iter::once(shape?).chain(values?).flatten().collect();
    Ok(Row { label: region.label.clone(), features })
}

/// The features of the form of a region.
///
/// # Errors
/// If its shape in a plane is sought and it lies in none.
fn of_form(region: &Region, params: &Params) -> Result<Vec<(String, f64)>, RadiomicsError> {
    let mut all = Vec::new();
    for (class, wanted) in &params.features {
        let values = match CLASSES[*class].compute {
            Compute::OfValues(_) => continue,
            Compute::OfForm(compute) => compute(region),
            Compute::OfPlane(compute) => {
                // As in PyRadiomics, the class has no columns otherwise.
                let Some(axis) = params.settings.flat_axis() else { continue };
                if region.size[axis] > 1 {
                    let reason =
                        format!("it is {} voxels thick, so that it has no shape2D", region.size[axis]);
                    return Err(RadiomicsError::Region { label: region.label.clone(), reason });
                }
                compute(region, axis)
            }
        };
        all.extend(named("original", *class, wanted, &values));
    }
    Ok(all)
}

/// The features of the values of one filtered image.
fn of_values(
    view: &View,
    image: &Image,
    region: &Region,
    settings: &Settings,
    params: &Params,
) -> Result<Vec<(String, f64)>, RadiomicsError> {
    let image = view.image.as_deref().unwrap_or(image);
    let values = region.values(image)?;
    let levels = discretise(&values, settings.binning, &image.samples, &region.label)?;
    let grid = &LevelGrid::new(region, &levels, settings.reach())?;
    let case = Case { region, values: &values, grid, settings, part_of: None };
    let computed: Vec<Vec<(String, f64)>> = params
        .features
        .par_iter()
        .map(|(class, wanted)| match CLASSES[*class].compute {
            Compute::OfForm(_) | Compute::OfPlane(_) => Vec::new(),
            Compute::OfValues(compute) => named(&view.name, *class, wanted, &compute(&case)),
        })
        .collect();
    Ok(computed.into_iter().flatten().collect())
}

/// The wanted features of a class with the names of their columns.
fn named(view: &str, class: usize, wanted: &[usize], values: &[f64]) -> Vec<(String, f64)> {
    let class = &CLASSES[class];
    wanted.iter().map(|&k| (format!("{view}_{}_{}", class.name, class.features[k]), values[k])).collect()
}

/// Refuses a region that is too small for features to mean anything.
pub(crate) fn check(region: &Region, settings: &Settings) -> Result<(), RadiomicsError> {
    let refuse = |reason| Err(RadiomicsError::Region { label: region.label.clone(), reason });
    let voxels = region.voxels.len();
    if voxels < 2 {
        return refuse("it is a single voxel".to_owned());
    }
    let extended = region.size.iter().filter(|n| **n > 1).count();
    let least = settings.minimum_roi_dimensions;
    if extended < least {
        return refuse(format!(
            "it extends over {extended} dimensions, fewer than minimumROIDimensions = {least}"
        ));
    }
    match settings.minimum_roi_size {
        Some(least) if voxels <= least => {
            refuse(format!("it has {voxels} voxels, not more than minimumROISize = {least}"))
        }
        _ => Ok(()),
    }
}
