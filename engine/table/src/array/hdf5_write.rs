//! Arrays that read at disk speed: contiguous data sets.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use half::f16;
use hdf5::plist::dataset_create::AllocTime;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, H5Type, Location};
use hdf5_sys::h5o::H5Ocopy;
use hdf5_sys::h5p::H5P_DEFAULT;
use osteon_core::files;

use super::{Block, Number};
use crate::error::TableError;
use crate::hdf5_file::{create, fill, member_list_names, open, wrong};
use crate::table::{Column, Table};

/// A data set `[rows, columns]` that is written row after row.
#[derive(Debug)]
pub struct ArrayWriter {
    path: PathBuf,
    aside: PathBuf,
    file: File,
    at: u64,
    end: u64,
}

impl ArrayWriter {
    /// Creates the file aside with room for the array. Everything else in the file `like`, and its attributes,
    /// is copied; bfloat16 has no HDF5 type and is refused.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn create(
        path: &Path,
        name: &str,
        rows: usize,
        columns: usize,
        number: Number,
        attributes: &BTreeMap<String, String>,
        like: Option<(&Path, &str)>,
    ) -> Result<Self, TableError> {
        let aside = files::aside(path);
        let made = (|| {
            File::create(&aside).map_err(|source| TableError::io(path, source))?;
            let at = prepare(&aside, name, [rows, columns], number, attributes, like)?;
            let file = File::options().write(true).open(&aside).map_err(|s| TableError::io(path, s))?;
            Ok((file, at))
        })();
        match made {
            Ok((file, at)) => {
                let end = at + (rows * columns * number.bytes()) as u64;
                Ok(Self { path: path.to_owned(), aside, file, at, end })
            }
            Err(e) => {
                let _ = fs::remove_file(&aside);
                Err(e)
            }
        }
    }

    /// Writes the next rows.
    ///
    /// # Errors
    /// If the file system refuses.
    ///
    /// # Panics
    /// If there are more rows than the array has.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        assert!(self.at + bytes.len() as u64 <= self.end, "more rows than were announced");
        self.file.write_all_at(bytes, self.at).map_err(|source| TableError::io(&self.path, source))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Completes the file under its name.
    ///
    /// # Errors
    /// If the file system refuses.
    ///
    /// # Panics
    /// If rows are missing.
    pub fn finish(self) -> Result<(), TableError> {
        assert_eq!(self.at, self.end, "rows are missing");
        let done = self.file.sync_all().and_then(|()| files::commit(&self.aside, &self.path));
        done.map_err(|source| TableError::io(&self.path, source))
    }
}

impl Drop for ArrayWriter {
    fn drop(&mut self) {
        // Gone already where it was finished.
        let _ = fs::remove_file(&self.aside);
    }
}

/// Lays out the file and gives the place of the first number.
fn prepare(
    aside: &Path,
    name: &str,
    shape: [usize; 2],
    number: Number,
    attributes: &BTreeMap<String, String>,
    like: Option<(&Path, &str)>,
) -> Result<u64, TableError> {
    let fault = |e: hdf5::Error| wrong(aside, e);
    let file = create(aside).map_err(fault)?;
    if let Some((source, but)) = like {
        let source_file = open(source)?;
        for member in member_list_names(&source_file)?.into_iter().filter(|m| m != but) {
            copy(&source_file, &file, &member).map_err(|reason| wrong(source, reason))?;
        }
    }
    let data = match number {
        Number::F16 => dataset::<f16>(&file, name, shape),
        Number::F32 => dataset::<f32>(&file, name, shape),
        Number::F64 => dataset::<f64>(&file, name, shape),
        Number::Bf16 => return Err(wrong(aside, "bfloat16 has no HDF5 type; write float32")),
    };
    let data = data.map_err(fault)?;
    for (key, value) in attributes {
        attribute(&data, key, value).map_err(fault)?;
    }
    let at = data.offset();
    drop(data);
    file.close().map_err(fault)?;
    match at {
        Some(at) => Ok(at),
        None if shape.contains(&0) => Ok(0),
        None => Err(wrong(aside, "the library gave the array no place")),
    }
}

fn dataset<T: H5Type>(file: &hdf5::File, name: &str, shape: [usize; 2]) -> hdf5::Result<Dataset> {
    file.new_dataset::<T>().alloc_time(Some(AllocTime::Early)).no_chunk().shape(shape).create(name)
}

/// Writes a text, or a number where the text is one.
fn attribute(place: &Location, key: &str, value: &str) -> hdf5::Result<()> {
    if let Ok(number) = value.parse::<i64>() {
        return place.new_attr::<i64>().create(key)?.write_scalar(&number);
    }
    let text: VarLenUnicode = value.parse().map_err(|e| format!("{e:?}"))?;
    place.new_attr::<VarLenUnicode>().create(key)?.write_scalar(&text)
}

fn copy(from: &hdf5::File, to: &hdf5::File, member: &str) -> Result<(), String> {
    let name = CString::new(member).map_err(|e| e.to_string())?;
    let status = hdf5::sync::sync(|| {
        // SAFETY: both files are open and the name ends with a zero.
        unsafe { H5Ocopy(from.id(), name.as_ptr(), to.id(), name.as_ptr(), H5P_DEFAULT, H5P_DEFAULT) }
    });
    if status < 0 { Err(format!("\"{member}\" cannot be copied")) } else { Ok(()) }
}

/// Writes columns as 1-D data sets and blocks as 2-D ones, with attributes of the file. [`crate::read`] gives the
/// same table as if every column of a block had been written by itself.
///
/// # Errors
/// If the file cannot be written.
pub fn write_blocks(
    path: &Path,
    columns: &[Column],
    blocks: &[Block],
    attributes: &BTreeMap<String, String>,
) -> Result<(), TableError> {
    let aside = files::aside(path);
    let table = Table::new(path, columns.to_vec())?;
    let done = (|| {
        File::create(&aside).map_err(|source| TableError::io(path, source))?;
        let write = || -> hdf5::Result<()> {
            let file = create(&aside)?;
            fill(&file, &table)?;
            for block in blocks {
                let shape = [block.values.len() / block.width.max(1), block.width];
                let data = file.new_dataset::<f64>().no_chunk().shape(shape).create(block.name.as_str())?;
                data.write_raw(&block.values)?;
            }
            for (key, value) in attributes {
                attribute(&file, key, value)?;
            }
            file.close()
        };
        write().map_err(|e| wrong(path, e))?;
        let written = File::open(&aside).and_then(|f| f.sync_all());
        written.and_then(|()| files::commit(&aside, path)).map_err(|source| TableError::io(path, source))
    })();
    if done.is_err() {
        let _ = fs::remove_file(&aside);
    }
    done
}
