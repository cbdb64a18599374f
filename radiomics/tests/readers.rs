//! Files that are cut off or are no volume, and voxels that are no numbers.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use osteon_radiomics::{Geometry, Image, Labels, Params, RadiomicsError, Samples, Selection, extract};

/// A NIfTI-1 file of 16-bit voxels 0, 1, 2, ... with a fourth dimension of `times`.
fn nifti(size: [u16; 3], times: u16) -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    bytes[0..4].copy_from_slice(&348i32.to_le_bytes());
    let dims = [4, size[0], size[1], size[2], times, 1, 1, 1];
    for (k, n) in dims.iter().enumerate() {
        bytes[40 + 2 * k..42 + 2 * k].copy_from_slice(&n.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&4i16.to_le_bytes());
    for k in 1..4 {
        bytes[76 + 4 * k..80 + 4 * k].copy_from_slice(&(k as f32).to_le_bytes());
    }
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    let voxels = size.iter().product::<u16>() * times;
    (0..voxels).for_each(|v| bytes.extend(v.to_le_bytes()));
    bytes
}

fn gzip(path: &Path, bytes: &[u8], keep: usize) {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).expect("packed");
    let packed = packed.finish().expect("packed");
    fs::write(path, &packed[..packed.len().min(keep)]).expect("a file");
}

#[test]
fn a_whole_file_is_read_and_a_cut_one_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.nii.gz");
    let bytes = nifti([30, 20, 10], 1);
    gzip(&path, &bytes, usize::MAX);
    let image = Image::read(&path).expect("an image");
    assert_eq!((image.geometry.size, image.geometry.spacing), ([30, 20, 10], [1.0, 2.0, 3.0]));
    assert_eq!((image.samples.len(), image.samples.get(5999)), (6000, 5999.0));

    gzip(&path, &bytes, 4000);
    match Image::read(&path) {
        Err(RadiomicsError::Truncated { expected: 12000, found, .. }) => assert!(found < 12000),
        other => panic!("{other:?}"),
    }
    gzip(&path, &bytes[..5000], usize::MAX);
    assert!(matches!(Image::read(&path), Err(RadiomicsError::Truncated { found: 4648, .. })));
}

#[test]
fn a_series_of_volumes_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.nii");
    fs::write(&path, nifti([3, 2, 2], 2)).expect("a file");
    let text = Image::read(&path).expect_err("four dimensions").to_string();
    assert!(text.contains("4-dimensional"), "{text}");
    fs::write(&path, b"no image").expect("a file");
    assert!(Image::read(&path).is_err());
}

#[test]
fn an_image_that_lies_nowhere_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.nii");
    let mut bytes = nifti([3, 2, 2], 1);
    bytes[254..256].copy_from_slice(&1i16.to_le_bytes());
    for k in 0..3 {
        bytes[280 + 20 * k..284 + 20 * k].copy_from_slice(&1f32.to_le_bytes());
    }
    fs::write(&path, &bytes).expect("a file");
    assert!(Image::read(&path).is_ok());
    bytes[292..296].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &bytes).expect("a file");
    let text = Image::read(&path).expect_err("an origin that is no number").to_string();
    assert!(text.contains("its first voxel lies at [NaN, "), "{text}");
}

#[test]
fn a_header_may_not_name_a_device_for_its_voxels() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.nhdr");
    let header = |file: &str| {
        format!("NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 1\nencoding: raw\ndata file: {file}\n\n")
    };
    fs::write(&path, header("a.raw")).expect("a file");
    fs::write(dir.path().join("a.raw"), [1, 2]).expect("a file");
    assert_eq!(Image::read(&path).expect("an image").samples.get(1), 2.0);
    fs::write(&path, header("/dev/null")).expect("a file");
    let text = Image::read(&path).expect_err("a device").to_string();
    assert!(text.contains("/dev/null") && text.contains("not a file"), "{text}");
}

#[test]
fn a_voxel_that_is_no_number_is_named_by_its_index() {
    let geometry = Geometry::aligned([4, 4, 4], [1.0; 3]);
    let mut values: Vec<f32> = (0..64u8).map(f32::from).collect();
    values[1 + 4 * 2 + 16 * 3] = f32::NAN;
    let image = Image { geometry: geometry.clone(), samples: Samples::F32(values) };
    let rows = |labels: Vec<u16>| {
        let labels = Labels { geometry: geometry.clone(), values: labels };
        extract(&image, &labels, &Selection::single(1), &Params::default()).expect("regions").remove(0)
    };
    match rows(vec![1; 64]) {
        Err(RadiomicsError::Voxel { index, .. }) => assert_eq!(index, [1, 2, 3]),
        other => panic!("{other:?}"),
    }
    // Outside the region it does no harm.
    let outside = rows((0..64).map(|k| u16::from(k < 48)).collect()).expect("features");
    assert!(outside.features.iter().all(|(_, x)| x.is_finite()));
}
