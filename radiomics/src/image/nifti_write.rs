//! Writes NIfTI-1, with both `qform` and `sform`: images in single precision, masks as integers.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use osteon_core::files;

use super::{Geometry, Image, Labels};
use crate::error::RadiomicsError;

impl Image {
    /// Writes `.nii` or `.nii.gz`: 32-bit floats, the grid as `qform` and `sform` of scanner
    /// coordinates. The file is complete or absent, and its bytes depend on the image alone.
    ///
    /// # Errors
    /// If the name has another ending, an axis is longer than NIfTI-1 can say, or the file cannot be
    /// written.
    pub fn write_nifti(&self, path: &Path) -> Result<(), RadiomicsError> {
        let bytes = (0..self.samples.len()).flat_map(|k| (self.samples.get(k) as f32).to_le_bytes());
        write(path, &self.geometry, FLOAT32, bytes)
    }
}

impl Labels {
    /// Writes `.nii` or `.nii.gz` as [`Image::write_nifti`] does, in unsigned 16-bit integers.
    ///
    /// # Errors
    /// As there.
    pub fn write_nifti(&self, path: &Path) -> Result<(), RadiomicsError> {
        write(path, &self.geometry, UINT16, self.values.iter().flat_map(|l| l.to_le_bytes()))
    }
}

/// Code and bits of a type of voxels (`nifti1.h`).
type Type = (i16, i16);

const FLOAT32: Type = (16, 32);
const UINT16: Type = (512, 16);

fn write(
    path: &Path,
    grid: &Geometry,
    kind: Type,
    bytes: impl Iterator<Item = u8>,
) -> Result<(), RadiomicsError> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
    if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
        return Err(RadiomicsError::format(path, "an image is written as .nii or .nii.gz"));
    }
    if grid.size.iter().any(|n| i16::try_from(*n).is_err()) {
        let reason = format!("{:?} voxels; NIfTI-1 counts to 32767", grid.size);
        return Err(RadiomicsError::format(path, reason));
    }
    let header = header(grid, kind);
    let written = files::write_atomic::<io::Error>(path, |out| {
        if name.ends_with(".gz") {
            let mut packed = GzEncoder::new(out, Compression::fast());
            packed.write_all(&header)?;
            pour(bytes, &mut packed)?;
            packed.finish().map(drop)
        } else {
            out.write_all(&header)?;
            pour(bytes, out)
        }
    });
    written.map_err(|e| RadiomicsError::io(path, e))
}

/// Writes bytes in pieces, so that a large image is not held twice.
fn pour(mut bytes: impl Iterator<Item = u8>, out: &mut impl Write) -> io::Result<()> {
    loop {
        let piece: Vec<u8> = bytes.by_ref().take(1 << 20).collect();
        if piece.is_empty() {
            return Ok(());
        }
        out.write_all(&piece)?;
    }
}

fn header(grid: &Geometry, (code, bits): Type) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    let [nx, ny, nz] = grid.size.map(|n| n as i16);
    for (k, n) in [3, nx, ny, nz, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * k, &n.to_le_bytes());
    }
    put(70, &code.to_le_bytes());
    put(72, &bits.to_le_bytes());
    // NIfTI counts right and anterior positive.
    let turned = |v: [f64; 3]| [-v[0], -v[1], v[2]];
    let axes = grid.direction.map(turned);
    let origin = turned(grid.origin);
    let (quaternion, handedness) = quaternion(axes);
    let pixdim = [handedness, grid.spacing[0], grid.spacing[1], grid.spacing[2]];
    for (k, x) in pixdim.iter().enumerate() {
        put(76 + 4 * k, &(*x as f32).to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(112, &1f32.to_le_bytes());
    // Millimetres.
    put(123, &[2]);
    // Scanner coordinates.
    put(252, &1i16.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    for (k, x) in quaternion.iter().chain(&origin).enumerate() {
        put(256 + 4 * k, &(*x as f32).to_le_bytes());
    }
    for row in 0..3 {
        for k in 0..3 {
            put(280 + 16 * row + 4 * k, &((axes[k][row] * grid.spacing[k]) as f32).to_le_bytes());
        }
        put(292 + 16 * row, &(origin[row] as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes
}

/// The vector part (b, c, d) of the unit quaternion with a >= 0 that turns the grid's axes to
/// `axes`, and the sign of the third axis (`nifti1.h`, method 2).
fn quaternion(axes: [[f64; 3]; 3]) -> ([f64; 3], f64) {
    let [x, y, mut z] = axes;
    let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    let hand = if (0..3).map(|k| cross[k] * z[k]).sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
    z = z.map(|c| c * hand);
    // Four times the squares of a, b, c, d; dividing by the largest is safe.
    let squares = [
        1.0 + x[0] + y[1] + z[2],
        1.0 + x[0] - y[1] - z[2],
        1.0 - x[0] + y[1] - z[2],
        1.0 - x[0] - y[1] + z[2],
    ];
    let largest = (0..4).max_by(|&a, &b| squares[a].total_cmp(&squares[b])).unwrap_or(0);
    let s = 2.0 * squares[largest].max(0.0).sqrt();
    let [a, b, c, d] = match largest {
        0 => [s / 4.0, (y[2] - z[1]) / s, (z[0] - x[2]) / s, (x[1] - y[0]) / s],
        1 => [(y[2] - z[1]) / s, s / 4.0, (y[0] + x[1]) / s, (z[0] + x[2]) / s],
        2 => [(z[0] - x[2]) / s, (y[0] + x[1]) / s, s / 4.0, (z[1] + y[2]) / s],
        _ => [(x[1] - y[0]) / s, (z[0] + x[2]) / s, (z[1] + y[2]) / s, s / 4.0],
    };
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    ([b, c, d].map(|q| q * sign), hand)
}

#[cfg(test)]
mod tests {
    use super::super::{Image, Samples};
    use super::*;

    /// Grids along every axis and mirrored, and an oblique one, by both of the reader's ways.
    #[test]
    fn a_grid_comes_back_by_either_form() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let unit = |k: usize, s: f64| std::array::from_fn(|j| if j == k { s } else { 0.0 });
        let (c, s) = (0.8f64, 0.6f64);
        let mut cases: Vec<[[f64; 3]; 3]> = vec![[[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, -1.0]]];
        for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1], [2, 1, 0]] {
            for signs in 0..8u8 {
                let sign = |k: u8| if signs >> k & 1 == 1 { -1.0 } else { 1.0 };
                cases.push([unit(order[0], sign(0)), unit(order[1], sign(1)), unit(order[2], sign(2))]);
            }
        }
        for direction in cases {
            let geometry = Geometry {
                size: [2, 3, 4],
                spacing: [1.5, 2.0, 2.5],
                origin: [10.0, -20.0, 30.5],
                direction,
            };
            let values = (0..24u8).map(|v| f64::from(v) * 0.25).collect();
            let image = Image { geometry, samples: Samples::F64(values) };
            let path = dir.path().join("a.nii");
            image.write_nifti(&path).expect("written");
            let mut bytes = std::fs::read(&path).expect("a file");
            // Half a turn costs a quaternion of single precision half of its digits.
            for (sform, tolerance) in [(1u8, 1e-6), (0, 1e-3)] {
                bytes[254] = sform;
                std::fs::write(&path, &bytes).expect("a file");
                let back = Image::read(&path).expect("an image");
                assert_eq!(
                    image.geometry.difference(&back.geometry, tolerance),
                    None,
                    "{direction:?} {sform}"
                );
                assert!((0..24).all(|k| back.samples.get(k) == image.samples.get(k)));
            }
        }
    }

    #[test]
    fn a_packed_file_is_the_same_image() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let image = Image {
            geometry: Geometry::aligned([2, 1, 1], [1.0; 3]),
            samples: Samples::F32(vec![0.1, -7.0]),
        };
        image.write_nifti(&dir.path().join("a.nii.gz")).expect("written");
        assert_eq!(Image::read(&dir.path().join("a.nii.gz")).expect("an image"), image);
        assert!(image.write_nifti(&dir.path().join("a.img")).is_err());
    }
}
