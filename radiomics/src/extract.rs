//! Features of the regions of one image.

use std::cmp::Reverse;
use std::sync::Arc;

use osteon_kernels::backend::{DeviceError, Shared};
use rayon::prelude::*;

use crate::diagnostics::{self, Diagnostics};
use crate::error::RadiomicsError;
use crate::features::{CLASSES, Case, Compute, Counted, levels_on};
use crate::filters::{View, normalise};
use crate::image::{Image, Labels};
use crate::pet::pet;
use crate::resample::resample;
use crate::roi::{Region, Selection, Window, cropped, edges};
use crate::settings::{Params, Settings};

/// The features of one region, in the order of their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The region's label, `all` for the union.
    pub label: String,
    /// With `additionalInfo`, names without the prefix `diagnostics_`, and texts.
    pub diagnostics: Vec<(String, String)>,
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
    extract_on(None, image, labels, selection, params)
}

/// As [`extract`], to the bit: grey levels, their matrices, the surface and the distances of vertices are found on
/// a device, the features here.
///
/// # Errors
/// As [`extract`], and if the device has no version of what is asked for ([`Params::needs_processor`]). A region
/// that is too large for the device has its own error.
pub fn extract_on(
    device: Option<&Shared>,
    image: &Image,
    labels: &Labels,
    selection: &Selection,
    params: &Params,
) -> Result<Vec<Result<Row, RadiomicsError>>, RadiomicsError> {
    if let (Some(device), Some(reason)) = (device, params.needs_processor()) {
        let (op, device, reason) = ("this extraction", device.info().to_string(), reason.to_owned());
        return Err(DeviceError::Unsupported { op, device, reason }.into());
    }
    let settings = &params.settings;
    settings.check()?;
    if let Some(text) = image.geometry.difference(&labels.geometry, settings.geometry_tolerance) {
        return Err(RadiomicsError::Geometry(text));
    }
    let regions = Region::find(labels, selection)?;
    let before = provenance(image, labels, &regions, params);
    let uptake: Vec<_> =
        regions.iter().map(|r| if params.pet { pet(image, r) } else { Ok(Vec::new()) }).collect();
    let normal = settings.normalize.then(|| normalise(image, settings));
    let image = normal.as_ref().unwrap_or(image);
    let mut rows = if settings.resampled_spacing.is_none() && !settings.pre_crop {
        rows(device, regions, image, params)?
    } else {
        regions.into_par_iter().map(|region| own_part(device, &region, image, params)).collect()
    };
    for ((row, before), uptake) in rows.iter_mut().zip(before).zip(uptake) {
        if let Ok(Row { diagnostics, features, .. }) = row {
            diagnostics.splice(0..0, before);
            features.extend(uptake?);
        }
    }
    Ok(rows)
}

/// Diagnostics of the image and each region as they were read.
fn provenance(image: &Image, labels: &Labels, regions: &[Region], params: &Params) -> Vec<Diagnostics> {
    if !params.settings.additional_info {
        return vec![Vec::new(); regions.len()];
    }
    let (image_entries, mask_entries) = (diagnostics::of_image(image), diagnostics::of_mask(labels));
    let of = |region: &Region| {
        let own = diagnostics::of_region("original", region, &labels.geometry, None);
        let configuration = diagnostics::of_params(params, &region.label);
        [configuration, image_entries.clone(), mask_entries.clone(), own].concat()
    };
    regions.par_iter().map(of).collect()
}

/// The features of a region whose part of the image, and so what filters see, is its own.
fn own_part(
    device: Option<&Shared>,
    region: &Region,
    image: &Image,
    params: &Params,
) -> Result<Row, RadiomicsError> {
    check(region, &params.settings)?;
    let (image, region) = part(region, image, &params.settings)?;
    let mut row = rows(device, vec![region.clone()], &image, params)?.swap_remove(0)?;
    if params.settings.additional_info && params.settings.resampled_spacing.is_some() {
        let values = region.values(&image)?;
        let mut entries = diagnostics::of_values("interpolated", &image);
        entries.extend(diagnostics::of_region("interpolated", &region, &image.geometry, Some(&values)));
        row.diagnostics.splice(0..0, entries);
    }
    Ok(row)
}

/// The resampled or cropped part of the image round a region.
///
/// # Errors
/// If nothing is left of the region on another grid, or that grid is too large.
pub(crate) fn part(
    region: &Region,
    image: &Image,
    settings: &Settings,
) -> Result<(Image, Region), RadiomicsError> {
    let resampled = match settings.resampled_spacing {
        Some(spacing) => resample(image, region, spacing, settings)?,
        None => None,
    };
    // PyRadiomics crops where it has nothing to resample.
    Ok(resampled.unwrap_or_else(|| cropped(image, region, settings.pad_distance as usize)))
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

    /// What resegmentation left.
    fn diagnostics(&self, image: &Image, params: &Params) -> Result<Diagnostics, RadiomicsError> {
        match &self.resegmented {
            Some(kept) if params.settings.additional_info => {
                let values = kept.values(image)?;
                Ok(diagnostics::of_region("resegmented", kept, &image.geometry, Some(&values)))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn inner(&self) -> &Region {
        self.resegmented.as_ref().unwrap_or(&self.form)
    }
}

type Features = Vec<(String, f64)>;

/// The features of regions on the grid of the image.
fn rows(
    device: Option<&Shared>,
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
        || present.par_iter().map(|(_, target)| of_form(device, &target.form, params)).collect::<Vec<_>>(),
        || of_views(device, &present, image, params),
    );
    for (((k, target), form), values) in present.iter().zip(forms).zip(values?) {
        let label = target.form.label.clone();
        let row = form.and_then(|form| {
            Ok(Row {
                label,
                diagnostics: target.diagnostics(image, params)?,
                features: [form, values?].concat(),
            })
        });
        rows.push((*k, row));
    }
    rows.sort_by_key(|(k, _)| *k);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The features of all values of each target. Filters are taken one after the other, so that only
/// one filter's images are in memory.
fn of_views(
    device: Option<&Shared>,
    targets: &[(usize, Target)],
    image: &Image,
    params: &Params,
) -> Result<Vec<Result<Features, RadiomicsError>>, RadiomicsError> {
    let mut all: Vec<Result<Features, RadiomicsError>> = targets.iter().map(|_| Ok(Vec::new())).collect();
    let windows = targets.iter().map(|(_, target)| target.inner().window());
    let Some(window) = windows.reduce(Window::join) else { return Ok(all) };
    let regions: Vec<&Region> = targets.iter().map(|(_, target)| target.inner()).collect();
    for image_type in &params.image_types {
        let settings = image_type.settings(&params.settings)?;
        let views = image_type.filter.images(image, window, &regions, &settings)?;
        all.par_iter_mut().zip(targets).with_max_len(1).for_each(|(features, (_, target))| {
            let Ok(before) = features else { return };
            let found = views
                .par_iter()
                .map(|view| of_values(device, view, image, target.inner(), &settings, params));
            match found.collect::<Result<Vec<_>, _>>() {
                Ok(found) => before.extend(found.into_iter().flatten()),
                Err(error) => *features = Err(error),
            }
        });
    }
    Ok(all)
}

/// The features of the form of a region.
///
/// # Errors
/// If its shape in a plane is sought and it lies in none, or the device fails.
fn of_form(device: Option<&Shared>, region: &Region, params: &Params) -> Result<Features, RadiomicsError> {
    let mut all = Vec::new();
    for (class, wanted) in &params.features {
        let values = match CLASSES[*class].compute {
            Compute::OfValues(_) => continue,
            Compute::OfForm(compute) => compute(region, device)?,
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
    device: Option<&Shared>,
    view: &View,
    image: &Image,
    region: &Region,
    settings: &Settings,
    params: &Params,
) -> Result<Features, RadiomicsError> {
    let whole = (&image.samples, Window::whole(image.geometry.size));
    let (samples, window) = view.part.as_ref().map_or(whole, |(samples, window)| (samples, *window));
    let values = region.values_in(samples, window)?;
    let edges = edges(&values, settings.bins(), samples, &region.label)?;
    let (levels, values) = match device {
        Some(device) => levels_on(device, edges, values)?,
        None => (edges.levels(&values), values),
    };
    let grid = Arc::new(region.grid(&levels, settings.reach())?);
    drop(levels);
    let counted = match device {
        Some(device) => {
            let classes: Vec<usize> = params.features.iter().map(|(class, _)| *class).collect();
            Counted::on(device, &grid, settings, &classes)?
        }
        None => Counted::default(),
    };
    let case = Case::new(region, &values, &grid, settings).with(counted);
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
fn named(view: &str, class: usize, wanted: &[usize], values: &[f64]) -> Features {
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
