//! Stored values of frames: native little-endian, or run lengths (DICOM PS3.5 8.1, annex G).

use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use dicom_object::DefaultDicomObject;

use super::object;
use crate::error::RadiomicsError;

/// How a stored value lies in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// 1, 8, 16 or 32.
    allocated: usize,
    /// Bits that count, at most `allocated`.
    stored: u32,
    /// Two's complement.
    signed: bool,
}

/// The frames of an object.
pub(crate) struct Frames<'a> {
    path: &'a Path,
    layout: Layout,
    /// Pixels of a frame.
    pixels: usize,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    Native(std::borrow::Cow<'a, [u8]>),
    RunLengths(&'a [Vec<u8>]),
}

impl<'a> Frames<'a> {
    /// Finds the voxels of an object that has `frames` frames of `size` columns and rows.
    pub(crate) fn new(
        path: &'a Path,
        object: &'a DefaultDicomObject,
        size: [usize; 2],
        frames: usize,
    ) -> Result<Self, RadiomicsError> {
        let refuse = |reason: String| Err(RadiomicsError::format(path, reason));
        let layout = layout(path, object)?;
        let Some(element) = object.get(tags::PIXEL_DATA) else {
            return refuse("it has no PixelData (7FE0,0010)".into());
        };
        let pixels = size[0] * size[1];
        let bits = pixels.checked_mul(layout.allocated).and_then(|n| n.checked_mul(frames));
        let Some(bits) = bits else { return refuse("its size overflows".into()) };
        let syntax = object.meta().transfer_syntax().trim_end_matches('\0');
        let bytes = match syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => {
                let Ok(bytes) = element.to_bytes() else {
                    return refuse(
                        "its voxels are packed, though its transfer syntax says they are not".into(),
                    );
                };
                let expected = bits.div_ceil(8);
                if bytes.len() < expected {
                    let (expected, found) = (expected as u64, bytes.len() as u64);
                    return Err(RadiomicsError::Truncated { path: path.to_owned(), expected, found });
                }
                Bytes::Native(bytes)
            }
            uids::RLE_LOSSLESS if layout.allocated > 1 => {
                let fragments = element.fragments().unwrap_or_default();
                if fragments.len() != frames {
                    return refuse(format!(
                        "{frames} frames in {} fragments of run lengths",
                        fragments.len()
                    ));
                }
                Bytes::RunLengths(fragments)
            }
            other => {
                return refuse(format!(
                    "transfer syntax {other} is not read, only native little-endian and RLE; \
                     unpack it first (`gdcmconv --raw` or `dcmdjpeg`)"
                ));
            }
        };
        Ok(Self { path, layout, pixels, bytes })
    }

    /// The stored values of a frame, row by row.
    pub(crate) fn stored(&self, frame: usize) -> Result<Vec<i64>, RadiomicsError> {
        let n = self.pixels;
        let width = self.layout.allocated / 8;
        match &self.bytes {
            // Bits go on from frame to frame without padding, the lowest of a byte first.
            Bytes::Native(bytes) if width == 0 => {
                Ok((frame * n..(frame + 1) * n).map(|k| i64::from(bytes[k / 8] >> (k % 8) & 1)).collect())
            }
            Bytes::Native(bytes) => {
                let own = &bytes[frame * n * width..(frame + 1) * n * width];
                Ok(own.chunks_exact(width).map(|b| self.layout.value(b.iter().rev())).collect())
            }
            Bytes::RunLengths(fragments) => {
                let planes = planes(&fragments[frame], width, n)
                    .map_err(|reason| RadiomicsError::format(self.path, reason))?;
                Ok((0..n).map(|k| self.layout.value(planes.iter().map(|p| &p[k]))).collect())
            }
        }
    }
}

impl Layout {
    /// A value from its bytes, the highest first.
    fn value<'b>(self, bytes: impl Iterator<Item = &'b u8>) -> i64 {
        let word = bytes.fold(0u64, |word, b| word << 8 | u64::from(*b)) & ((1u64 << self.stored) - 1);
        if self.signed && word >> (self.stored - 1) == 1 {
            return word as i64 - (1i64 << self.stored);
        }
        word as i64
    }
}

fn layout(path: &Path, object: &DefaultDicomObject) -> Result<Layout, RadiomicsError> {
    let number = |tag| object::count(object, tag);
    let samples = number(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let allocated = number(tags::BITS_ALLOCATED).unwrap_or(0);
    let stored = number(tags::BITS_STORED).unwrap_or(allocated);
    let high = number(tags::HIGH_BIT).unwrap_or(stored.wrapping_sub(1));
    let usable = samples == 1
        && [1, 8, 16, 32].contains(&allocated)
        && (1..=allocated).contains(&stored)
        && high + 1 == stored;
    if !usable {
        let reason = format!(
            "{samples} samples per pixel, {stored} of {allocated} bits stored, highest bit {high}: \
             not a grey image that is read here"
        );
        return Err(RadiomicsError::format(path, reason));
    }
    let signed = number(tags::PIXEL_REPRESENTATION) == Some(1) && allocated > 1;
    Ok(Layout { allocated, stored: stored as u32, signed })
}

/// The byte planes of a frame, that of the highest bytes first.
fn planes(fragment: &[u8], width: usize, pixels: usize) -> Result<Vec<Vec<u8>>, String> {
    let word = |at: usize| {
        let bytes = fragment.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    };
    if word(0) != Some(width) {
        return Err(format!("{:?} segments of run lengths for {width} bytes per pixel", word(0)));
    }
    let plane = |k: usize| {
        let start = word(1 + k)?;
        let end = if k + 1 < width { word(2 + k)? } else { fragment.len() };
        unpacked(fragment.get(start..end)?, pixels)
    };
    (0..width).map(|k| plane(k).ok_or_else(|| format!("segment {k} of its run lengths is cut off"))).collect()
}

/// One segment of packed bits; `None` if it ends before `count` bytes.
fn unpacked(mut packed: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while out.len() < count {
        let (&head, rest) = packed.split_first()?;
        let n = usize::from(head);
        packed = match head {
            0..=127 => {
                out.extend(rest.get(..n + 1)?);
                &rest[n + 1..]
            }
            128 => rest,
            _ => {
                out.extend(std::iter::repeat_n(*rest.first()?, 257 - n));
                &rest[1..]
            }
        };
    }
    out.truncate(count);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_lengths_unpack() {
        // 2 literal bytes, 3 times 7, nothing, 1 literal byte.
        assert_eq!(unpacked(&[1, 5, 6, 254, 7, 128, 0, 9], 6), Some(vec![5, 6, 7, 7, 7, 9]));
        assert_eq!(unpacked(&[1, 5], 2), None);
    }

    #[test]
    fn twelve_signed_bits() {
        let layout = Layout { allocated: 16, stored: 12, signed: true };
        assert_eq!(layout.value([0xFF, 0xFF].iter()), -1);
        assert_eq!(layout.value([0x07, 0xFF].iter()), 2047);
        assert_eq!(layout.value([0x08, 0x00].iter()), -2048);
    }
}
