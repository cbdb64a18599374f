//! DICOM images: a folder of slices, or enhanced multi-frame objects.
//!
//! | file | what it knows |
//! |---|---|
//! | `object` | one file as a tree of attributes |
//! | `lengths` | that a file holds what it claims |
//! | `series` | the files of a folder |
//! | `slices` | place and rescaling of a slice |
//! | `stack` | order of the slices, the grid they make |
//! | `pixels` | stored values |
//! | `segmentation`, `contours` | masks (SEG, RTSTRUCT) |

mod contours;
mod lengths;
pub(crate) mod object;
mod pixels;
mod segmentation;
pub(crate) mod series;
pub(crate) mod slices;
pub(crate) mod stack;

use std::path::Path;
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use dicom_object::DefaultDicomObject;
use rayon::prelude::*;

use self::object::Extent;
use self::pixels::Frames;
use self::series::Headed;
use self::slices::Slice;
use self::stack::Stack;
use super::mask::Mask;
use super::{Geometry, Image, Samples};
use crate::error::RadiomicsError;

/// Whether a path is read here: a folder, a folder and a series, or a DICOM file.
pub(crate) fn is_ours(path: &Path) -> bool {
    let (path, _) = series::split(path);
    path.is_dir() || object::is_dicom(&path)
}

/// The files of `FOLDER`, `FOLDER#SERIES` or a single file.
fn files(path: &Path) -> Result<Vec<Headed>, RadiomicsError> {
    let (place, wanted) = series::split(path);
    if place.is_dir() { series::choose(&place, wanted.as_deref()) } else { Ok(vec![Headed::read(&place)?]) }
}

/// The header of one of the files of a series; `None` if there is none.
pub(crate) fn first_header(path: &Path) -> Option<Arc<DefaultDicomObject>> {
    files(path).ok()?.into_iter().next().map(|f| f.header)
}

/// The slices of `FOLDER`, `FOLDER#SERIES` or a single file, in order.
pub(crate) fn stack(path: &Path) -> Result<Stack, RadiomicsError> {
    let files = files(path)?;
    if let Some(mask) = files.iter().find(|f| !f.is_image()) {
        return Err(RadiomicsError::format(&mask.path, "a mask or a document, not an image"));
    }
    let slices: Vec<Vec<Slice>> = files.par_iter().map(slices::of).collect::<Result<_, _>>()?;
    Stack::new(path, slices.concat())
}

/// Reads an image.
pub(super) fn read(path: &Path) -> Result<Image, RadiomicsError> {
    values(&stack(path)?, |_| 1.0)
}

/// The values of a stack: stored values rescaled and multiplied by a factor of each slice. They
/// are integers if all slices rescale by integers, else double precision.
pub(crate) fn values(stack: &Stack, factor: impl Fn(&Slice) -> f64 + Sync) -> Result<Image, RadiomicsError> {
    let mut files: Vec<(&Headed, Vec<usize>)> = Vec::new();
    let mut order: Vec<usize> = (0..stack.slices.len()).collect();
    order.sort_by(|&a, &b| stack.slices[a].file.path.cmp(&stack.slices[b].file.path));
    for k in order {
        let file = &stack.slices[k].file;
        match files.last_mut() {
            Some((last, own)) if last.path == file.path => own.push(k),
            _ => files.push((file, vec![k])),
        }
    }
    let read = |(file, own): &(&Headed, Vec<usize>)| {
        let object = object::open(&file.path, Extent::Whole)?;
        let frames = Frames::new(&file.path, &object, stack.slices[own[0]].size, slices::frames(file)?)?;
        own.par_iter()
            .map(|&k| Ok((k, rescaled(&frames.stored(stack.slices[k].frame)?, &stack.slices[k], &factor))))
            .collect::<Result<Vec<_>, RadiomicsError>>()
    };
    let mut parts: Vec<(usize, Samples)> =
        files.par_iter().map(read).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    parts.sort_by_key(|(k, _)| *k);
    let whole = parts.iter().all(|(_, s)| matches!(s, Samples::I16(_)));
    let samples = if whole {
        let short = |(_, s)| if let Samples::I16(v) = s { v } else { Vec::new() };
        Samples::I16(parts.into_iter().flat_map(short).collect())
    } else {
        let long = |(_, s): (usize, Samples)| (0..s.len()).map(move |k| s.get(k));
        Samples::F64(parts.into_iter().flat_map(long).collect())
    };
    Ok(Image { geometry: stack.geometry.clone(), samples })
}

/// The values of one slice.
fn rescaled(stored: &[i64], slice: &Slice, factor: impl Fn(&Slice) -> f64) -> Samples {
    let (slope, intercept, factor) = (slice.slope, slice.intercept, factor(slice));
    let value = |s: i64| (s as f64 * slope + intercept) * factor;
    if factor == 1.0 && slope.fract() == 0.0 && intercept.fract() == 0.0 {
        let short = |&s: &i64| {
            let x = value(s);
            (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&x).then_some(x as i16)
        };
        if let Some(all) = stored.iter().map(short).collect() {
            return Samples::I16(all);
        }
    }
    Samples::F64(stored.iter().map(|&s| value(s)).collect())
}

/// The frame of reference of a DICOM image; `None` for other images.
fn frame_of_reference(path: &Path) -> Result<Option<String>, RadiomicsError> {
    if !is_ours(path) {
        return Ok(None);
    }
    Ok(files(path)?.first().and_then(|f| object::text(&f.header, tags::FRAME_OF_REFERENCE_UID)))
}

/// Reads the mask of an image from a SEG or RTSTRUCT file, `FILE` or `FILE#REGION`; `None` if the
/// path is neither.
pub(super) fn mask(path: &Path, image: &Path, grid: &Geometry) -> Result<Option<Mask>, RadiomicsError> {
    let (file, region) = series::split(path);
    if !file.is_file() || !object::is_dicom(&file) {
        return Ok(None);
    }
    let file = Headed::read(&file)?;
    let frame = frame_of_reference(image)?;
    match file.class().as_str() {
        uids::SEGMENTATION_STORAGE => {
            segmentation::read(&file, region.as_deref(), frame.as_deref(), grid).map(Some)
        }
        uids::RT_STRUCTURE_SET_STORAGE => {
            contours::read(&file, region.as_deref(), frame.as_deref(), grid).map(Some)
        }
        _ => Ok(None),
    }
}
