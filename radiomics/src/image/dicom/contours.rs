//! RT structure sets: closed contours filled slice by slice (DICOM PS3.3 C.8.8.5, C.8.8.6).
//!
//! A voxel belongs to a region if its centre lies inside an odd number of the region's contours of
//! its slice (even-odd rule), so a contour within a contour is a hole.

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;

use super::object::{self, Attributes};
use super::series::Headed;
use super::stack::dot;
use crate::error::RadiomicsError;
use crate::image::mask::{Chosen, Mask};
use crate::image::{Geometry, Labels};

/// Part of the distance of slices by which a contour may lie off a slice.
const OFF_SLICE: f64 = 0.25;

pub(super) fn read(
    file: &Headed,
    wanted: Option<&str>,
    frame_of_reference: Option<&str>,
    grid: &Geometry,
) -> Result<Mask, RadiomicsError> {
    let header: &Attributes = &file.header;
    let refuse = |reason: String| Err(RadiomicsError::format(&file.path, reason));
    let mut frames: BTreeMap<usize, String> = BTreeMap::new();
    let mut regions = Vec::new();
    for roi in object::items(header, tags::STRUCTURE_SET_ROI_SEQUENCE) {
        let Some(number) = object::count(roi, tags::ROI_NUMBER) else {
            return refuse("a region has no ROINumber (3006,0022)".into());
        };
        regions.push((number, object::text(roi, tags::ROI_NAME).unwrap_or_default()));
        if let Some(frame) = object::text(roi, tags::REFERENCED_FRAME_OF_REFERENCE_UID) {
            frames.insert(number, frame);
        }
    }
    let chosen = Chosen::new(&file.path, regions, wanted)?;
    let mut values = vec![0u16; grid.voxels()];
    let mut drawn = vec![false; chosen.labels.len()];
    for roi in object::items(header, tags::ROI_CONTOUR_SEQUENCE) {
        let number = object::count(roi, tags::REFERENCED_ROI_NUMBER).unwrap_or(usize::MAX);
        let Some(&label) = chosen.labels.get(&number) else { continue };
        let name = &chosen.names[&label];
        if let (Some(own), Some(image)) = (frames.get(&number), frame_of_reference)
            && own != image
        {
            return refuse(format!(
                "region \"{name}\" lies in frame of reference {own}, the image in {image}"
            ));
        }
        for (z, polygons) in polygons(file, name, roi, grid)? {
            drawn[usize::from(label) - 1] = true;
            for voxel in filled(&polygons, [grid.size[0], grid.size[1]]) {
                let at = &mut values[z * grid.size[0] * grid.size[1] + voxel];
                if *at != 0 && *at != label {
                    return Err(chosen.overlap(&file.path, *at, label));
                }
                *at = label;
            }
        }
    }
    if let (Some(wanted), false) = (wanted, drawn.contains(&true)) {
        return refuse(format!("region \"{wanted}\" has no closed contour"));
    }
    let labels = Labels { geometry: grid.clone(), values };
    Ok(Mask { labels, names: chosen.names })
}

/// Points as columns and rows, centres at whole numbers.
type Polygon = Vec<[f64; 2]>;

/// The closed contours of a region by slice.
fn polygons(
    file: &Headed,
    name: &str,
    roi: &Attributes,
    grid: &Geometry,
) -> Result<BTreeMap<usize, Vec<Polygon>>, RadiomicsError> {
    let refuse =
        |reason: String| Err(RadiomicsError::format(&file.path, format!("region \"{name}\" {reason}")));
    let mut by_slice: BTreeMap<usize, Vec<Polygon>> = BTreeMap::new();
    for contour in object::items(roi, tags::CONTOUR_SEQUENCE) {
        // Points and open lines bound no area.
        let kind = object::text(contour, tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
        if !matches!(kind.as_str(), "CLOSED_PLANAR" | "CLOSEDPLANAR_XOR") {
            continue;
        }
        let data = object::numbers(contour, tags::CONTOUR_DATA).unwrap_or_default();
        if !data.len().is_multiple_of(3) || data.len() < 9 {
            return refuse(format!("has a contour of {} coordinates", data.len()));
        }
        let places: Vec<[f64; 3]> = data.chunks_exact(3).map(|p| index(grid, [p[0], p[1], p[2]])).collect();
        let mean = places.iter().map(|p| p[2]).sum::<f64>() / places.len() as f64;
        let z = mean.round();
        if let Some(p) = places.iter().find(|p| (p[2] - z).abs() > OFF_SLICE) {
            return refuse(format!(
                "has a contour {:.2} mm off the nearest slice (slices are {:.2} mm apart): it was drawn on \
                 another series; read it with that one and resample the mask",
                (p[2] - z).abs() * grid.spacing[2],
                grid.spacing[2]
            ));
        }
        if !(0.0..grid.size[2] as f64).contains(&z) {
            return refuse(format!("has a contour at slice {z} of an image of {}", grid.size[2]));
        }
        by_slice.entry(z as usize).or_default().push(places.iter().map(|p| [p[0], p[1]]).collect());
    }
    Ok(by_slice)
}

/// A point in mm as an index of the grid.
fn index(grid: &Geometry, point: [f64; 3]) -> [f64; 3] {
    let away: [f64; 3] = std::array::from_fn(|k| point[k] - grid.origin[k]);
    std::array::from_fn(|k| dot(away, grid.direction[k]) / grid.spacing[k])
}

/// The pixels of a slice whose centres lie inside an odd number of polygons.
fn filled(polygons: &[Polygon], size: [usize; 2]) -> Vec<usize> {
    let mut inside = Vec::new();
    let ys = polygons.iter().flatten().map(|p| p[1]);
    let (low, high) = ys.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), y| (a.min(y), b.max(y)));
    let last = high.floor().min(size[1] as f64 - 1.0);
    let mut y = low.ceil().max(0.0);
    while y <= last {
        let mut crossings = Vec::new();
        for polygon in polygons {
            for (k, a) in polygon.iter().enumerate() {
                let b = &polygon[(k + 1) % polygon.len()];
                // Half open, so that a corner on the row counts once.
                if (a[1] <= y) != (b[1] <= y) {
                    crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
                }
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let (from, to) = (pair[0].ceil().max(0.0), pair[1].ceil().min(size[0] as f64));
            inside.extend((from as usize..to.max(from) as usize).map(|x| y as usize * size[0] + x));
        }
        y += 1.0;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(low: f64, high: f64) -> Polygon {
        vec![[low, low], [high, low], [high, high], [low, high]]
    }

    #[test]
    fn a_contour_within_a_contour_is_a_hole() {
        let found = filled(&[square(0.5, 5.5), square(2.5, 3.5)], [7, 7]);
        let wanted = (1..=5).flat_map(|y| (1..=5).map(move |x| (x, y))).filter(|&p| p != (3, 3));
        assert_eq!(found, wanted.map(|(x, y)| y * 7 + x).collect::<Vec<_>>());
    }

    #[test]
    fn a_contour_beyond_the_image_is_cut() {
        assert_eq!(filled(&[square(-5.0, 1.5)], [3, 2]), [0, 1, 3, 4]);
        assert_eq!(filled(&[square(-5.0, -1.5)], [3, 2]), [0; 0]);
    }

    #[test]
    fn a_corner_on_a_row_counts_once() {
        let diamond = vec![[2.0, 0.0], [4.5, 2.0], [2.0, 4.0], [-0.5, 2.0]];
        let found = filled(&[diamond], [5, 5]);
        assert_eq!(found.iter().filter(|k| **k / 5 == 2).count(), 5);
    }
}
