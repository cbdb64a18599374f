//! Features of the regions of one image.

use std::cmp::Reverse;

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::features::{CLASSES, Case, Compute};
use crate::filters::{View, normalise};
use crate::image::{Image, Labels};
use crate::resample::resample;
use crate::roi::{Region, Selection, Window, discretise};
use crate::settings::{Params, Settings};

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
/// If parameters contradict each other, image and mask lie on different grids, or a label that was
/// asked for is absent.
pub fn extract(
    image: &Image,
    labels: &Labels,
    selection: &Selection,
    params: &Params,
) -> Result<Vec<Result<Row, RadiomicsError>>, RadiomicsError> {
    let settings = &params.settings;
    settings.check()?;
    if let Some(text) = image.geometry.difference(&labels.geometry, settings.geometry_tolerance) {
        return Err(RadiomicsError::Geometry(text));
    }
    let regions = Region::find(labels, selection)?;
    let normal = settings.normalize.then(|| normalise(image, settings));
    let image = normal.as_ref().unwrap_or(image);
    let Some(spacing) = settings.resampled_spacing else { return rows(regions, image, params) };
    Ok(regions.into_par_iter().map(|region| resampled_row(region, image, spacing, params)).collect())
}

/// The features of a region on another grid; the part that is resampled, and so what filters see,
/// is the region's own.
fn resampled_row(
    region: Region,
    image: &Image,
    spacing: [f64; 3],
    params: &Params,
) -> Result<Row, RadiomicsError> {
    check(&region, &params.settings)?;
    let mut rows = match resample(image, &region, spacing, &params.settings)? {
        Some((image, region)) => rows(vec![region], &image, params)?,
        None => rows(vec![region], image, params)?,
    };
    rows.swap_remove(0)
}

/// A region whose features are sought.
struct Target {
    /// What shape is that of.
    form: Region,
    /// What values are taken from, where resegmentation left less of it.
    resegmented: Option<Region>,
}

impl Target {
    fn new(region: Region, image: &Image, settings: &Settings) -> Result<Self, RadiomicsError> {
        check(&region, settings)?;
        let Some(range) = &settings.resegment else { return Ok(Self { form: region, resegmented: None }) };
        let kept = range.apply(&region, &region.values(image)?)?;
        check(&kept, settings)?;
        // PyRadiomics crops the mask of the shape to the box of the resegmented one.
        let form =
            if settings.resegment_shape { kept.clone() } else { region.within(&kept).unwrap_or(region) };
        Ok(Self { form, resegmented: Some(kept) })
    }

    fn inner(&self) -> &Region {
        self.resegmented.as_ref().unwrap_or(&self.form)
    }
}

type Features = Vec<(String, f64)>;

/// The features of regions on the grid of the image.
fn rows(
    regions: Vec<Region>,
    image: &Image,
    params: &Params,
) -> Result<Vec<Result<Row, RadiomicsError>>, RadiomicsError> {
    let targets: Vec<_> = regions.into_par_iter().map(|r| Target::new(r, image, &params.settings)).collect();
    let (mut present, mut rows) = (Vec::new(), Vec::new());
    for (k, target) in targets.into_iter().enumerate() {
        match target {
            Ok(target) => present.push((k, target)),
            Err(error) => rows.push((k, Err(error))),
        }
    }
    // The largest first, so that none of them is left for the end.
    present.sort_by_key(|(_, target)| Reverse(target.form.voxels.len()));
    let (forms, values) = rayon::join(
        || present.par_iter().map(|(_, target)| of_form(&target.form, params)).collect::<Vec<_>>(),
        || of_views(&present, image, params),
    );
    for (((k, target), form), values) in present.iter().zip(forms).zip(values?) {
        let label = target.form.label.clone();
        let row = values.map(|values| Row { label, features: [form, values].concat() });
        rows.push((*k, row));
    }
    rows.sort_by_key(|(k, _)| *k);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The features of all values of each target. Filters are taken one after the other, so that only
/// one filter's images are in memory.
fn of_views(
    targets: &[(usize, Target)],
    image: &Image,
    params: &Params,
) -> Result<Vec<Result<Features, RadiomicsError>>, RadiomicsError> {
    let mut all: Vec<Result<Features, RadiomicsError>> = targets.iter().map(|_| Ok(Vec::new())).collect();
    let windows = targets.iter().map(|(_, target)| target.inner().window());
    let Some(window) = windows.reduce(Window::join) else { return Ok(all) };
    for filter in &params.filters {
        let views = filter.images(image, window)?;
        all.par_iter_mut().zip(targets).with_max_len(1).for_each(|(features, (_, target))| {
            let Ok(before) = features else { return };
            let found = views.par_iter().map(|view| of_values(view, image, target.inner(), params));
            match found.collect::<Result<Vec<_>, _>>() {
                Ok(found) => before.extend(found.into_iter().flatten()),
                Err(error) => *features = Err(error),
            }
        });
    }
    Ok(all)
}

/// The features of the form of a region.
fn of_form(region: &Region, params: &Params) -> Features {
    let mut all = Vec::new();
    for (class, wanted) in &params.features {
        if let Compute::OfForm(compute) = CLASSES[*class].compute {
            all.extend(named("original", *class, wanted, &compute(region)));
        }
    }
    all
}

/// The features of the values of one filtered image.
fn of_values(
    view: &View,
    image: &Image,
    region: &Region,
    params: &Params,
) -> Result<Features, RadiomicsError> {
    let whole = (&image.samples, Window::whole(image.geometry.size));
    let (samples, window) = view.part.as_ref().map_or(whole, |(samples, window)| (samples, *window));
    let values = region.values_in(samples, window)?;
    let settings = &params.settings;
    let levels = discretise(&values, settings.binning, samples, &region.label)?;
    let grid = region.grid(&levels, settings.reach())?;
    drop(levels);
    let case = Case::new(region, &values, &grid, settings);
    let computed: Vec<Vec<(String, f64)>> = params
        .features
        .par_iter()
        .map(|(class, wanted)| match CLASSES[*class].compute {
            Compute::OfForm(_) => Vec::new(),
            Compute::OfValues(compute) => named(&view.name, *class, wanted, &compute(&case)),
        })
        .collect();
    Ok(computed.into_iter().flatten().collect())
}

/// The wanted features of a class with the names of their columns.
fn named(view: &str, class: usize, wanted: &[usize], values: &[f64]) -> Features {
    let class = &CLASSES[class];
    wanted.iter().map(|&k| (format!("{view}_{}_{}", class.name, class.features[k]), values[k])).collect()
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
