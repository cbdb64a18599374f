//! Any bytes are a NRRD image of as many voxels as its grid says, or an error. A header may name another
//! file, which the error then names.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use osteon_radiomics::Image;

fuzz_target!(|bytes: &[u8]| {
    match Image::read(&file::file("nrrd", bytes)) {
        Ok(image) => assert_eq!(image.samples.len(), image.geometry.voxels()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
