//! Any bytes after a DICOM preamble are an image or an error that names the file; the same bytes as a
//! mask and as a PET series too.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use osteon_radiomics::{Geometry, Image, Mask, Suv};

fuzz_target!(|bytes: &[u8]| {
    // Kept in memory where the system has such a folder.
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let path = folder.join(format!("osteon-fuzz-{}.dcm", std::process::id()));
    let file = [&[0; 128][..], b"DICM", bytes].concat();
    fs::write(&path, file).expect("a file");
    match Image::read(&path) {
        Ok(image) => assert_eq!(image.samples.len(), image.geometry.voxels()),
        Err(e) => assert!(e.to_string().contains("osteon-fuzz")),
    }
    let grid = Geometry::aligned([8, 8, 4], [1.0; 3]);
    if let Ok(mask) = Mask::read(&path, Path::new("image.nii"), &grid) {
        assert_eq!(mask.labels.values.len(), mask.labels.geometry.voxels());
    }
    let _ = Suv::read(&path);
});
