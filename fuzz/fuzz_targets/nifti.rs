//! Any bytes, plain or gzip, are a NIfTI image of as many voxels as its grid says, or an error that names
//! the file.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use osteon_radiomics::Image;

fuzz_target!(|bytes: &[u8]| {
    match Image::read(&file::file("nii", bytes)) {
        Ok(image) => assert_eq!(image.samples.len(), image.geometry.voxels()),
        Err(error) => assert!(error.to_string().contains("osteon-fuzz")),
    }
});
