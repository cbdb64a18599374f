//! The members of a ZIP archive that are stored as they are, which is how PyTorch writes them (APPNOTE.TXT 6.3).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::SlidesError;

/// Most bytes of the directory that are read.
const LARGEST_DIRECTORY: u64 = 1 << 26;

/// A member: where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub name: String,
    pub at: u64,
    pub bytes: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Lists the members of an archive.
pub(super) fn members(path: &Path, file: &File) -> Result<Vec<Member>, SlidesError> {
    let io = |e| SlidesError::io(path, e);
    let length = file.metadata().map_err(io)?.len();
    let read = |at: u64, bytes: u64| {
        let mut piece = vec![0; bytes as usize];
        file.read_exact_at(&mut piece, at).map(|()| piece)
    };
    // The end record is 22 bytes and a comment of at most 65,535.
    let tail_at = length.saturating_sub(22 + 65_535);
    let tail = read(tail_at, length - tail_at).map_err(io)?;
    let wrong =
        |what: &str| SlidesError::format(path, format!("not a ZIP archive as PyTorch writes it: {what}"));
    let end = tail
        .windows(22)
        .rposition(|w| w.starts_with(b"PK\x05\x06"))
        .ok_or_else(|| wrong("it has no directory"))?;
    let cut = || wrong("its directory is cut off");
    let (mut count, mut size, mut at) =
        (|| Some((u16_at(&tail, end + 10)?, u32_at(&tail, end + 12)?, u32_at(&tail, end + 16)?)))()
            .ok_or_else(cut)?;
    if at == 0xffff_ffff || count == 0xffff || size == 0xffff_ffff {
        // ZIP64: a locator before the end record says where the larger one is.
        let locator =
            end.checked_sub(20).filter(|&l| tail[l..].starts_with(b"PK\x06\x07")).ok_or_else(cut)?;
        let place = u64_at(&tail, locator + 8).filter(|&p| p.checked_add(56).is_some_and(|e| e <= length));
        let record = read(place.ok_or_else(cut)?, 56).map_err(io)?;
        (count, size, at) = (|| Some((u64_at(&record, 32)?, u64_at(&record, 40)?, u64_at(&record, 48)?)))()
            .ok_or_else(cut)?;
    }
    if size > LARGEST_DIRECTORY || at.checked_add(size).is_none_or(|e| e > length) {
        return Err(cut());
    }
    let directory = read(at, size).map_err(io)?;
    let mut members = Vec::new();
    let mut entry = 0;
    for _ in 0..count {
        if !directory.get(entry..).is_some_and(|d| d.starts_with(b"PK\x01\x02")) {
            return Err(cut());
        }
        let (member, next) = central(&directory, entry).ok_or_else(cut)?;
        let Some((name, method, bytes, header)) = member else { return Err(cut()) };
        if method != 0 {
            return Err(wrong(&format!("\"{name}\" is compressed")));
        }
        if header.checked_add(30).is_none_or(|e| e > length) {
            return Err(cut());
        }
        let local = read(header, 30).map_err(io)?;
        let (named, extra) = (u16_at(&local, 26).ok_or_else(cut)?, u16_at(&local, 28).ok_or_else(cut)?);
        let at = header + 30 + named + extra;
        if at.checked_add(bytes).is_none_or(|e| e > length) {
            return Err(wrong(&format!("\"{name}\" is cut off")));
        }
        members.push(Member { name, at, bytes });
        entry = next;
    }
    Ok(members)
}

type Entry = (String, u64, u64, u64);

/// Name, method, size and place of the header of a directory entry, and where the next entry is.
fn central(directory: &[u8], at: usize) -> Option<(Option<Entry>, usize)> {
    let method = u16_at(directory, at + 10)?;
    let (mut bytes, mut header) = (u32_at(directory, at + 24)?, u32_at(directory, at + 42)?);
    let lengths = [28, 30, 32].map(|k| u16_at(directory, at + k));
    let [named, extra, comment] = [lengths[0]? as usize, lengths[1]? as usize, lengths[2]? as usize];
    let name = String::from_utf8_lossy(directory.get(at + 46..at + 46 + named)?).into_owned();
    let fields = directory.get(at + 46 + named..at + 46 + named + extra)?;
    // ZIP64 values stand in the extra field 1, those that did not fit, in order.
    let mut field = 0;
    while let (Some(id), Some(size)) = (u16_at(fields, field), u16_at(fields, field + 2)) {
        if id == 1 {
            let mut value = field + 4;
            if bytes == 0xffff_ffff {
                bytes = u64_at(fields, value)?;
                value += 8;
                // The packed size stands between; for what is stored it is the same.
                if u32_at(directory, at + 20)? == 0xffff_ffff {
                    value += 8;
                }
            }
            if header == 0xffff_ffff {
                header = u64_at(fields, value)?;
            }
        }
        field += 4 + size as usize;
    }
    Some((Some((name, method, bytes, header)), at + 46 + named + extra + comment))
}
