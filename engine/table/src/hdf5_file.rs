//! HDF5: a group of 1-D data sets of one length, a column each; a 2-D data set `x` of width d is
//! the columns `x0` to `x{d-1}`.

use std::fs;
use std::path::Path;

use hdf5::plist::file_create::LinkCreationOrder;
use hdf5::types::{FixedAscii, FixedUnicode, FloatSize, IntSize, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Dataset, File, Group, H5Type, IndexType, IterationOrder};
use osteon_core::files;

use crate::DeepSurvFile;
use crate::cells::{Cells, Texts};
use crate::error::TableError;
use crate::table::{Column, Table};

/// Reads the data sets of the root or of a group as a table.
pub(crate) fn read(path: &Path, group: Option<&str>) -> Result<Table, TableError> {
    let file = open(path)?;
    let name = group.unwrap_or("/");
    let found = file.group(name).map_err(|e| match member_list(&file) {
        Ok(list) => wrong(path, format!("there is no group \"{name}\"; the file holds {list}")),
        Err(_) => wrong(path, e),
    })?;
    let table = read_group(path, &found)?;
    if table.columns().is_empty() {
        let list = member_list(&found)?;
        return Err(wrong(path, format!("\"{name}\" holds no data sets (it holds {list}); name a group")));
    }
    Ok(table)
}

/// Reads `train/{x,t,e}` and, if there is one, `test/{x,t,e}`; `None` if there is no such `train`.
pub(crate) fn read_deepsurv(path: &Path) -> Result<Option<DeepSurvFile>, TableError> {
    let file = open(path)?;
    let part = |name: &str| -> Result<Option<Table>, TableError> {
        if !file.link_exists(name) {
            return Ok(None);
        }
        let Ok(group) = file.group(name) else { return Ok(None) };
        if !["x", "t", "e"].iter().all(|part| group.link_exists(part)) {
            return Ok(None);
        }
        let mut columns = Vec::new();
        for part in ["x", "t", "e"] {
            let data = group.dataset(part).map_err(|e| wrong(path, e))?;
            let (shape, expected) = (data.ndim(), if part == "x" { 2 } else { 1 });
            if shape != expected {
                return Err(wrong(path, format!("{name}/{part} has {shape} dimensions, not {expected}")));
            }
            columns.extend(read_dataset(path, part, &data)?);
        }
        if let Some(text) = columns.iter().find(|c| matches!(c.cells, Cells::Text(_))) {
            return Err(wrong(path, format!("{name}/{} holds text where numbers belong", text.name)));
        }
        Table::new(path.join(name), columns).map(Some)
    };
    match part("train")? {
        None => Ok(None),
        Some(train) => Ok(Some(DeepSurvFile { train, test: part("test")? })),
    }
}

pub(crate) fn wrong(path: &Path, reason: impl ToString) -> TableError {
    TableError::format(path, "HDF5", reason)
}

pub(crate) fn open(path: &Path) -> Result<File, TableError> {
    // The library prints its error stack by itself otherwise; ours says the same once.
    hdf5::silence_errors(true);
    // A missing file is the file system's news, not HDF5's.
    fs::File::open(path).map_err(|source| TableError::io(path, source))?;
    File::open(path).map_err(|e| wrong(path, format!("not an HDF5 file, or truncated ({e})")))
}

/// Members of a group, in order of creation where the file remembers it, else by name.
fn members(group: &Group) -> hdf5::Result<Vec<String>> {
    let ordered = group.create_plist().is_ok_and(|p| p.link_creation_order() != LinkCreationOrder::Untracked);
    let index = if ordered { IndexType::CreationOrder } else { IndexType::Name };
    group.member_names_by(index, IterationOrder::Increasing)
}

pub(crate) fn member_list_names(group: &Group) -> Result<Vec<String>, TableError> {
    members(group).map_err(|e| wrong(Path::new(&group.filename()), e))
}

pub(crate) fn member_list(group: &Group) -> Result<String, TableError> {
    let names = member_list_names(group)?;
    Ok(if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
}

fn read_group(path: &Path, group: &Group) -> Result<Table, TableError> {
    let mut columns = Vec::new();
    for name in members(group).map_err(|e| wrong(path, e))? {
        let is_group = group.loc_type_by_name(&name).is_ok_and(|t| t == hdf5::LocationType::Group);
        if !is_group {
            let data = group.dataset(&name).map_err(|e| wrong(path, format!("{name}: {e}")))?;
            columns.extend(read_dataset(path, &name, &data)?);
        }
    }
    Table::new(path, columns)
}

fn read_dataset(path: &Path, name: &str, data: &Dataset) -> Result<Vec<Column>, TableError> {
    let shape = data.shape();
    let cells = read_cells(data).map_err(|reason| wrong(path, format!("data set \"{name}\": {reason}")))?;
    match (shape.as_slice(), cells) {
        (&[rows], cells) if cells.len() == rows => Ok(vec![Column { name: name.to_owned(), cells }]),
        (&[rows, width], cells) if cells.len() == rows * width => Ok((0..width)
            .map(|k| Column { name: format!("{name}{k}"), cells: every(&cells, k, width) })
            .collect()),
        _ => {
            Err(wrong(path, format!("data set \"{name}\" has shape {shape:?}; a column is 1-D, a block 2-D")))
        }
    }
}

/// Column `k` of a row-major block.
fn every(cells: &Cells, k: usize, width: usize) -> Cells {
    match cells {
        Cells::Text(v) => Cells::Text(v.iter().skip(k).step_by(width).collect()),
        Cells::Float(v) => Cells::Float(v.iter().skip(k).step_by(width).copied().collect()),
        Cells::Int(v) => Cells::Int(v.iter().skip(k).step_by(width).copied().collect()),
        Cells::Bool(v) => Cells::Bool(v.iter().skip(k).step_by(width).copied().collect()),
    }
}

/// All values in row-major order. The library converts exactly from narrower types.
fn read_cells(data: &Dataset) -> Result<Cells, String> {
    let kind = data.dtype().and_then(|t| t.to_descriptor()).map_err(|e| format!("unknown type ({e})"))?;
    Ok(match kind {
        TypeDescriptor::Float(FloatSize::U2 | FloatSize::U4 | FloatSize::U8) => {
            Cells::Float(raw::<f64>(data)?.into_iter().map(Some).collect())
        }
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(IntSize::U1 | IntSize::U2 | IntSize::U4) => {
            Cells::Int(raw::<i64>(data)?.into_iter().map(Some).collect())
        }
        TypeDescriptor::Unsigned(IntSize::U8) => {
            let fit = |v: u64| i64::try_from(v).map_err(|_| format!("{v} does not fit a signed integer"));
            Cells::Int(raw::<u64>(data)?.into_iter().map(|v| fit(v).map(Some)).collect::<Result<_, _>>()?)
        }
        TypeDescriptor::Boolean => Cells::Bool(raw::<bool>(data)?.into_iter().map(Some).collect()),
        TypeDescriptor::VarLenUnicode => texts(&raw::<VarLenUnicode>(data)?, VarLenUnicode::as_bytes)?,
        TypeDescriptor::VarLenAscii => texts(&raw::<VarLenAscii>(data)?, VarLenAscii::as_bytes)?,
        // The library pads a shorter text to the width asked for.
        TypeDescriptor::FixedAscii(0..=64) => texts(&raw::<FixedAscii<64>>(data)?, FixedAscii::as_bytes)?,
        TypeDescriptor::FixedAscii(0..=1024) => texts(&raw::<FixedAscii<1024>>(data)?, FixedAscii::as_bytes)?,
        TypeDescriptor::FixedUnicode(0..=64) => {
            texts(&raw::<FixedUnicode<64>>(data)?, FixedUnicode::as_bytes)?
        }
        TypeDescriptor::FixedUnicode(0..=1024) => {
            texts(&raw::<FixedUnicode<1024>>(data)?, FixedUnicode::as_bytes)?
        }
        other => return Err(format!("type {other} cannot be a table column")),
    })
}

fn raw<T: H5Type>(data: &Dataset) -> Result<Vec<T>, String> {
    data.read_raw::<T>().map_err(|e| format!("cannot be read, the file may be truncated ({e})"))
}

fn texts<T>(values: &[T], bytes: impl Fn(&T) -> &[u8]) -> Result<Cells, String> {
    let mut texts = Texts::new();
    for (row, value) in values.iter().enumerate() {
        let text = std::str::from_utf8(bytes(value)).map_err(|_| format!("row {} is not UTF-8", row + 1))?;
        texts.push(Some(text));
    }
    Ok(Cells::Text(texts))
}

/// Writes one data set per column into the root, in the table's order.
pub(crate) fn write(path: &Path, table: &Table) -> Result<(), TableError> {
    hdf5::silence_errors(true);
    let aside = files::aside(path);
    let done = (|| {
        // Says why a file cannot be made in words of the file system.
        fs::File::create(&aside).map_err(|source| TableError::io(path, source))?;
        write_columns(&aside, table).map_err(|e| wrong(path, e))?;
        let written = fs::File::open(&aside).and_then(|f| f.sync_all());
        written.and_then(|()| files::commit(&aside, path)).map_err(|source| TableError::io(path, source))
    })();
    if done.is_err() {
        let _ = fs::remove_file(&aside);
    }
    done
}

/// An empty file that remembers the order in which its members are made.
pub(crate) fn create(path: &Path) -> hdf5::Result<File> {
    hdf5::silence_errors(true);
    File::with_options().with_fcpl(|p| p.link_creation_order(LinkCreationOrder::Indexed)).create(path)
}

fn write_columns(path: &Path, table: &Table) -> hdf5::Result<()> {
    let file = create(path)?;
    fill(&file, table)?;
    file.close()
}

pub(crate) fn fill(file: &File, table: &Table) -> hdf5::Result<()> {
    for column in table.columns() {
        let put = file.new_dataset_builder();
        let name = column.name.as_str();
        match &column.cells {
            Cells::Float(values) => {
                let values: Vec<f64> = values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
                put.with_data(&values).create(name)?;
            }
            Cells::Int(values) => match values.iter().copied().collect::<Option<Vec<i64>>>() {
                Some(values) => drop(put.with_data(&values).create(name)?),
                None => drop(put.with_data(&with_nan(values, |v| v as f64)).create(name)?),
            },
            Cells::Bool(values) => match values.iter().copied().collect::<Option<Vec<bool>>>() {
                Some(values) => drop(put.with_data(&values).create(name)?),
                None => drop(put.with_data(&with_nan(values, |v| f64::from(u8::from(v)))).create(name)?),
            },
            Cells::Text(texts) => {
                let values = texts.iter().map(|t| t.unwrap_or_default().parse::<VarLenUnicode>());
                let values: Vec<_> = values.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
                put.with_data(&values).create(name)?;
            }
        }
    }
    Ok(())
}

/// HDF5 has no null: numbers with gaps become floats with NaN.
fn with_nan<T: Copy>(values: &[Option<T>], number: impl Fn(T) -> f64) -> Vec<f64> {
    values.iter().map(|v| v.map_or(f64::NAN, &number)).collect()
}
