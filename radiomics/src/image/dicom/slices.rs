//! Slices: one per file, or one per frame of an enhanced object (DICOM PS3.3 C.7.6.2, C.7.6.16).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::object::{self, Attributes, functional};
use super::series::Headed;
use crate::error::RadiomicsError;

/// Where a slice is and what its numbers mean.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// Its file.
    pub file: Headed,
    /// Its frame within the file, from 0.
    pub frame: usize,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Distance of columns and of rows, in mm.
    pub spacing: [f64; 2],
    /// Distance to the next slice as the header has it, in mm.
    pub step: Option<f64>,
    /// Centre of the first pixel (left, posterior, superior; mm).
    pub position: [f64; 3],
    /// Unit vectors along a row (x) and along a column (y).
    pub axes: [[f64; 3]; 2],
    /// What a stored value is multiplied by.
    pub slope: f64,
    /// What is then added.
    pub intercept: f64,
}

/// The slices of a file.
pub(crate) fn of(file: &Headed) -> Result<Vec<Slice>, RadiomicsError> {
    let header: &Attributes = &file.header;
    let frames = frames(file)?;
    if frames > 1 && header.get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).is_none() {
        let reason = format!("{frames} frames without functional groups that would say where they are");
        return Err(RadiomicsError::format(&file.path, reason));
    }
    (0..frames).map(|frame| slice(file, frame)).collect()
}

/// Number of frames, which the functional groups must agree with.
pub(super) fn frames(file: &Headed) -> Result<usize, RadiomicsError> {
    let header: &Attributes = &file.header;
    let frames = match header.get(tags::NUMBER_OF_FRAMES) {
        Some(_) => object::count(header, tags::NUMBER_OF_FRAMES).filter(|n| *n > 0),
        None => Some(1),
    };
    let groups = object::items(header, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len();
    match frames {
        Some(n) if groups == 0 || groups == n => Ok(n),
        other => {
            let reason = format!("NumberOfFrames is {other:?}, and {groups} frames are described");
            Err(RadiomicsError::format(&file.path, reason))
        }
    }
}

fn slice(file: &Headed, frame: usize) -> Result<Slice, RadiomicsError> {
    let header: &Attributes = &file.header;
    // An enhanced object holds these in functional groups, others at the top.
    let within = |group: Tag| functional(header, frame, group).unwrap_or(header);
    let missing = |name: &str, tag: Tag| {
        let of = if frame > 0 { format!(" of frame {}", frame + 1) } else { String::new() };
        let reason = format!("{name} {tag}{of} is missing or malformed: where the slice lies is unknown");
        RadiomicsError::format(&file.path, reason)
    };
    let size = [object::count(header, tags::COLUMNS), object::count(header, tags::ROWS)];
    let [Some(columns), Some(rows)] = size.map(|n| n.filter(|n| *n > 0)) else {
        return Err(missing("Rows or Columns", tags::ROWS));
    };
    let measures = within(tags::PIXEL_MEASURES_SEQUENCE);
    let [between_rows, between_columns] = object::vector::<2>(measures, tags::PIXEL_SPACING)
        .filter(|s| s.iter().all(|x| *x > 0.0))
        .ok_or_else(|| missing("PixelSpacing", tags::PIXEL_SPACING))?;
    let position = within(tags::PLANE_POSITION_SEQUENCE);
    let position = object::vector::<3>(position, tags::IMAGE_POSITION_PATIENT)
        .ok_or_else(|| missing("ImagePositionPatient", tags::IMAGE_POSITION_PATIENT))?;
    let orientation = within(tags::PLANE_ORIENTATION_SEQUENCE);
    let [a, b, c, d, e, f] = object::vector::<6>(orientation, tags::IMAGE_ORIENTATION_PATIENT)
        .ok_or_else(|| missing("ImageOrientationPatient", tags::IMAGE_ORIENTATION_PATIENT))?;
    let rescale = within(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
    // An enhanced object without that may tell what its values are by a map alone.
    let map = functional(header, frame, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)
        .filter(|_| rescale.get(tags::RESCALE_SLOPE).is_none());
    let (rescale, names) = match map {
        Some(map) => (map, [tags::REAL_WORLD_VALUE_SLOPE, tags::REAL_WORLD_VALUE_INTERCEPT]),
        None => (rescale, [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT]),
    };
    let read = |tag: Tag, none: f64| match rescale.get(tag) {
        None => Some(none),
        Some(_) => object::number(rescale, tag),
    };
    let (slope, intercept) = (read(names[0], 1.0), read(names[1], 0.0));
    let slope = slope.filter(|s| *s != 0.0);
    let (Some(slope), Some(intercept)) = (slope, intercept) else {
        return Err(RadiomicsError::format(
            &file.path,
            "RescaleSlope or RescaleIntercept is no usable number",
        ));
    };
    let step = object::number(measures, tags::SPACING_BETWEEN_SLICES)
        .or_else(|| object::number(measures, tags::SLICE_THICKNESS));
    Ok(Slice {
        file: file.clone(),
        frame,
        size: [columns, rows],
        spacing: [between_columns, between_rows],
        step: step.map(f64::abs).filter(|s| *s > 0.0),
        position,
        axes: [[a, b, c], [d, e, f]],
        slope,
        intercept,
    })
}
