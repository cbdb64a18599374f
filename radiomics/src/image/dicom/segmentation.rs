//! DICOM segmentations, binary and fractional (PS3.3 C.8.20).

use dicom_dictionary_std::tags;

use super::object::{self, Attributes, Extent, functional};
use super::pixels::Frames;
use super::series::Headed;
use super::slices::{self, Slice};
use super::stack::{cross, dot, unit};
use crate::error::RadiomicsError;
use crate::image::mask::{Chosen, Mask};
use crate::image::{Geometry, Labels};

/// Part of the maximum from which a voxel of a fractional segment belongs to it.
const MEMBER: f64 = 0.5;
/// Most voxels of a grid that its frames may leave empty for the most part: 2000 slices of 512 x 512.
const MOST_VOXELS: f64 = 536_870_912.0;
/// Distance in mm that is rounding.
const ROUNDING: f64 = 0.02;

pub(super) fn read(
    file: &Headed,
    wanted: Option<&str>,
    frame_of_reference: Option<&str>,
    grid: &Geometry,
) -> Result<Mask, RadiomicsError> {
    let header: &Attributes = &file.header;
    let refuse = |reason: String| Err(RadiomicsError::format(&file.path, reason));
    let own = object::text(header, tags::FRAME_OF_REFERENCE_UID);
    if let (Some(own), Some(image)) = (&own, frame_of_reference)
        && own != image
    {
        return refuse(format!("it lies in frame of reference {own}, the image in {image}"));
    }
    let threshold = match object::text(header, tags::SEGMENTATION_TYPE).as_deref() {
        Some("BINARY") => 1.0,
        Some("FRACTIONAL") => match object::number(header, tags::MAXIMUM_FRACTIONAL_VALUE) {
            Some(most) if most > 0.0 => MEMBER * most,
            _ => return refuse("MaximumFractionalValue (0062,000E) is missing".into()),
        },
        other => return refuse(format!("SegmentationType {other:?}; BINARY and FRACTIONAL are read")),
    };
    let regions = object::items(header, tags::SEGMENT_SEQUENCE).iter().filter_map(|s| {
        let name = object::text(s, tags::SEGMENT_LABEL).unwrap_or_default();
        Some((object::count(s, tags::SEGMENT_NUMBER)?, name))
    });
    let chosen = Chosen::new(&file.path, regions.collect(), wanted)?;
    let frames = slices::of(file)?;
    let mut members: Vec<(u16, &Slice)> = Vec::new();
    for slice in &frames {
        let segment = functional(header, slice.frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
            .and_then(|s| object::count(s, tags::REFERENCED_SEGMENT_NUMBER));
        match segment {
            Some(number) => members.extend(chosen.labels.get(&number).map(|label| (*label, slice))),
            None => return refuse(format!("frame {} belongs to no segment", slice.frame + 1)),
        }
    }
    let geometry =
        if frames.iter().all(|s| level(grid, s).is_some()) { grid.clone() } else { own_grid(file, &frames)? };
    let whole = object::open(&file.path, Extent::Whole)?;
    let stored = Frames::new(&file.path, &whole, frames[0].size, frames.len())?;
    let mut values = vec![0; geometry.voxels()];
    for (label, slice) in members {
        let Some(z) = level(&geometry, slice) else {
            return refuse(format!(
                "frame {} lies at {:?} mm, off its grid",
                slice.frame + 1,
                slice.position
            ));
        };
        let plane = geometry.size[0] * geometry.size[1];
        let plane = &mut values[z * plane..(z + 1) * plane];
        for (voxel, value) in plane.iter_mut().zip(stored.stored(slice.frame)?) {
            if value as f64 >= threshold {
                if *voxel != 0 && *voxel != label {
                    return Err(chosen.overlap(&file.path, *voxel, label));
                }
                *voxel = label;
            }
        }
    }
    Ok(Mask { labels: Labels { geometry, values }, names: chosen.names })
}

/// The slice of a grid that a frame is, if it is one.
fn level(grid: &Geometry, slice: &Slice) -> Option<usize> {
    let near = |a: f64, b: f64, most: f64| (a - b).abs() <= most;
    let same = slice.size == [grid.size[0], grid.size[1]]
        && (0..2).all(|k| near(slice.spacing[k], grid.spacing[k], 1e-3 * grid.spacing[k]))
        && (0..6).all(|k| near(slice.axes[k / 3][k % 3], grid.direction[k / 3][k % 3], 1e-3));
    let away: [f64; 3] = std::array::from_fn(|k| slice.position[k] - grid.origin[k]);
    let z = (dot(away, grid.direction[2]) / grid.spacing[2]).round();
    let on = (0..3).all(|k| near(away[k], z * grid.spacing[2] * grid.direction[2][k], ROUNDING));
    (same && on && (0.0..grid.size[2] as f64).contains(&z)).then_some(z as usize)
}

/// The grid of the frames: several lie at one place, and places without a segment may be left out.
fn own_grid(file: &Headed, frames: &[Slice]) -> Result<Geometry, RadiomicsError> {
    let first = &frames[0];
    let normal = unit(cross(first.axes[0], first.axes[1]));
    let mut places: Vec<(f64, [f64; 3])> =
        frames.iter().map(|s| (dot(normal, s.position), s.position)).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let least = places.windows(2).map(|w| w[1].0 - w[0].0).filter(|gap| *gap > ROUNDING);
    let Some(step) = least.min_by(f64::total_cmp).or(first.step) else {
        return Err(RadiomicsError::format(&file.path, "a single place without SliceThickness"));
    };
    let (low, high) = (places[0], places[places.len() - 1]);
    let count = ((high.0 - low.0) / step).round();
    // A few wrong bytes must not ask for gigabytes.
    let frame = first.size[0] as f64 * first.size[1] as f64;
    if !(0.0..1e4).contains(&count) || (count + 1.0) * frame > MOST_VOXELS {
        let reason = format!("frames {step:.3} mm apart from {:.3} to {:.3} mm", low.0, high.0);
        return Err(RadiomicsError::format(&file.path, reason));
    }
    Ok(Geometry {
        size: [first.size[0], first.size[1], count as usize + 1],
        spacing: [first.spacing[0], first.spacing[1], step],
        origin: low.1,
        direction: [unit(first.axes[0]), unit(first.axes[1]), normal],
    })
}
