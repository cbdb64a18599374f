//! The filters of HDF5 chunks, undone.

use std::borrow::Cow;

#[cfg(feature = "hdf5")]
use libdeflater::{DecompressionError, Decompressor};

/// A step by which a chunk was coded.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// zlib.
    Deflate,
    /// Bytes of equal place in their number side by side.
    Shuffle,
    /// Four bytes of checksum behind the chunk.
    Fletcher32,
    /// The compression of h5py (LibLZF).
    Lzf,
}

/// Undoes the filters of a chunk of `size` plain bytes, the last first.
pub(super) fn decode<'c>(
    filters: &[Filter],
    skipped: u32,
    coded: &'c [u8],
    size: usize,
    number: usize,
) -> Result<Cow<'c, [u8]>, String> {
    let mut bytes = Cow::Borrowed(coded);
    for (k, filter) in filters.iter().enumerate().rev() {
        if skipped >> k & 1 == 1 {
            continue;
        }
        bytes = match filter {
            Filter::Deflate => inflate(&bytes, size + 4)?.into(),
            Filter::Lzf => lzf(&bytes, size + 4)?.into(),
            Filter::Shuffle => unshuffle(&bytes, number).into(),
            Filter::Fletcher32 => verified(bytes.into_owned())?.into(),
        };
    }
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(format!("{} bytes instead of {size} once decoded", bytes.len()))
    }
}

#[cfg(feature = "hdf5")]
thread_local! {
    /// Its tables are larger than a chunk of one tile.
    static INFLATE: std::cell::RefCell<Decompressor> = std::cell::RefCell::new(Decompressor::new());
}

/// At most `limit` bytes: a checksum may follow the chunk inside.
#[cfg(feature = "hdf5")]
fn inflate(coded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let mut plain = vec![0; limit];
    match INFLATE.with_borrow_mut(|inflate| inflate.zlib_decompress(coded, &mut plain)) {
        Ok(length) => {
            plain.truncate(length);
            Ok(plain)
        }
        Err(DecompressionError::InsufficientSpace) => Err("its zlib data are more than the chunk".to_owned()),
        Err(DecompressionError::BadData) => Err("it is not whole zlib data".to_owned()),
    }
}

/// Only HDF5 files have filters, and this build reads none.
#[cfg(not(feature = "hdf5"))]
fn inflate(_coded: &[u8], _limit: usize) -> Result<Vec<u8>, String> {
    Err("this build has no HDF5".to_owned())
}

fn unshuffle(bytes: &[u8], number: usize) -> Vec<u8> {
    let mut plain = bytes.to_vec();
    match number {
        2 => interleave::<2>(bytes, &mut plain),
        4 => interleave::<4>(bytes, &mut plain),
        8 => interleave::<8>(bytes, &mut plain),
        _ => {}
    }
    plain
}

/// Takes the `N` bytes of each number from `N` planes; a width known in advance makes this vector code.
fn interleave<const N: usize>(bytes: &[u8], plain: &mut [u8]) {
    let count = bytes.len() / N;
    let planes: [&[u8]; N] = std::array::from_fn(|k| &bytes[k * count..][..count]);
    for (i, number) in plain.chunks_exact_mut(N).enumerate() {
        for (byte, plane) in number.iter_mut().zip(planes) {
            *byte = plane[i];
        }
    }
}

/// Checks and takes off the sum of Fletcher (1982) as HDF5 forms it: 16-bit words, high byte first.
fn verified(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let length = bytes.len().checked_sub(4).ok_or("it is too short for its checksum")?;
    let stored = u32::from_le_bytes([bytes[length], bytes[length + 1], bytes[length + 2], bytes[length + 3]]);
    bytes.truncate(length);
    let (mut low, mut high) = (0u32, 0u32);
    for block in bytes.chunks(720) {
        for pair in block.chunks(2) {
            low += (u32::from(pair[0]) << 8) | pair.get(1).map_or(0, |&b| u32::from(b));
            high += low;
        }
        low = (low & 0xffff) + (low >> 16);
        high = (high & 0xffff) + (high >> 16);
    }
    low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
    let sum = high << 16 | low;
    if sum == stored { Ok(bytes) } else { Err("its checksum is wrong; the file is damaged".to_owned()) }
}

/// LibLZF: a control byte below 32 starts that many literals and one; others copy what was written.
fn lzf(coded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let broken = || "it is not LZF data".to_owned();
    let mut plain: Vec<u8> = Vec::with_capacity(limit);
    let mut at = 0;
    while let Some(&control) = coded.get(at) {
        at += 1;
        let control = usize::from(control);
        if control < 32 {
            let literals = coded.get(at..at + control + 1).ok_or_else(broken)?;
            plain.extend_from_slice(literals);
            at += control + 1;
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += usize::from(*coded.get(at).ok_or_else(broken)?);
                at += 1;
            }
            let low = usize::from(*coded.get(at).ok_or_else(broken)?);
            at += 1;
            let back = ((control & 0x1f) << 8 | low) + 1;
            let from = plain.len().checked_sub(back).ok_or_else(broken)?;
            // What is copied may overlap what is being written.
            (from..from + length + 2).for_each(|i| plain.push(plain[i]));
        }
        if plain.len() > limit {
            return Err(broken());
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lzf_copies_what_it_wrote() {
        // "abc", then six bytes from three back: "abcabcabc".
        let coded = [2, b'a', b'b', b'c', 4 << 5, 2];
        assert_eq!(lzf(&coded, 9).expect("valid"), b"abcabcabc");
        assert!(lzf(&coded, 8).is_err());
        assert!(lzf(&[4 << 5, 2], 9).is_err(), "nothing to copy from");
        assert!(lzf(&[5, 1], 9).is_err(), "literals missing");
    }

    #[test]
    fn planes_of_bytes_are_numbers_again() {
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6], 2), [1, 2, 3, 4, 5, 6]);
        assert!(unshuffle(&[], 4).is_empty());
    }

    #[cfg(feature = "hdf5")]
    #[test]
    fn zlib_data_are_whole_and_no_more_than_the_chunk() {
        // zlib.compress(b"abcabcabc", 9)
        let coded = [0x78, 0xda, 0x4b, 0x4c, 0x4a, 0x4e, 0x04, 0x23, 0x00, 0x11, 0x3d, 0x03, 0x73];
        assert_eq!(inflate(&coded, 9).expect("valid"), b"abcabcabc");
        assert_eq!(inflate(&coded, 20).expect("valid"), b"abcabcabc");
        assert!(inflate(&coded, 8).expect_err("too much").contains("more than the chunk"));
        assert!(inflate(&coded[..9], 9).is_err());
        let mut damaged = coded;
        damaged[12] ^= 1;
        assert!(inflate(&damaged, 9).expect_err("a wrong sum").contains("not whole"));
        assert!(inflate(b"nonsense", 9).is_err());
    }

    #[test]
    fn a_damaged_chunk_is_found() {
        // Two words: 0x0102 and 0x0304.
        let sum = ((0x0102u32 * 2 + 0x0304) << 16) | (0x0102 + 0x0304);
        let mut bytes = vec![1, 2, 3, 4];
        bytes.extend(sum.to_le_bytes());
        assert_eq!(verified(bytes.clone()).expect("whole"), [1, 2, 3, 4]);
        bytes[2] ^= 1;
        assert!(verified(bytes).is_err());
    }
}
