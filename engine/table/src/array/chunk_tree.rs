//! The chunks of a data set from the B-tree in the file (HDF5 File Format Specification 3.0, III.A.1 and IV.A).
//!
//! HDF5 1.10 visits every chunk to find one (`H5Dget_chunk_info_by_coord`), which takes seconds where each tile is
//! a chunk. The tree holds all of them in a few hundred nodes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{Chunk, chunk_array};

/// Messages of an object header: where the data are, and where more messages are.
const LAYOUT: u16 = 0x08;
const CONTINUATION: u16 = 0x10;
/// Most blocks of messages of a data set that are read, and most bytes of one.
const MOST_BLOCKS: usize = 1 << 10;
const LARGEST_BLOCK: u64 = 1 << 24;

/// How the chunks of a data set tile it: all extents but the last two are 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Dimensions of the data set.
    pub rank: usize,
    /// Extent of a chunk.
    pub rows: usize,
    pub columns: usize,
    /// Bytes of a chunk that is not filtered.
    pub size: u64,
    /// Whether rows are all that may be added to the data set.
    pub grows_down: bool,
    /// Chunks of a column and of a row of chunks.
    pub down: usize,
    pub across: usize,
}

impl Grid {
    /// The place of a chunk in the list: row-major. `None` beyond the extent, where a tree may keep chunks.
    fn place(&self, first: &[u64]) -> Result<Option<usize>, String> {
        let (&column, before) = first.split_last().ok_or_else(damaged)?;
        let (&row, outer) = before.split_last().unwrap_or((&0, &[]));
        let (rows, columns) = (self.rows as u64, self.columns as u64);
        if row % rows != 0 || column % columns != 0 {
            return Err(damaged());
        }
        let (row, column) = (row / rows, column / columns);
        let inside = row < self.down as u64 && column < self.across as u64 && outer.iter().all(|&o| o == 0);
        Ok(inside.then(|| row as usize * self.across + column as usize))
    }
}

pub(super) fn damaged() -> String {
    "the index of its chunks is damaged".to_owned()
}

pub(super) fn read(file: &File, at: u64, bytes: u64) -> Result<Vec<u8>, String> {
    let mut block = vec![0; bytes as usize];
    file.read_exact_at(&mut block, at)
        .map_err(|e| format!("the index of its chunks cannot be read ({e})"))?;
    Ok(block)
}

pub(super) fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut number = [0; 8];
    number[..size].copy_from_slice(bytes.get(at..at + size)?);
    Some(u64::from_le_bytes(number))
}

/// The chunks of the data set whose object header is at `header`, row-major over the grid; what was never written is
/// `None`. `Ok(None)` if the file is not of the kind read here (versions of the layout before 3, indices of version 4
/// that [`chunk_array`] does not read, a user block, addresses that are not of 64 bits): the library must be asked then.
pub(super) fn chunks(file: &File, header: u64, grid: Grid) -> Result<Option<Vec<Option<Chunk>>>, String> {
    if !plain_addresses(file)? {
        return Ok(None);
    }
    let Some(message) = layout(file, header)? else { return Ok(None) };
    if message.starts_with(&[4]) {
        // The places in an array are counted over the largest extent.
        return if grid.grows_down { chunk_array::chunks(file, &message, grid) } else { Ok(None) };
    }
    let Some(root) = tree(&message, grid.rank)? else { return Ok(None) };
    let mut found = vec![None; grid.down * grid.across];
    if root != u64::MAX {
        let mut nodes = 2 * found.len() + 256;
        visit(file, root, None, grid, &mut nodes, &mut found)?;
    }
    Ok(Some(found))
}

/// Whether the file starts with its superblock and has addresses and lengths of 64 bits.
fn plain_addresses(file: &File) -> Result<bool, String> {
    let block = read(file, 0, 48)?;
    if !block.starts_with(b"\x89HDF\r\n\x1a\n") {
        return Ok(false);
    }
    let (sizes, base) = match block[8] {
        0 => (13, 24),
        1 => (13, 28),
        2 | 3 => (9, 12),
        _ => return Ok(false),
    };
    Ok(block[sizes..sizes + 2] == [8, 8] && number(&block, base, 8) == Some(0))
}

/// The message of the layout in an object header.
fn layout(file: &File, header: u64) -> Result<Option<Vec<u8>>, String> {
    let start = read(file, header, 16)?;
    let second = start.starts_with(b"OHDR");
    // Length of the head of a message, and the bytes around the messages of a further block.
    let (head, around, first) = if second {
        let flags = start[5];
        let times = if flags & 0x20 != 0 { 16 } else { 0 };
        let phases = if flags & 0x10 != 0 { 4 } else { 0 };
        let size = 1usize << (flags & 3);
        let prefix = 6 + times + phases;
        let bytes = read(file, header + prefix as u64, size as u64)?;
        let length = number(&bytes, 0, size).ok_or_else(damaged)?;
        (if flags & 4 != 0 { 6 } else { 4 }, 4, (header + (prefix + size) as u64, length))
    } else if start[0] == 1 {
        (8, 0, (header + 16, number(&start, 8, 4).ok_or_else(damaged)?))
    } else {
        return Ok(None);
    };
    let mut blocks = vec![first];
    let mut next = 0;
    while let Some(&(at, length)) = blocks.get(next) {
        next += 1;
        if length > LARGEST_BLOCK || next > MOST_BLOCKS {
            return Err(damaged());
        }
        let block = read(file, at, length)?;
        let mut rest = &block[..];
        while rest.len() >= head {
            let (kind, size) = if second {
                (u16::from(rest[0]), u16::from_le_bytes([rest[1], rest[2]]))
            } else {
                (u16::from_le_bytes([rest[0], rest[1]]), u16::from_le_bytes([rest[2], rest[3]]))
            };
            let body = rest.get(head..head + usize::from(size)).ok_or_else(damaged)?;
            match kind {
                LAYOUT => return Ok(Some(body.to_vec())),
                CONTINUATION => {
                    let at = number(body, 0, 8).ok_or_else(damaged)?;
                    let length = number(body, 8, 8).ok_or_else(damaged)?;
                    let inner = length.checked_sub(2 * around).ok_or_else(damaged)?;
                    blocks.push((at.checked_add(around).ok_or_else(damaged)?, inner));
                }
                _ => {}
            }
            rest = &rest[head + usize::from(size)..];
        }
    }
    Ok(None)
}

/// Address of the root of the tree of a data set of `rank` dimensions, all ones if there are no chunks: a layout of
/// version 3, class 2 (chunks).
fn tree(body: &[u8], rank: usize) -> Result<Option<u64>, String> {
    if !body.starts_with(&[3, 2]) {
        return Ok(None);
    }
    // The bytes of a number count as a dimension.
    if body.get(2).map(|&d| usize::from(d)) != Some(rank + 1) {
        return Err(damaged());
    }
    number(body, 3, 8).ok_or_else(damaged).map(Some)
}

/// The chunks below a node, whose level must be one below that of its parent; `nodes` bounds what a damaged tree can
/// make of this.
fn visit(
    file: &File,
    at: u64,
    level: Option<u8>,
    grid: Grid,
    nodes: &mut usize,
    found: &mut [Option<Chunk>],
) -> Result<(), String> {
    *nodes = nodes.checked_sub(1).ok_or_else(damaged)?;
    let head = read(file, at, 24)?;
    if !head.starts_with(b"TREE\x01") || level.is_some_and(|l| l != head[5]) {
        return Err(damaged());
    }
    // A key is the size of a chunk, the filters left out, and the first element with the offset in it.
    let key = 8 + 8 * (grid.rank + 1);
    let entry = key + 8;
    let count = u16::from_le_bytes([head[6], head[7]]);
    let entries = read(file, at + 24, u64::from(count) * entry as u64)?;
    let mut first = vec![0; grid.rank];
    for entry in entries.chunks_exact(entry) {
        let child = number(entry, key, 8).ok_or_else(damaged)?;
        if let Some(below) = head[5].checked_sub(1) {
            visit(file, child, Some(below), grid, nodes, found)?;
            continue;
        }
        for (k, first) in first.iter_mut().enumerate() {
            *first = number(entry, 8 + 8 * k, 8).ok_or_else(damaged)?;
        }
        if let Some(place) = grid.place(&first)? {
            let bytes = number(entry, 0, 4).ok_or_else(damaged)?;
            let skipped = number(entry, 4, 4).ok_or_else(damaged)? as u32;
            found[place] = Some(Chunk { at: child, bytes, skipped });
        }
    }
    Ok(())
}
