//! Any bytes are a NIfTI image of as many voxels as its grid says, or an error that names the file.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use osteon_radiomics::Image;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("osteon-fuzz-{}.nii", std::process::id()));
    fs::write(&path, bytes).expect("a temporary file");
    match Image::read(&path) {
        Ok(image) => assert_eq!(image.samples.len(), image.geometry.voxels()),
        Err(error) => assert!(error.to_string().contains("osteon-fuzz")),
    }
});
