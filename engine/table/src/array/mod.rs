//! Large 2-D arrays of floating-point numbers, read in blocks of rows.
//!
//! Only what an array is, and how it is coded, is asked of the HDF5 library, which does one thing at a time. The bytes are read and decoded here, by as many threads as the rayon pool has.

#[cfg(feature = "hdf5")]
mod chunk_array;
#[cfg(feature = "hdf5")]
mod chunk_tree;
mod filters;
#[cfg(feature = "hdf5")]
mod hdf5_index;
#[cfg(feature = "hdf5")]
mod hdf5_write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::TableError;
pub(crate) use filters::Filter;
#[cfg(feature = "hdf5")]
pub use hdf5_index::{read_array, read_numbers};
#[cfg(feature = "hdf5")]
pub use hdf5_write::{ArrayWriter, write_blocks};

/// Types of numbers in an array; little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Number {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Name, as NumPy and PyTorch spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }
}

/// Numbers side by side in a table: row-major `[rows, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Name of the data set; the columns are the name with a number from 0.
    pub name: String,
    /// Columns.
    pub width: usize,
    /// Values.
    pub values: Vec<f64>,
}

/// Numbers of a small array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Its shape.
    pub shape: Vec<usize>,
    /// The numbers, whatever their type in the file.
    pub values: Vec<f64>,
}

/// A piece of an array that is stored by itself.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// First byte in the file.
    at: u64,
    /// Bytes in the file.
    bytes: u64,
    /// Filters, by their place in the list, that were left out.
    skipped: u32,
}

/// Where the numbers of an array lie.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Row after row.
    Contiguous { at: u64 },
    /// In chunks of `rows` by `columns`, row-major over the grid of chunks.
    Chunked { rows: usize, columns: usize, chunks: Vec<Chunk>, filters: Vec<Filter> },
}

/// An array in a file: `[rows, columns]`, whatever its rank there.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    path: PathBuf,
    name: String,
    shape: Vec<usize>,
    number: Number,
    layout: Layout,
    attributes: BTreeMap<String, String>,
}

impl Array {
    /// An array that lies row after row from byte `at` of a file.
    pub fn contiguous(path: &Path, name: &str, shape: &[usize], number: Number, at: u64) -> Self {
        Self {
            path: path.to_owned(),
            name: name.to_owned(),
            shape: shape.to_vec(),
            number,
            layout: Layout::Contiguous { at },
            attributes: BTreeMap::new(),
        }
    }

    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shape in the file, of any rank.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of its numbers.
    pub fn number(&self) -> Number {
        self.number
    }

    /// Rows: the extent of all dimensions but the last.
    pub fn rows(&self) -> usize {
        match self.shape.split_last() {
            Some((_, [])) | None => 1,
            Some((_, rest)) => rest.iter().product(),
        }
    }

    /// Columns: the extent of the last dimension.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Attributes of the data set and, where it has none of a name, of the file, as text.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// Rows that are best read at once: a multiple is read without decoding anything twice.
    pub fn stride(&self) -> usize {
        match &self.layout {
            Layout::Contiguous { .. } => 1,
            Layout::Chunked { rows, .. } => *rows,
        }
    }

    /// Whether rows can be read at the speed of the file system.
    pub fn is_contiguous(&self) -> bool {
        matches!(self.layout, Layout::Contiguous { .. })
    }

    /// Opens the file for reading rows.
    ///
    /// # Errors
    /// If it is gone, or shorter than the array.
    pub fn open(&self) -> Result<Rows<'_>, TableError> {
        let file = File::open(&self.path).map_err(|source| TableError::io(&self.path, source))?;
        let length = file.metadata().map_err(|source| TableError::io(&self.path, source))?.len();
        let row = (self.columns() * self.number.bytes()) as u64;
        let end = match &self.layout {
            Layout::Contiguous { at } => {
                (self.rows() as u64).checked_mul(row).and_then(|n| n.checked_add(*at))
            }
            Layout::Chunked { chunks, .. } => {
                chunks.iter().try_fold(0u64, |end, c| Some(end.max(c.at.checked_add(c.bytes)?)))
            }
        };
        match end {
            Some(end) if end <= length => Ok(Rows { array: self, file }),
            _ => Err(self.wrong(format!(
                "the file has {length} bytes, less than its {} by {} {} need; it is truncated",
                self.rows(),
                self.columns(),
                self.number.name()
            ))),
        }
    }

    fn wrong(&self, reason: impl std::fmt::Display) -> TableError {
        TableError::format(&self.path, "array", format!("\"{}\": {reason}", self.name))
    }
}

/// An array whose file is open.
#[derive(Debug)]
pub struct Rows<'a> {
    array: &'a Array,
    file: File,
}

impl Rows<'_> {
    /// Appends the bytes of the rows `start..end` to `out`.
    ///
    /// # Errors
    /// If the file cannot be read, or a chunk cannot be decoded.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn read(&self, start: usize, end: usize, out: &mut Vec<u8>) -> Result<(), TableError> {
        let array = self.array;
        assert!(start <= end && end <= array.rows(), "rows {start}..{end} of {}", array.rows());
        let row = array.columns() * array.number.bytes();
        let begin = out.len();
        out.resize(begin + (end - start) * row, 0);
        if start == end || row == 0 {
            return Ok(());
        }
        let out = &mut out[begin..];
        match &array.layout {
            Layout::Contiguous { at } => self.bytes(out, at + (start * row) as u64),
            Layout::Chunked { rows, columns, chunks, filters } => {
                if filters.is_empty() && *columns == array.columns() {
                    return self.plain(*rows, chunks, start, out);
                }
                let across = array.columns().div_ceil(*columns);
                let size = rows * columns * array.number.bytes();
                // A band is a row of chunks; each is decoded by one thread.
                let bands: Vec<usize> = (start / rows..end.div_ceil(*rows)).collect();
                let parts = split(out, &bands, *rows, start, end, row);
                parts.into_par_iter().zip(&bands).try_for_each(|(part, &band)| {
                    let mut coded = Vec::new();
                    for column in 0..across {
                        let chunk = &chunks[band * across + column];
                        coded.resize(chunk.bytes as usize, 0);
                        self.bytes(&mut coded, chunk.at)?;
                        let bytes = array.number.bytes();
                        let plain =
                            filters::decode(filters, chunk.skipped, &coded, size, bytes).map_err(|e| {
                                array.wrong(format!("chunk {column} of rows {}: {e}", band * rows))
                            })?;
                        let (from, to) = (column * columns, ((column + 1) * columns).min(array.columns()));
                        let first = start.max(band * rows) - band * rows;
                        for (r, target) in part.chunks_exact_mut(row).enumerate() {
                            let source = &plain[(first + r) * columns * bytes..][..(to - from) * bytes];
                            target[from * bytes..to * bytes].copy_from_slice(source);
                        }
                    }
                    Ok(())
                })
            }
        }
    }

    /// Rows of chunks that are whole rows and not coded: neighbours in the file are read at once.
    fn plain(&self, rows: usize, chunks: &[Chunk], start: usize, out: &mut [u8]) -> Result<(), TableError> {
        let row = self.array.columns() * self.array.number.bytes();
        let place = |r: usize| {
            let chunk = &chunks[r / rows];
            chunk.at + (r % rows * row) as u64
        };
        let mut done = 0;
        let count = out.len() / row;
        while done < count {
            let at = place(start + done);
            let mut run = 1;
            while done + run < count && place(start + done + run) == at + (run * row) as u64 {
                run += 1;
            }
            self.bytes(&mut out[done * row..(done + run) * row], at)?;
            done += run;
        }
        Ok(())
    }

    fn bytes(&self, out: &mut [u8], at: u64) -> Result<(), TableError> {
        self.file.read_exact_at(out, at).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.array.wrong("the file ended while it was read"),
            _ => TableError::io(&self.array.path, source),
        })
    }
}

/// The bytes of each band of chunks.
fn split<'o>(
    mut out: &'o mut [u8],
    bands: &[usize],
    rows: usize,
    start: usize,
    end: usize,
    row: usize,
) -> Vec<&'o mut [u8]> {
    let mut parts = Vec::with_capacity(bands.len());
    for band in bands {
        let count = ((band + 1) * rows).min(end) - (band * rows).max(start);
        let (part, rest) = out.split_at_mut(count * row);
        parts.push(part);
        out = rest;
    }
    parts
}

#[cfg(not(feature = "hdf5"))]
/// Reads the index of an array; this build has no HDF5.
///
/// # Errors
/// Always.
pub fn read_array(path: &Path, _names: &[&str]) -> Result<Array, TableError> {
    Err(TableError::Feature { path: path.to_owned(), feature: "hdf5" })
}

/// Reads a small array; this build has no HDF5.
///
/// # Errors
/// Always.
#[cfg(not(feature = "hdf5"))]
pub fn read_numbers(path: &Path, _name: &str) -> Result<Option<Numbers>, TableError> {
    Err(TableError::Feature { path: path.to_owned(), feature: "hdf5" })
}

/// Writes columns and blocks; this build has no HDF5.
///
/// # Errors
/// Always.
#[cfg(not(feature = "hdf5"))]
pub fn write_blocks(
    path: &Path,
    _columns: &[crate::Column],
    _blocks: &[Block],
    _attributes: &BTreeMap<String, String>,
) -> Result<(), TableError> {
    Err(TableError::Feature { path: path.to_owned(), feature: "hdf5" })
}
