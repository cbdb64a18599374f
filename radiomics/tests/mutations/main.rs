//! Files with faults: whatever is cut off, flipped or spliced, a file is an image, a mask or an error
//! that can be read, never a panic, and asks for no memory that it has no bytes for.
//!
//! `OSTEON_FUZZ_CORPUS=fuzz/corpus cargo test --release -p osteon-radiomics --test mutations seeds`
//! writes the faultless files, with which the fuzz targets begin.

mod allocator;
#[path = "../dicom/objects.rs"]
#[allow(dead_code, reason = "some objects are for other tests")]
mod objects;
mod seeds;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use osteon_core::rng::{Purpose, Stream};
use osteon_radiomics::{Image, Mask, RadiomicsError, Suv};

use seeds::{Seed, grid, seeds};

/// Mutants of each seed, unless `OSTEON_MUTANTS` asks for more.
const MUTANTS: u64 = 300;
/// Bytes that a file of a few kilobytes may ask for in one piece.
const MOST: usize = 64 << 20;
/// Numbers at which sizes, lengths and places go wrong.
const EXTREMES: [[u8; 4]; 8] = [
    [0; 4],
    [0xff; 4],
    [0xff, 0x7f, 0xff, 0x7f],
    [0, 0, 0, 0x80],
    [1, 0, 0, 0],
    // Not a number, infinity, 1e38 as floats.
    [0, 0, 0xc0, 0x7f],
    [0, 0, 0x80, 0x7f],
    [0x99, 0x76, 0x96, 0x7e],
];

/// A seed with some faults.
fn mutant(seed: &[u8], random: &mut Stream) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1) as u64) as usize;
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                for byte in bytes.iter_mut().skip(at).take(1) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                let extreme = EXTREMES[random.below(EXTREMES.len() as u64) as usize];
                let width = 1 << random.below(3);
                bytes.iter_mut().skip(at).take(width).zip(extreme).for_each(|(byte, e)| *byte = e);
            }
            // Digits become other digits: most of a header is text.
            3 => {
                if let Some(digit) = bytes.iter_mut().skip(at).find(|b| b.is_ascii_digit()) {
                    *digit = b"0123456789-.e"[random.below(13) as usize];
                }
            }
            4 => {
                let part = seed.iter().copied().skip(random.below(seed.len() as u64) as usize);
                let part: Vec<u8> = part.take(random.below(40) as usize).collect();
                bytes.splice(at..at, part);
            }
            _ => drop(bytes.splice(at..(at + random.below(40) as usize).min(bytes.len()), [])),
        }
    }
    bytes
}

/// Reads a file in every way that it may be meant.
fn read(path: &Path) -> Vec<Result<(), RadiomicsError>> {
    let image = Image::read(path).map(|i| assert_eq!(i.samples.len(), i.geometry.voxels()));
    let mask = Mask::read(path, Path::new("image.nii"), &grid());
    let mask = mask.map(|m| assert_eq!(m.labels.values.len(), m.labels.geometry.voxels()));
    vec![image, mask, Suv::read(path).map(drop)]
}

fn try_mutants(ending: &str) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let more = std::env::var("OSTEON_MUTANTS").ok().and_then(|n| n.parse().ok());
    let mutants = more.unwrap_or(MUTANTS);
    let (mut fine, mut refused) = (0, 0);
    for (number, seed) in seeds(dir.path()).iter().enumerate().filter(|(_, s)| s.name.ends_with(ending)) {
        let path = dir.path().join(&seed.name);
        for k in 0..mutants {
            let bytes = mutant(&seed.bytes, &mut Stream::new(number as u64, Purpose::Synthetic, k));
            fs::write(&path, bytes).expect("a file");
            allocator::forget();
            let found = catch_unwind(AssertUnwindSafe(|| read(&path)));
            let found = found.unwrap_or_else(|_| panic!("mutant {k} of {} ends in a panic", seed.name));
            let largest = allocator::largest();
            assert!(largest < MOST, "mutant {k} of {} asks for {largest} bytes", seed.name);
            for error in found {
                match error {
                    Ok(()) => fine += 1,
                    Err(e) => {
                        refused += 1;
                        assert!(!e.to_string().is_empty());
                    }
                }
            }
        }
        fs::write(&path, &seed.bytes).expect("a file");
    }
    assert!(fine > 20 && refused > 100, "{fine} files are read, {refused} refused: the faults say nothing");
}

#[test]
fn nifti() {
    try_mutants(".nii");
}

#[test]
fn packed_nifti() {
    try_mutants(".nii.gz");
}

#[test]
fn nrrd() {
    try_mutants(".nrrd");
}

#[test]
fn dicom() {
    try_mutants(".dcm");
}

#[test]
fn seeds_are_read_as_what_they_are() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for Seed { name, target, bytes } in seeds(dir.path()) {
        let path = dir.path().join(&name);
        let result = match target {
            "mask" => Mask::read(&path, Path::new("image.nii"), &grid()).map(drop),
            _ => Image::read(&path).map(drop),
        };
        assert!(result.is_ok(), "{name}: {result:?}");
        if let Some(corpus) = std::env::var_os("OSTEON_FUZZ_CORPUS") {
            // Tests start in the folder of the package.
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(corpus).join(target);
            fs::create_dir_all(&folder).expect("a folder");
            // The targets put the preamble before what they are given.
            let skipped = if name.ends_with(".dcm") { 132 } else { 0 };
            fs::write(folder.join(&name), &bytes[skipped..]).expect("a seed");
        }
    }
}
