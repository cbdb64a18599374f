//! Voxels as they lie in a file: integer and float types in either byte order, plain or gzipped.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::Samples;
use crate::error::RadiomicsError;

/// Type of a voxel in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a voxel.
    pub(super) fn width(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

/// The bytes of a file as they are, or unpacked where they start as gzip does.
pub(super) fn unpacked<'a>(bytes: &'a [u8]) -> Box<dyn Read + 'a> {
    if bytes.starts_with(&[0x1f, 0x8b]) { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) }
}

/// Reads `count` voxels and no more; memory grows with what is there, not with what is claimed.
pub(super) fn voxels(
    path: &Path,
    source: &mut dyn Read,
    count: usize,
    kind: Kind,
    big_endian: bool,
) -> Result<Samples, RadiomicsError> {
    let expected = (count as u64).checked_mul(kind.width() as u64);
    let expected = expected.ok_or_else(|| RadiomicsError::format(path, "its size overflows"))?;
    let mut bytes = Vec::new();
    match source.take(expected).read_to_end(&mut bytes) {
        Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => return Err(RadiomicsError::io(path, e)),
        _ => {}
    }
    let found = bytes.len() as u64;
    if found < expected {
        return Err(RadiomicsError::Truncated { path: path.to_owned(), expected, found });
    }
    Ok(decode(&bytes, kind, big_endian))
}

fn decode(bytes: &[u8], kind: Kind, big_endian: bool) -> Samples {
    macro_rules! each {
        ($from:ty, $to:ty) => {
            bytes
                .chunks_exact(size_of::<$from>())
                .map(|c| {
                    let mut word = [0u8; size_of::<$from>()];
                    word.copy_from_slice(c);
                    let value =
                        if big_endian { <$from>::from_be_bytes(word) } else { <$from>::from_le_bytes(word) };
                    value as $to
                })
                .collect()
        };
    }
    match kind {
        Kind::I8 => Samples::I16(each!(i8, i16)),
        Kind::U8 => Samples::I16(each!(u8, i16)),
        Kind::I16 => Samples::I16(each!(i16, i16)),
        Kind::U16 => Samples::F64(each!(u16, f64)),
        Kind::I32 => Samples::F64(each!(i32, f64)),
        Kind::U32 => Samples::F64(each!(u32, f64)),
        Kind::I64 => Samples::F64(each!(i64, f64)),
        Kind::U64 => Samples::F64(each!(u64, f64)),
        Kind::F32 => Samples::F32(each!(f32, f32)),
        Kind::F64 => Samples::F64(each!(f64, f64)),
    }
}
