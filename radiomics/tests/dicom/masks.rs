//! Segmentations and contours as masks.

use std::path::{Path, PathBuf};

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use osteon_radiomics::{Geometry, Image, Mask, RadiomicsError};

use crate::objects::{bits, number, pet, rectangle, segmentation, set, structures, write, write_all};

/// A folder with the image `pet(0..4)`, and its grid.
fn image(dir: &Path) -> (PathBuf, Geometry) {
    let path = dir.join("image");
    write_all(&path, &[pet(0), pet(1), pet(2), pet(3)]);
    let grid = Image::read(&path).expect("an image").geometry;
    (path, grid)
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
