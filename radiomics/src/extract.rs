//! Features of the regions of one image.

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::features::{CLASSES, Case};
use crate::filters::{Filter, normalise};
use crate::image::{Image, Labels};
use crate::roi::{Region, Selection, discretise};
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
    let views: Vec<View> = params
        .filters
        .par_iter()
        .map(|f| View { name: f.name(), image: f.apply(image), original: *f == Filter::Original })
        .collect();
    Ok(regions.into_par_iter().map(|region| row(&region, image, &views, params)).collect())
}

/// A filtered image.
struct View {
    name: String,
    /// `None` for the image itself.
    image: Option<Image>,
    original: bool,
}

fn row(region: &Region, image: &Image, views: &[View], params: &Params) -> Result<Row, RadiomicsError> {
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
    let parts: Result<Vec<_>, RadiomicsError> =
        views.par_iter().map(|view| features(view, image, inner, form, params)).collect();
    Ok(Row { label: region.label.clone(), features: parts?.into_iter().flatten().collect() })
}

/// The features of one filtered image.
fn features(
    view: &View,
    image: &Image,
    region: &Region,
    form: &Region,
    params: &Params,
) -> Result<Vec<(String, f64)>, RadiomicsError> {
    let image = view.image.as_ref().unwrap_or(image);
    let values = region.values(image)?;
    let settings = &params.settings;
    let levels = discretise(&values, settings.binning, &image.samples, &region.label)?;
    let grid = &LevelGrid::new(region, &levels, settings.reach())?;
    let case = Case { region, form, values: &values, grid, settings };
    let chosen: Vec<_> =
        params.features.iter().filter(|(class, _)| view.original || !CLASSES[*class].form_only).collect();
    let computed: Vec<Vec<(String, f64)>> = chosen
        .into_par_iter()
        .map(|(class, wanted)| {
            let class = &CLASSES[*class];
            let all = (class.compute)(&case);
            let column = |k: usize| format!("{}_{}_{}", view.name, class.name, class.features[k]);
            wanted.iter().map(|&k| (column(k), all[k])).collect()
        })
        .collect();
    Ok(computed.into_iter().flatten().collect())
}

/// Refuses a region that is too small for features to mean anything.
fn check(region: &Region, settings: &Settings) -> Result<(), RadiomicsError> {
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
