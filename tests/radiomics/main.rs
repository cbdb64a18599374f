//! `osteon radiomics` on small volumes.

mod batch;
mod chain;
mod device;
mod extract;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Writes a raw 8-bit NRRD volume.
fn nrrd(path: &Path, size: [usize; 3], spacing: f64, value: impl Fn([usize; 3]) -> u8) {
    let [nx, ny, nz] = size;
    let mut bytes = format!(
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: {nx} {ny} {nz}\nencoding: raw\n\
         space: left-posterior-superior\nspace directions: ({spacing},0,0) (0,{spacing},0) (0,0,{spacing})\n\
         space origin: (0,0,0)\n\n"
    )
    .into_bytes();
    for z in 0..nz {
        for y in 0..ny {
            bytes.extend((0..nx).map(|x| value([x, y, z])));
        }
    }
    fs::write(path, bytes).expect("a volume");
}

/// Writes a raw 16-bit NRRD volume.
fn nrrd_of(path: &Path, size: [usize; 3], spacing: [f64; 3], value: impl Fn([usize; 3]) -> i16) {
    let ([nx, ny, nz], [sx, sy, sz]) = (size, spacing);
    let mut bytes = format!(
        "NRRD0004\ntype: short\ndimension: 3\nsizes: {nx} {ny} {nz}\nencoding: raw\nendian: little\n\
         space: left-posterior-superior\nspace directions: ({sx},0,0) (0,{sy},0) (0,0,{sz})\n\
         space origin: ({},{},{})\n\n",
        sx / 2.0,
        sy / 2.0,
        sz / 2.0
    )
    .into_bytes();
    let place = |i: usize| [i % nx, i / nx % ny, i / (nx * ny)];
    bytes.extend((0..nx * ny * nz).flat_map(|i| value(place(i)).to_le_bytes()));
    fs::write(path, bytes).expect("a volume");
}

/// An image, a mask with two labels (and a single voxel as a third), and a mask on another grid.
fn volumes(dir: &Path) {
    let size = [8, 6, 5];
    nrrd(&dir.join("image.nrrd"), size, 2.0, |[x, y, z]| (x * 31 + y * 17 + z * 7 + x * y * z) as u8);
    nrrd(&dir.join("mask.nrrd"), size, 2.0, |p| match p {
        [0..=3, 1..=4, 0..=3] => 1,
        [5..=6, 0..=5, 1..=4] => 2,
        [7, 0, 0] => 3,
        _ => 0,
    });
    nrrd(&dir.join("other.nrrd"), size, 2.5, |_| 1);
}

fn osteon(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_osteon"));
    command.current_dir(dir).arg("radiomics").args(args).output().expect("the binary starts")
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("a table").lines().map(ToOwned::to_owned).collect()
}
