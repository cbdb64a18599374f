//! Where the numbers of an HDF5 data set lie.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, Location};
use hdf5_sys::h5::{HADDR_UNDEF, hsize_t};
use hdf5_sys::h5d::H5Dget_chunk_info_by_coord;
use hdf5_sys::h5t::{H5Tget_class, H5Tget_fields, H5Tget_order, H5Tget_size};

use super::{Array, Chunk, Filter, Layout, Number};
use crate::error::TableError;
use crate::hdf5_file::{member_list, open, wrong};

/// Identifier of h5py's LZF among registered filters.
const LZF: i32 = 32000;
/// HDF5's class of floating-point types and its little-endian order.
const CLASS_FLOAT: i32 = 1;
const LITTLE_ENDIAN: i32 = 0;

/// Reads the index of the first data set of `names` that the file has.
///
/// # Errors
/// If the file is not HDF5, has none of them, or the one it has is not an array of floating-point numbers whose
/// bytes can be found and decoded.
pub fn read_array(path: &Path, names: &[&str]) -> Result<Array, TableError> {
    let file = open(path)?;
    let Some(name) = names.iter().find(|name| file.link_exists(name)) else {
        let list = member_list(&file)?;
        return Err(wrong(
            path,
            format!("there is no data set {}; the file holds {list}", names.join(" or ")),
        ));
    };
    let data = file.dataset(name).map_err(|e| wrong(path, format!("\"{name}\": {e}")))?;
    let fault = |reason: String| wrong(path, format!("data set \"{name}\": {reason}"));
    let number = number(&data).map_err(fault)?;
    let shape = data.shape();
    let layout = layout(&data, &shape, number).map_err(fault)?;
    let mut attributes = texts(&file);
    attributes.extend(texts(&data));
    Ok(Array { path: path.to_owned(), name: (*name).to_owned(), shape, number, layout, attributes })
}

fn number(data: &Dataset) -> Result<Number, String> {
    let kind = data.dtype().map_err(|e| e.to_string())?;
    let id = kind.id();
    let (mut exponent, mut mantissa) = (0, 0);
    let (mut unused, mut more, mut last) = (0, 0, 0);
    let (class, order, size) = hdf5::sync::sync(|| {
        // SAFETY: `id` is an open type, and the pointers are to locals of the right type.
        unsafe {
            H5Tget_fields(
                id,
                &raw mut unused,
                &raw mut more,
                &raw mut exponent,
                &raw mut last,
                &raw mut mantissa,
            );
            (H5Tget_class(id) as i32, H5Tget_order(id) as i32, H5Tget_size(id))
        }
    });
    if class != CLASS_FLOAT {
        return Err("it does not hold floating-point numbers".to_owned());
    }
    if order != LITTLE_ENDIAN {
        return Err("its numbers are big-endian, which is not supported".to_owned());
    }
    match (size, exponent, mantissa) {
        (2, 5, 10) => Ok(Number::F16),
        (2, 8, 7) => Ok(Number::Bf16),
        (4, 8, 23) => Ok(Number::F32),
        (8, 11, 52) => Ok(Number::F64),
        _ => Err(format!("its numbers have {size} bytes with {exponent} bits of exponent, an unknown type")),
    }
}

fn layout(data: &Dataset, shape: &[usize], number: Number) -> Result<Layout, String> {
    let empty = shape.is_empty() || shape.contains(&0);
    if empty {
        return Ok(Layout::Contiguous { at: 0 });
    }
    let unwritten =
        || "it was created but never written; the program that made it may have been stopped".to_owned();
    let Some(chunk) = data.chunk() else {
        let at = data.offset().ok_or_else(unwritten)?;
        return Ok(Layout::Contiguous { at });
    };
    let filters = data.filters().into_iter().map(filter).collect::<Result<Vec<_>, _>>()?;
    let (columns, rows) = match chunk.split_last() {
        Some((&columns, [])) => (columns, 1),
        Some((&columns, rest)) if rest[..rest.len() - 1].iter().all(|&r| r == 1) => {
            (columns, rest[rest.len() - 1])
        }
        _ => return Err(format!("chunks of shape {chunk:?} are not supported")),
    };
    if shape.len() > 2 && shape[..shape.len() - 2].iter().any(|&extent| extent != 1) {
        return Err(format!("shape {shape:?} is more than one slide"));
    }
    let height = if shape.len() < 2 { 1 } else { shape[shape.len() - 2] };
    let width = shape[shape.len() - 1];
    let mut chunks = Vec::with_capacity(height.div_ceil(rows) * width.div_ceil(columns));
    let mut coordinate: Vec<hsize_t> = vec![0; shape.len()];
    let rank = shape.len();
    for row in (0..height).step_by(rows) {
        for column in (0..width).step_by(columns) {
            if rank > 1 {
                coordinate[rank - 2] = row as hsize_t;
            }
            coordinate[rank - 1] = column as hsize_t;
            let (mut skipped, mut at, mut bytes) = (0, 0, 0);
            let status = hdf5::sync::sync(|| {
                // SAFETY: the data set is open, the coordinate has its rank, the rest are locals.
                unsafe {
                    H5Dget_chunk_info_by_coord(
                        data.id(),
                        coordinate.as_ptr(),
                        &raw mut skipped,
                        &raw mut at,
                        &raw mut bytes,
                    )
                }
            });
            if status < 0 || at == HADDR_UNDEF {
                return Err(format!(
                    "its rows from {row} on were never written; the program that made it may have been stopped"
                ));
            }
            chunks.push(Chunk { at, bytes, skipped });
        }
    }
    let size = (rows * columns * number.bytes()) as u64;
    if filters.is_empty() && chunks.iter().any(|c| c.bytes != size) {
        return Err("a chunk has not the size of its shape; the file is damaged".to_owned());
    }
    Ok(Layout::Chunked { rows, columns, chunks, filters })
}

fn filter(filter: hdf5::filters::Filter) -> Result<Filter, String> {
    use hdf5::filters::Filter as Known;
    Ok(match filter {
        Known::Deflate(_) => Filter::Deflate,
        Known::Shuffle => Filter::Shuffle,
        Known::Fletcher32 => Filter::Fletcher32,
        Known::User(LZF, _) => Filter::Lzf,
        other => {
            return Err(format!(
                "it is coded by {other:?}, which is not supported (gzip, shuffle, fletcher32 and lzf are)"
            ));
        }
    })
}

/// Attributes that are one text, number or truth value.
fn texts(place: &Location) -> BTreeMap<String, String> {
    let names = place.attr_names().unwrap_or_default();
    let text = |name: String| {
        let attribute = place.attr(&name).ok()?;
        text(&attribute).map(|text| (name, text))
    };
    names.into_iter().filter_map(text).collect()
}

fn text(attribute: &Attribute) -> Option<String> {
    if attribute.size() != 1 {
        return None;
    }
    let kind = attribute.dtype().ok()?.to_descriptor().ok()?;
    match kind {
        TypeDescriptor::VarLenUnicode => {
            Some(attribute.read_scalar::<VarLenUnicode>().ok()?.as_str().to_owned())
        }
        TypeDescriptor::VarLenAscii => Some(attribute.read_scalar::<VarLenAscii>().ok()?.as_str().to_owned()),
        TypeDescriptor::FixedAscii(_) => {
            Some(attribute.read_scalar::<hdf5::types::FixedAscii<256>>().ok()?.as_str().to_owned())
        }
        TypeDescriptor::FixedUnicode(_) => {
            Some(attribute.read_scalar::<hdf5::types::FixedUnicode<256>>().ok()?.as_str().to_owned())
        }
        TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_) => {
            Some(attribute.read_scalar::<i64>().ok()?.to_string())
        }
        TypeDescriptor::Float(_) => Some(attribute.read_scalar::<f64>().ok()?.to_string()),
        TypeDescriptor::Boolean => Some(attribute.read_scalar::<bool>().ok()?.to_string()),
        _ => None,
    }
}
