//! Segmentations and contours as masks.

use std::path::{Path, PathBuf};

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use osteon_radiomics::{Geometry, Image, Mask, RadiomicsError};

use crate::objects::{Attributes, STEP, group, item, number, pet, sequence, set, write, write_all};

/// A folder with the image `pet(0..4)`, and its grid.
fn image(dir: &Path) -> (PathBuf, Geometry) {
    let path = dir.join("image");
    write_all(&path, &[pet(0), pet(1), pet(2), pet(3)]);
    let grid = Image::read(&path).expect("an image").geometry;
    (path, grid)
}

/// A SEG whose frames are (segment, slice); segments 1 "liver" and 2 "spleen".
fn segmentation(frames: &[(usize, f64)]) -> Attributes {
    let mut all = pet(0);
    all.remove_element(tags::RESCALE_SLOPE);
    all.remove_element(tags::RESCALE_INTERCEPT);
    set(&mut all, tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE);
    set(&mut all, tags::MODALITY, VR::CS, "SEG");
    set(&mut all, tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
    let segment = |n: usize, name: &str| {
        let mut s = item(&[(tags::SEGMENT_LABEL, VR::LO, name)]);
        number(&mut s, tags::SEGMENT_NUMBER, n);
        s
    };
    sequence(&mut all, tags::SEGMENT_SEQUENCE, vec![segment(1, "liver"), segment(2, "spleen")]);
    let frame = |&(segment, slice): &(usize, f64)| {
        let z = format!("-10\\-20\\{}", 5.0 + STEP * slice);
        let mut f = group(tags::PLANE_POSITION_SEQUENCE, item(&[(tags::IMAGE_POSITION_PATIENT, VR::DS, &z)]));
        let mut id = Attributes::new_empty();
        number(&mut id, tags::REFERENCED_SEGMENT_NUMBER, segment);
        sequence(&mut f, tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![id]);
        f
    };
    sequence(&mut all, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.iter().map(frame).collect());
    set(&mut all, tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string());
    for tag in [tags::BITS_ALLOCATED, tags::BITS_STORED] {
        number(&mut all, tag, 1);
    }
    number(&mut all, tags::HIGH_BIT, 0);
    all
}

/// Packs the voxels that are set, by frame, the lowest bit of a byte first.
fn bits(to: &mut Attributes, frames: usize, voxels: &[usize]) {
    let mut bytes = vec![0u8; (frames * 12).div_ceil(16) * 2];
    voxels.iter().for_each(|v| bytes[v / 8] |= 1 << (v % 8));
    to.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
}

#[test]
fn segments_become_labels_with_names_on_the_grid_of_the_image() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (image, grid) = image(dir.path());
    let mut seg = segmentation(&[(2, 3.0), (1, 1.0), (2, 1.0)]);
    // Voxel 11 of slice 3, voxels 0 and 1 of slice 1, voxel 2 of slice 1.
    bits(&mut seg, 3, &[11, 12, 13, 24 + 2]);
    let path = dir.path().join("seg.dcm");
    write(&path, &seg);
    let mask = Mask::read(&path, &image, &grid).expect("a mask");
    assert_eq!(mask.labels.geometry, grid);
    let names: Vec<_> = mask.names.iter().map(|(k, n)| (*k, n.as_str())).collect();
    assert_eq!(names, [(1, "liver"), (2, "spleen")]);
    let set: Vec<_> = mask.labels.values.iter().enumerate().filter(|(_, l)| **l > 0).collect();
    assert_eq!(set, [(12, &1), (13, &1), (14, &2), (47, &2)]);

    let spleen = Mask::read(&dir.path().join("seg.dcm#spleen"), &image, &grid).expect("a mask");
    let set: Vec<_> = spleen.labels.values.iter().enumerate().filter(|(_, l)| **l > 0).collect();
    assert_eq!(set, [(14, &1), (47, &1)]);
    let text =
        Mask::read(&dir.path().join("seg.dcm#kidney"), &image, &grid).expect_err("no kidney").to_string();
    assert!(text.contains("no region \"kidney\"") && text.contains("liver, spleen"), "{text}");

    bits(&mut seg, 3, &[12, 24]);
    write(&path, &seg);
    let text = Mask::read(&path, &image, &grid).expect_err("two segments share a voxel").to_string();
    assert!(text.contains("\"liver\" and \"spleen\" overlap") && text.contains("#liver"), "{text}");
}

#[test]
fn a_segmentation_off_the_grid_of_the_image_keeps_its_own() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (image, grid) = image(dir.path());
    let mut seg = segmentation(&[(1, 0.5), (1, 1.5), (1, 3.5)]);
    bits(&mut seg, 3, &[0, 12, 24]);
    let path = dir.path().join("seg.dcm");
    write(&path, &seg);
    let labels = Mask::read(&path, &image, &grid).expect("a mask").labels;
    assert_eq!((labels.geometry.size, labels.geometry.origin), ([4, 3, 4], [-10.0, -20.0, 6.5]));
    // The place without a frame is empty.
    let set: Vec<_> = (0..48).filter(|&k| labels.values[k] > 0).collect();
    assert_eq!(set, [0, 12, 36]);
}

#[test]
fn half_of_the_maximum_is_a_member() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (image, grid) = image(dir.path());
    let mut seg = segmentation(&[(1, 0.0)]);
    set(&mut seg, tags::SEGMENTATION_TYPE, VR::CS, "FRACTIONAL");
    for tag in [tags::BITS_ALLOCATED, tags::BITS_STORED] {
        number(&mut seg, tag, 8);
    }
    number(&mut seg, tags::HIGH_BIT, 7);
    number(&mut seg, tags::MAXIMUM_FRACTIONAL_VALUE, 200);
    let mut bytes = vec![0u8; 12];
    bytes[3..6].copy_from_slice(&[99, 100, 200]);
    seg.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
    let path = dir.path().join("seg.dcm");
    write(&path, &seg);
    let labels = Mask::read(&path, &image, &grid).expect("a mask").labels;
    assert_eq!((0..48).filter(|&k| labels.values[k] > 0).collect::<Vec<_>>(), [4, 5]);
}

/// A structure set of regions (number, name, contours in mm).
fn structures(frame: &str, regions: &[(usize, &str, Vec<String>)]) -> Attributes {
    let mut all = Attributes::new_empty();
    set(&mut all, tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE);
    set(&mut all, tags::SOP_INSTANCE_UID, VR::UI, "1.2.9");
    set(&mut all, tags::MODALITY, VR::CS, "RTSTRUCT");
    let named = |(n, name, _): &(usize, &str, Vec<String>)| {
        item(&[
            (tags::ROI_NUMBER, VR::IS, &n.to_string()),
            (tags::ROI_NAME, VR::LO, name),
            (tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, frame),
        ])
    };
    sequence(&mut all, tags::STRUCTURE_SET_ROI_SEQUENCE, regions.iter().map(named).collect());
    let drawn = |(n, _, contours): &(usize, &str, Vec<String>)| {
        let mut roi = item(&[(tags::REFERENCED_ROI_NUMBER, VR::IS, &n.to_string())]);
        let contour = |data: &String| {
            item(&[
                (tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
                (tags::CONTOUR_DATA, VR::DS, data),
            ])
        };
        sequence(&mut roi, tags::CONTOUR_SEQUENCE, contours.iter().map(contour).collect());
        roi
    };
    sequence(&mut all, tags::ROI_CONTOUR_SEQUENCE, regions.iter().map(drawn).collect());
    all
}

/// A rectangle round the pixels `x0..=x1`, `y0..=y1` of a slice.
fn rectangle([x0, x1]: [f64; 2], [y0, y1]: [f64; 2], slice: f64) -> String {
    let (left, right) = (-10.0 + 2.0 * (x0 - 0.4), -10.0 + 2.0 * (x1 + 0.4));
    let (top, bottom) = (-20.0 + 2.5 * (y0 - 0.4), -20.0 + 2.5 * (y1 + 0.4));
    let z = 5.0 + STEP * slice;
    format!("{left}\\{top}\\{z}\\{right}\\{top}\\{z}\\{right}\\{bottom}\\{z}\\{left}\\{bottom}\\{z}")
}

#[test]
fn contours_fill_slices_with_holes_and_names() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (image, grid) = image(dir.path());
    let ring = vec![rectangle([0.0, 2.0], [0.0, 2.0], 1.0), rectangle([1.0, 1.0], [1.0, 1.0], 1.0)];
    let corner = vec![rectangle([3.0, 3.0], [2.0, 2.0], 2.0)];
    let path = dir.path().join("rs.dcm");
    write(&path, &structures("1.2.300", &[(7, "ring", ring), (3, "corner", corner)]));
    let mask = Mask::read(&path, &image, &grid).expect("a mask");
    let names: Vec<_> = mask.names.iter().map(|(k, n)| (*k, n.as_str())).collect();
    assert_eq!(names, [(1, "corner"), (2, "ring")]);
    let of = |label: u16| (0..48).filter(|&k| mask.labels.values[k] == label).collect::<Vec<_>>();
    assert_eq!(of(2), [12, 13, 14, 16, 18, 20, 21, 22]);
    assert_eq!(of(1), [24 + 11]);
}

#[test]
fn contours_of_another_frame_or_between_slices_are_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (image, grid) = image(dir.path());
    let path = dir.path().join("rs.dcm");
    let refused = |frame: &str, contours: Vec<String>| {
        write(&path, &structures(frame, &[(1, "a", contours)]));
        match Mask::read(&path, &image, &grid) {
            Err(e @ RadiomicsError::Format { .. }) => e.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let inside = rectangle([0.0, 1.0], [0.0, 1.0], 1.0);
    let text = refused("1.2.999", vec![inside]);
    assert!(text.contains("frame of reference 1.2.999, the image in 1.2.300"), "{text}");
    let text = refused("1.2.300", vec![rectangle([0.0, 1.0], [0.0, 1.0], 1.4)]);
    assert!(text.contains("1.20 mm off the nearest slice"), "{text}");
    let text = refused("1.2.300", vec![rectangle([0.0, 1.0], [0.0, 1.0], 9.0)]);
    assert!(text.contains("slice 9 of an image of 4"), "{text}");
    let text = refused("1.2.300", vec!["1\\2\\3\\4".into()]);
    assert!(text.contains("4 coordinates"), "{text}");
}
