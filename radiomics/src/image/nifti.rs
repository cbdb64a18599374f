//! NIfTI-1 single files, plain or gzipped (<https://nifti.nimh.nih.gov/nifti-1>, `nifti1.h`).
//! Own reader: it must see that a gzip stream ends early, which the known ones fill with zeros.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::bytes::{self, Kind};
use super::{Geometry, Image, Samples};
use crate::error::RadiomicsError;

const HEADER: usize = 348;

/// The header's bytes in the byte order of the file.
struct Header {
    bytes: [u8; HEADER],
    big_endian: bool,
}

impl Header {
    fn word<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut word = [0; N];
        word.copy_from_slice(&self.bytes[at..at + N]);
        if self.big_endian {
            word.reverse();
        }
        word
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.word(at))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.word(at)))
    }
}

pub(super) fn read(path: &Path) -> Result<Image, RadiomicsError> {
    let file = fs::read(path).map_err(|e| RadiomicsError::io(path, e))?;
    let mut source = bytes::unpacked(&file);
    let mut header = Header { bytes: [0; HEADER], big_endian: false };
    source.read_exact(&mut header.bytes).map_err(|_| RadiomicsError::format(path, "no NIfTI header"))?;
    if i32::from_le_bytes(header.word(0)) != HEADER as i32 {
        header.big_endian = true;
    }
    let wrong = |reason: String| Err(RadiomicsError::format(path, reason));
    if i32::from_le_bytes(header.word(0)) != HEADER as i32 || &header.bytes[344..347] != b"n+1" {
        return wrong("not a NIfTI-1 single file".into());
    }
    let dims: Vec<i16> = (0..8).map(|k| header.i16(40 + 2 * k)).collect();
    if !(1..=7).contains(&dims[0]) || dims[1..=dims[0] as usize].iter().any(|&n| n < 1) {
        return wrong(format!("impossible dimensions {dims:?}"));
    }
    let extent = |k: usize| if k <= dims[0] as usize { dims[k] as usize } else { 1 };
    if (4..8).any(|k| extent(k) > 1) {
        return wrong(format!("a {}-dimensional image; one volume is expected", dims[0]));
    }
    let kind = match header.i16(70) {
        2 => Kind::U8,
        4 => Kind::I16,
        8 => Kind::I32,
        16 => Kind::F32,
        64 => Kind::F64,
        256 => Kind::I8,
        512 => Kind::U16,
        768 => Kind::U32,
        1024 => Kind::I64,
        1280 => Kind::U64,
        other => return wrong(format!("voxel type {other} is not supported")),
    };
    let geometry = geometry(&header, [extent(1), extent(2), extent(3)]);
    let offset = header.f64(108);
    if !(HEADER as f64..1e6).contains(&offset) {
        return wrong(format!("voxels start at byte {offset}"));
    }
    let skip = offset as u64 - HEADER as u64;
    let skipped = std::io::copy(&mut source.by_ref().take(skip), &mut std::io::sink());
    skipped.map_err(|e| RadiomicsError::io(path, e))?;
    let samples = bytes::voxels(path, &mut source, geometry.voxels(), kind, header.big_endian)?;
    Ok(Image { geometry, samples: rescaled(samples, header.f64(112), header.f64(116)) })
}

/// Applies `scl_slope` and `scl_inter`; a slope of 0 means that there is none.
fn rescaled(samples: Samples, slope: f64, intercept: f64) -> Samples {
    if slope == 0.0 || !slope.is_finite() || (slope == 1.0 && intercept == 0.0) {
        return samples;
    }
    match samples {
        Samples::F64(v) => Samples::F64(v.into_iter().map(|x| x * slope + intercept).collect()),
        // Single precision, as ITK rescales integers and floats.
        other => Samples::F32((0..other.len()).map(|k| (other.get(k) * slope + intercept) as f32).collect()),
    }
}

/// The grid: the affine matrix where there is one, else the quaternion, else spacing alone. NIfTI
/// counts right and anterior positive, [`Geometry`] left and posterior.
fn geometry(header: &Header, size: [usize; 3]) -> Geometry {
    let spacing: [f64; 3] = std::array::from_fn(|k| header.f64(80 + 4 * k).abs());
    let mut geometry = Geometry::aligned(size, spacing);
    let (qform, sform) = (header.i16(252), header.i16(254));
    if sform > 0 {
        for axis in 0..3 {
            let column: [f64; 3] = std::array::from_fn(|row| header.f64(280 + 16 * row + 4 * axis));
            let norm = column.iter().map(|c| c * c).sum::<f64>().sqrt();
            geometry.direction[axis] = column.map(|c| c / norm);
        }
        geometry.origin = std::array::from_fn(|row| header.f64(292 + 16 * row));
    } else if qform > 0 {
        let [b, c, d] = [256, 260, 264].map(|at| header.f64(at));
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        // pixdim[0] holds the handedness.
        let flip = if header.f64(76) < 0.0 { -1.0 } else { 1.0 };
        geometry.direction = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
            [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
            [2.0 * (b * d + a * c), 2.0 * (c * d - a * b), a * a + d * d - c * c - b * b].map(|x| flip * x),
        ];
        geometry.origin = [268, 272, 276].map(|at| header.f64(at));
    }
    for vector in geometry.direction.iter_mut().chain(std::iter::once(&mut geometry.origin)) {
        vector[0] = -vector[0];
        vector[1] = -vector[1];
    }
    geometry
}
