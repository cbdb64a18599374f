//! Any bytes after a DICOM preamble are an image or an error that names the file, and so as a PET series
//! in SUV.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use osteon_radiomics::{Image, Suv};

fuzz_target!(|bytes: &[u8]| {
    let path = file::file("dcm", &[&[0; 128][..], b"DICM", bytes].concat());
    match Image::read(&path) {
        Ok(image) => assert_eq!(image.samples.len(), image.geometry.voxels()),
        Err(e) => assert!(e.to_string().contains("osteon-fuzz")),
    }
    let _ = Suv::read(&path);
});
