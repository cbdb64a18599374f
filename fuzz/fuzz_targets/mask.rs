//! Any bytes after a DICOM preamble are the mask of an image (SEG, RTSTRUCT or an image), or an error.
#![no_main]

mod file;

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use osteon_radiomics::{Geometry, Mask};

fuzz_target!(|bytes: &[u8]| {
    let path = file::file("dcm", &[&[0; 128][..], b"DICM", bytes].concat());
    // That of the seeds.
    let mut grid = Geometry::aligned([4, 3, 4], [2.0, 2.5, 3.0]);
    grid.origin = [-10.0, -20.0, 5.0];
    match Mask::read(&path, Path::new("image.nii"), &grid) {
        Ok(mask) => assert_eq!(mask.labels.values.len(), mask.labels.geometry.voxels()),
        Err(e) => assert!(e.to_string().contains("osteon-fuzz")),
    }
});
