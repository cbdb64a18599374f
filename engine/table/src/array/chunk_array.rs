//! The chunks of a data set from the arrays in files of HDF5 1.10 and later (HDF5 File Format Specification 3.0, III.C,
//! III.D and IV.A.2.i): a single chunk, chunks side by side, a fixed array, an extensible array. Data sets that may
//! grow in several dimensions have a B-tree of version 2, which the library is asked for.

use std::fs::File;

use super::Chunk;
use super::chunk_tree::{Grid, damaged, number, read};

/// Flags of the layout: chunks at the edge are not filtered; the single chunk is filtered.
const EDGES_PLAIN: u8 = 1;
const SINGLE_FILTERED: u8 = 2;
/// Signature, version, client and address of the header, with which every block begins; the sum with which it ends.
const PREFIX: u64 = 14;
const CHECKSUM: u64 = 4;

/// The chunks from a layout message of version 4; `None` if its index is of another kind.
pub(super) fn chunks(file: &File, body: &[u8], grid: Grid) -> Result<Option<Vec<Option<Chunk>>>, String> {
    let [4, 2, flags, dimensions, extent, rest @ ..] = body else { return Ok(None) };
    if usize::from(*dimensions) != grid.rank + 1 {
        return Err(damaged());
    }
    if flags & EDGES_PLAIN != 0 {
        return Ok(None);
    }
    let index = rest.get(usize::from(*dimensions) * usize::from(*extent)..).ok_or_else(damaged)?;
    let (kind, info) = index.split_first().ok_or_else(damaged)?;
    let address = |skip: usize| number(info, skip, 8).ok_or_else(damaged);
    let count = grid.down * grid.across;
    match kind {
        1 if count != 1 => Err(damaged()),
        1 if flags & SINGLE_FILTERED != 0 => {
            let skipped = number(info, 8, 4).ok_or_else(damaged)? as u32;
            Ok(Some(vec![chunk(address(12)?, address(0)?, skipped)]))
        }
        1 => Ok(Some(vec![chunk(address(0)?, grid.size, 0)])),
        2 => {
            let first = address(0)?;
            let at = |k: u64| if first == u64::MAX { first } else { first.saturating_add(k * grid.size) };
            Ok(Some((0..count as u64).map(|k| chunk(at(k), grid.size, 0)).collect()))
        }
        3 | 4 => {
            let address = address(if *kind == 3 { 1 } else { 5 })?;
            if address == u64::MAX {
                return Ok(Some(vec![None; count]));
            }
            let found =
                if *kind == 3 { fixed(file, address, grid) } else { extensible(file, address, grid) }?;
            Ok(found.map(|mut found| {
                found.resize(count, None);
                found
            }))
        }
        _ => Ok(None),
    }
}

fn chunk(at: u64, bytes: u64, skipped: u32) -> Option<Chunk> {
    (at != u64::MAX).then_some(Chunk { at, bytes, skipped })
}

/// A block that begins with `signature`.
fn block(file: &File, at: u64, bytes: u64, signature: &[u8; 4]) -> Result<Vec<u8>, String> {
    let block = read(file, at, bytes)?;
    if block.starts_with(signature) && block[4] == 0 { Ok(block) } else { Err(damaged()) }
}

/// How chunks are written in an array.
#[derive(Clone, Copy)]
struct Entries {
    /// Bytes of an entry: the address and, of filtered chunks, their size and the filters left out.
    bytes: u64,
    filtered: bool,
    /// Bytes of a chunk that is not filtered.
    size: u64,
    /// Entries of a page; longer blocks are parted.
    page: u64,
}

impl Entries {
    fn new(client: u8, bytes: u8, page_bits: u8, grid: Grid) -> Result<Self, String> {
        let filtered = client == 1;
        let valid = if filtered { (13..=20).contains(&bytes) } else { client == 0 && bytes == 8 };
        if !valid || page_bits > 32 {
            return Err(damaged());
        }
        Ok(Self { bytes: u64::from(bytes), filtered, size: grid.size, page: 1 << page_bits })
    }

    /// Appends the entries in `block`.
    fn take(&self, block: &[u8], found: &mut Vec<Option<Chunk>>) -> Result<(), String> {
        for entry in block.chunks_exact(self.bytes as usize) {
            let at = number(entry, 0, 8).ok_or_else(damaged)?;
            if self.filtered {
                let length = entry.len() - 12;
                let bytes = number(entry, 8, length).ok_or_else(damaged)?;
                let skipped = number(entry, 8 + length, 4).ok_or_else(damaged)? as u32;
                found.push(chunk(at, bytes, skipped));
            } else {
                found.push(chunk(at, self.size, 0));
            }
        }
        Ok(())
    }

    /// Appends `count` entries that start at `at`, in pages of which `written` tells whether they were. Stops at the
    /// `wanted`th.
    fn pages(
        &self,
        file: &File,
        at: u64,
        count: u64,
        wanted: usize,
        written: impl Fn(u64) -> bool,
        found: &mut Vec<Option<Chunk>>,
    ) -> Result<(), String> {
        for page in 0..count.div_ceil(self.page) {
            if found.len() >= wanted {
                break;
            }
            let entries = self.page.min(count - page * self.page);
            if written(page) {
                let start = at + page * (self.page * self.bytes + CHECKSUM);
                self.take(&read(file, start, entries * self.bytes)?, found)?;
            } else {
                found.resize(found.len() + entries as usize, None);
            }
        }
        Ok(())
    }
}

/// Whether a bit is set, the highest of a byte first.
fn bit(bytes: &[u8], at: u64) -> bool {
    bytes.get((at / 8) as usize).is_some_and(|b| b & (0x80 >> (at % 8)) != 0)
}

fn fixed(file: &File, header: u64, grid: Grid) -> Result<Option<Vec<Option<Chunk>>>, String> {
    let head = block(file, header, 28, b"FAHD")?;
    let entries = Entries::new(head[5], head[6], head[7], grid)?;
    let count = number(&head, 8, 8).ok_or_else(damaged)?;
    let at = number(&head, 16, 8).ok_or_else(damaged)?;
    let wanted = grid.down * grid.across;
    if count < wanted as u64 {
        return Err(damaged());
    }
    let mut found = Vec::new();
    if at == u64::MAX {
        return Ok(Some(found));
    }
    if count <= entries.page {
        block(file, at, PREFIX, b"FADB")?;
        entries.take(&read(file, at + PREFIX, wanted as u64 * entries.bytes)?, &mut found)?;
    } else {
        let bits = count.div_ceil(entries.page).div_ceil(8);
        // Only the pages of entries that are wanted matter.
        let known = bits.min((wanted as u64).div_ceil(entries.page).div_ceil(8));
        let written = block(file, at, PREFIX + known, b"FADB")?.split_off(PREFIX as usize);
        let first = at + PREFIX + bits + CHECKSUM;
        entries.pages(file, first, count, wanted, |page| bit(&written, page), &mut found)?;
    }
    found.truncate(wanted);
    Ok(Some(found))
}

fn extensible(file: &File, header: u64, grid: Grid) -> Result<Option<Vec<Option<Chunk>>>, String> {
    let head = block(file, header, 72, b"EAHD")?;
    let entries = Entries::new(head[5], head[6], head[11], grid)?;
    let [bits, direct, least, pointers] = [head[7], head[8], head[9], head[10]].map(u64::from);
    let at = number(&head, 60, 8).ok_or_else(damaged)?;
    if bits > 64 || !least.is_power_of_two() || !pointers.is_power_of_two() || pointers < 2 {
        return Err(damaged());
    }
    let wanted = grid.down * grid.across;
    let mut found = Vec::new();
    if at == u64::MAX {
        return Ok(Some(found));
    }
    // Groups of data blocks: group u has 2^(u / 2) blocks of `least` 2^((u + 1) / 2) entries. The blocks of the first
    // groups are named in the index block, each later group in a block of its own.
    let groups = 1 + bits.saturating_sub(u64::from(least.ilog2()));
    let named = u64::from(2 * pointers.ilog2());
    let blocks = 2 * (pointers - 1);
    let later = groups.saturating_sub(named);
    let index = block(file, at, PREFIX + direct * entries.bytes + 8 * (blocks + later), b"EAIB")?;
    let (own, addresses) = index[PREFIX as usize..].split_at((direct * entries.bytes) as usize);
    entries.take(own, &mut found)?;
    let offset = bits.div_ceil(8);
    let mut address = addresses.chunks_exact(8).map(|a| number(a, 0, 8).unwrap_or(u64::MAX));
    for group in 0..groups {
        if found.len() >= wanted {
            break;
        }
        let (count, length) = (1u64 << (group / 2), least << group.div_ceil(2));
        let pages = if length > entries.page { length / entries.page } else { 0 };
        let mut written = Vec::new();
        let places: Vec<u64> = if group < named {
            if pages > 0 {
                return Ok(None);
            }
            address.by_ref().take(count as usize).collect()
        } else {
            match address.next().ok_or_else(damaged)? {
                u64::MAX => vec![u64::MAX; count as usize],
                at => {
                    let bitmap = count * pages.div_ceil(8);
                    let bytes = block(file, at, PREFIX + offset + bitmap + 8 * count, b"EASB")?;
                    let (map, places) = bytes[(PREFIX + offset) as usize..].split_at(bitmap as usize);
                    written = map.to_vec();
                    places.chunks_exact(8).map(|a| number(a, 0, 8).unwrap_or(u64::MAX)).collect()
                }
            }
        };
        for (k, at) in places.into_iter().enumerate() {
            if found.len() >= wanted {
                break;
            }
            if at == u64::MAX {
                found.resize(found.len() + (length as usize).min(wanted), None);
                continue;
            }
            block(file, at, PREFIX, b"EADB")?;
            let first = at + PREFIX + offset;
            if pages == 0 {
                let some = length.min((wanted - found.len()) as u64);
                entries.take(&read(file, first, some * entries.bytes)?, &mut found)?;
            } else {
                let here = |page| bit(&written, k as u64 * pages + page);
                entries.pages(file, first + CHECKSUM, length, wanted, here, &mut found)?;
            }
        }
    }
    found.truncate(wanted);
    Ok(Some(found))
}
