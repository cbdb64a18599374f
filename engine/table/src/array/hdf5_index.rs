//! Where the numbers of an HDF5 data set lie.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, Dataset, Location, ObjectReference, ObjectReference1};
use hdf5_sys::h5::{HADDR_UNDEF, hsize_t};
use hdf5_sys::h5d::H5Dget_chunk_info_by_coord;
use hdf5_sys::h5r::hobj_ref_t;
use hdf5_sys::h5t::{H5Tget_class, H5Tget_fields, H5Tget_order, H5Tget_size};

use super::chunk_tree::{self, Grid};
use super::{Array, Chunk, Filter, Layout, Number, Numbers};
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
    if data.filename() != file.filename() {
        return Err(fault(format!("it is a link to {}; name that file", data.filename())));
    }
    let number = number(&data).map_err(fault)?;
    let shape = data.shape();
    let bytes = fs::File::open(path).map_err(|source| TableError::io(path, source))?;
    let layout = layout(&bytes, &data, &shape, number).map_err(fault)?;
    let mut attributes = texts(&file);
    attributes.extend(texts(&data));
    Ok(Array { path: path.to_owned(), name: (*name).to_owned(), shape, number, layout, attributes })
}

/// Reads all of a small array of numbers of any type; `None` where the file has no data set of that name.
///
/// # Errors
/// If the file is not HDF5, or the data set holds no numbers.
pub fn read_numbers(path: &Path, name: &str) -> Result<Option<Numbers>, TableError> {
    let file = open(path)?;
    if !file.link_exists(name) {
        return Ok(None);
    }
    let read = file
        .dataset(name)
        .and_then(|data| Ok(Numbers { shape: data.shape(), values: data.read_raw::<f64>()? }));
    read.map(Some).map_err(|e| wrong(path, format!("data set \"{name}\": {e}")))
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

fn layout(file: &fs::File, data: &Dataset, shape: &[usize], number: Number) -> Result<Layout, String> {
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
    let grid = Grid {
        rank: shape.len(),
        rows,
        columns,
        size: (rows * columns * number.bytes()) as u64,
        grows_down: grows_down(data)?,
        down: height.div_ceil(rows),
        across: width.div_ceil(columns),
    };
    let found = match chunk_tree::chunks(file, header(data)?, grid)? {
        Some(found) => found,
        None => asked(data, grid),
    };
    let mut chunks = Vec::with_capacity(found.len());
    for (k, chunk) in found.into_iter().enumerate() {
        let row = k / grid.across * rows;
        chunks.push(chunk.ok_or_else(|| {
            format!(
                "its rows from {row} on were never written; the program that made it may have been stopped"
            )
        })?);
    }
    if filters.is_empty() && chunks.iter().any(|c| c.bytes != grid.size) {
        return Err("a chunk has not the size of its shape; the file is damaged".to_owned());
    }
    Ok(Layout::Chunked { rows, columns, chunks, filters })
}

/// Whether a data set may grow by rows alone.
fn grows_down(data: &Dataset) -> Result<bool, String> {
    let most = data.space().map_err(|e| e.to_string())?.maxdims();
    let now = data.shape();
    let may_grow = |k: usize| now.len() >= 2 && k == now.len() - 2;
    Ok((0..now.len()).all(|k| may_grow(k) || most[k] == Some(now[k])))
}

/// Address of the object header: what an object reference holds in every version of HDF5.
fn header(data: &Dataset) -> Result<u64, String> {
    let reference = ObjectReference1::create(data, ".").map_err(|e| e.to_string())?;
    // SAFETY: the pointer is to the address that the reference consists of.
    Ok(unsafe { *reference.ptr().cast::<hobj_ref_t>() })
}

/// The chunks as the library tells them, one after the other; `None` where there is none.
fn asked(data: &Dataset, grid: Grid) -> Vec<Option<Chunk>> {
    let mut coordinate: Vec<hsize_t> = vec![0; grid.rank];
    let ask = |k: usize| {
        if let [.., row, _] = coordinate.as_mut_slice() {
            *row = (k / grid.across * grid.rows) as hsize_t;
        }
        coordinate[grid.rank - 1] = (k % grid.across * grid.columns) as hsize_t;
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
        (status >= 0 && at != HADDR_UNDEF).then_some(Chunk { at, bytes, skipped })
    };
    (0..grid.down * grid.across).map(ask).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(chunk: &[usize], data: &Dataset) -> Grid {
        let shape = data.shape();
        let [rows, columns] = [chunk[chunk.len() - 2], chunk[chunk.len() - 1]];
        let (down, across) =
            (shape[shape.len() - 2].div_ceil(rows), shape[shape.len() - 1].div_ceil(columns));
        let size = (rows * columns * 4) as u64;
        Grid {
            rank: shape.len(),
            rows,
            columns,
            size,
            grows_down: grows_down(data).expect("extents"),
            down,
            across,
        }
    }

    /// Chunks from the index in the file.
    fn direct(file: &hdf5::File, chunk: &[usize], data: &Dataset) -> Option<Vec<Option<Chunk>>> {
        file.flush().expect("flushed");
        let bytes = fs::File::open(file.filename()).expect("the file");
        let at = header(data).expect("an address");
        chunk_tree::chunks(&bytes, at, grid(chunk, data)).expect("an index")
    }

    /// Chunks from the index in the file and from the library, which takes long for many.
    fn both(
        file: &hdf5::File,
        chunk: &[usize],
        data: &Dataset,
    ) -> (Option<Vec<Option<Chunk>>>, Vec<Option<Chunk>>) {
        (direct(file, chunk, data), asked(data, grid(chunk, data)))
    }

    #[test]
    fn the_tree_tells_what_the_library_tells() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = hdf5::File::create(dir.path().join("a.h5")).expect("a file");
        // Three levels of nodes; several columns of chunks with filters; rank 3; chunks that reach beyond the end.
        for (name, shape, chunk, gzip) in [
            ("deep", vec![5000, 3], vec![1, 3], false),
            ("tiles", vec![70, 21], vec![8, 5], true),
            ("batch", vec![1, 300, 4], vec![1, 7, 4], true),
        ] {
            let builder = file.new_dataset::<f32>().chunk(chunk.clone()).shape(shape.clone());
            let builder = if gzip { builder.shuffle().deflate(3) } else { builder };
            let data = builder.create(name).expect("a data set");
            // So many that their messages do not fit into the first block of the header.
            for k in 0..40 {
                data.new_attr::<i64>().create(format!("a{k}").as_str()).expect("an attribute");
            }
            let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|k| (k % 97) as f32).collect();
            data.write_raw(&values).expect("numbers");
            let (tree, library) = both(&file, &chunk, &data);
            assert!(library.iter().all(Option::is_some));
            assert_eq!(tree.expect("a tree of version 1"), library, "{name}");
        }
        // Chunks without data are missing in both.
        let data =
            file.new_dataset::<f32>().chunk([2, 2]).shape((8.., 4)).create("part").expect("a data set");
        let (tree, library) = both(&file, &[2, 2], &data);
        assert_eq!((tree, library), (Some(vec![None; 8]), vec![None; 8]));
        data.resize([2, 4]).expect("smaller");
        data.write_raw(&[1f32; 8]).expect("numbers");
        data.resize([8, 4]).expect("larger");
        let (tree, library) = both(&file, &[2, 2], &data);
        assert_eq!(library.iter().map(Option::is_some).collect::<Vec<_>>()[..3], [true, true, false]);
        assert_eq!(tree, Some(library));
    }

    #[test]
    fn bfloat16_in_chunks_of_lzf() {
        use half::bf16;
        use hdf5_sys::h5d::{H5Dclose, H5Dcreate2, H5Dwrite_chunk};
        use hdf5_sys::h5p::{
            H5P_CLS_DATASET_CREATE, H5P_DEFAULT, H5Pclose, H5Pcreate, H5Pset_chunk, H5Pset_filter,
        };
        use hdf5_sys::h5s::{H5Sclose, H5Screate_simple};
        use hdf5_sys::h5t::{
            H5T_IEEE_F32LE, H5Tclose, H5Tcopy, H5Tset_ebias, H5Tset_fields, H5Tset_precision, H5Tset_size,
        };
        use std::ptr::null;

        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("d.h5");
        let file = hdf5::File::create(&path).expect("a file");
        let [a, b] = [bf16::from_f32(-1.5), bf16::from_f32(320.0)];
        let pair = [a.to_le_bytes(), b.to_le_bytes()].concat();
        // Four literals, then eight bytes from four back; the second chunk was left as it is.
        let coded = [&[3][..], &pair, &[6 << 5, 3]].concat();
        let plain = [&pair[2..], &pair[..], &pair, &pair[..2]].concat();
        let (shape, chunk): ([hsize_t; 2], [hsize_t; 2]) = ([4, 3], [2, 3]);
        hdf5::sync::sync(|| {
            // SAFETY: all identifiers are open, arrays have the rank or the length that is told with them.
            unsafe {
                let kind = H5Tcopy(*H5T_IEEE_F32LE);
                // Sign, exponent and mantissa first, within the old size.
                assert!(H5Tset_fields(kind, 15, 7, 8, 0, 7) >= 0 && H5Tset_precision(kind, 16) >= 0);
                assert!(H5Tset_size(kind, 2) >= 0 && H5Tset_ebias(kind, 127) >= 0);
                let list = H5Pcreate(*H5P_CLS_DATASET_CREATE);
                assert!(H5Pset_chunk(list, 2, chunk.as_ptr()) >= 0);
                // 1: optional, for the library does not have it.
                assert!(H5Pset_filter(list, LZF, 1, 0, null()) >= 0);
                let space = H5Screate_simple(2, shape.as_ptr(), null());
                let name = c"features".as_ptr();
                let data = H5Dcreate2(file.id(), name, kind, space, H5P_DEFAULT, list, H5P_DEFAULT);
                for (row, skipped, bytes) in [(0, 0, &coded), (2, 1, &plain)] {
                    let at: [hsize_t; 2] = [row, 0];
                    let (from, length) = (bytes.as_ptr().cast(), bytes.len());
                    assert!(H5Dwrite_chunk(data, H5P_DEFAULT, skipped, at.as_ptr(), length, from) >= 0);
                }
                H5Dclose(data);
                H5Sclose(space);
                H5Pclose(list);
                H5Tclose(kind);
            }
        });
        drop(file);
        let array = read_array(&path, &["features"]).expect("an array");
        assert_eq!((array.number(), array.shape(), array.stride()), (Number::Bf16, &[4, 3][..], 2));
        let mut bytes = Vec::new();
        array.open().and_then(|rows| rows.read(0, 4, &mut bytes)).expect("rows");
        let found: Vec<bf16> =
            bytes.chunks_exact(2).map(|pair| bf16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(found, [a, b, a, b, a, b, b, a, b, a, b, a]);
    }

    /// A file of the latest format.
    fn latest(dir: &Path) -> hdf5::File {
        let builder = hdf5::FileBuilder::new().with_fapl(|p| p.libver_latest()).create(dir.join("b.h5"));
        builder.expect("a file")
    }

    #[test]
    fn arrays_tell_what_the_library_tells() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = latest(dir.path());
        let build = |gzip: bool, chunk: [usize; 2]| {
            let builder = file.new_dataset::<f32>().chunk(chunk);
            if gzip { builder.shuffle().deflate(3) } else { builder }
        };
        let values = |n: usize| (0..n).map(|k| (k % 89) as f32).collect::<Vec<f32>>();
        for (name, tall, wide, chunk, gzip) in [
            ("single", 20, 3, [20, 3], false),
            ("single filtered", 20, 3, [20, 3], true),
            ("one page", 30, 9, [4, 4], false),
            ("one page filtered", 30, 9, [4, 4], true),
            ("many pages", 1100, 2, [1, 2], false),
            ("many pages filtered", 1100, 3, [1, 2], true),
        ] {
            let data = build(gzip, chunk).shape([tall, wide]).create(name).expect("a data set");
            data.write_raw(&values(tall * wide)).expect("numbers");
            let (array, library) = both(&file, &chunk, &data);
            assert!(library.iter().all(Option::is_some));
            assert_eq!(array.expect("an array"), library, "{name}");
        }
        // Past the index block, its data blocks, unpaged and paged blocks of later groups: 4, 100, 300, 5000, 40,000.
        for (tall, gzip) in [(3, false), (90, true), (300, false), (5000, true), (40_000, false)] {
            let name = format!("growing {tall}");
            let data = build(gzip, [1, 2]).shape((tall.., 2)).create(name.as_str()).expect("a data set");
            data.write_raw(&values(tall * 2)).expect("numbers");
            let found = direct(&file, &[1, 2], &data).expect("an array");
            assert!(found.len() == tall && found.iter().all(Option::is_some), "{name}");
            // The library visits every chunk for each; of many, the numbers are read below.
            if tall <= 300 {
                assert_eq!(found, both(&file, &[1, 2], &data).1, "{name}");
            }
        }
        drop(file);
        for tall in [5000, 40_000] {
            let array =
                read_array(&dir.path().join("b.h5"), &[&format!("growing {tall}")]).expect("an array");
            let mut bytes = Vec::new();
            array.open().and_then(|rows| rows.read(0, tall, &mut bytes)).expect("rows");
            let found: Vec<f32> =
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            assert_eq!(found, values(tall * 2), "{tall}");
        }
    }

    /// Writes some chunks of two numbers each as they are.
    fn write_chunks(data: &Dataset, rows: std::ops::Range<u64>) {
        use hdf5_sys::h5d::H5Dwrite_chunk;
        use hdf5_sys::h5p::H5P_DEFAULT;
        for row in rows {
            let (at, values): ([hsize_t; 2], [f32; 2]) = ([row, 0], [1.0; 2]);
            // SAFETY: the data set is open, the offset has its rank and the values the size of a chunk.
            let status = hdf5::sync::sync(|| unsafe {
                H5Dwrite_chunk(data.id(), H5P_DEFAULT, 0, at.as_ptr(), 8, values.as_ptr().cast())
            });
            assert!(status >= 0);
        }
    }

    #[test]
    fn holes_in_arrays_are_missing_and_other_indices_left_to_the_library() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = latest(dir.path());
        // Only the rows from 2000 on are written: whole pages and blocks are absent.
        for name in ["fixed", "growing"] {
            let builder = file.new_dataset::<f32>().chunk([1, 2]);
            let data = match name {
                "fixed" => builder.shape([6000, 2]).create(name),
                _ => builder.shape((6000.., 2)).create(name),
            };
            let data = data.expect("a data set");
            assert_eq!(direct(&file, &[1, 2], &data), Some(vec![None; 6000]), "{name}");
            write_chunks(&data, 4000..4200);
            let found = direct(&file, &[1, 2], &data).expect("an array");
            let there: Vec<usize> = (0..6000).filter(|&k| found[k].is_some()).collect();
            assert_eq!(there, (4000..4200).collect::<Vec<_>>(), "{name}");
        }
        let both_ways = file.new_dataset::<f32>().chunk([1, 2]).shape((20.., 2..)).create("free");
        let data = both_ways.expect("a data set");
        data.write_raw(&[1f32; 40]).expect("numbers");
        let (array, library) = both(&file, &[1, 2], &data);
        assert_eq!(array, None);
        assert!(library.iter().all(Option::is_some));
    }

    #[test]
    fn a_damaged_array_is_an_error() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = latest(dir.path());
        let data =
            file.new_dataset::<f32>().chunk([1, 2]).shape((3000.., 2)).create("x").expect("a data set");
        data.write_raw(&[1f32; 6000]).expect("numbers");
        let at = header(&data).expect("an address");
        drop((data, file));
        let path = dir.path().join("b.h5");
        let whole = fs::read(&path).expect("bytes");
        let (down, across, size) = (3000, 1, 8);
        let grid = Grid { rank: 2, rows: 1, columns: 2, size, grows_down: true, down, across };
        let chunks = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            chunk_tree::chunks(&fs::File::open(&path).expect("the file"), at, grid)
        };
        assert_eq!(chunks(&whole).expect("an array").map(|c| c.len()), Some(3000));
        for signature in [b"EAHD", b"EAIB", b"EASB", b"EADB"] {
            let place = (0..whole.len()).find(|&k| whole[k..].starts_with(signature)).expect("a block");
            let mut bytes = whole.clone();
            bytes[place + 1] = b'X';
            assert!(chunks(&bytes).is_err());
            assert!(chunks(&whole[..place + 10]).is_err());
        }
        // A client, an entry size, a power of two that are none.
        let head = (0..whole.len()).find(|&k| whole[k..].starts_with(b"EAHD")).expect("a header");
        for (place, value) in [(5, 9), (6, 3), (9, 0), (10, 3), (7, 200)] {
            let mut bytes = whole.clone();
            bytes[head + place] = value;
            assert!(chunks(&bytes).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_damaged_tree_is_an_error() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("c.h5");
        let file = hdf5::File::create(&path).expect("a file");
        let data = file.new_dataset::<f32>().chunk([1, 2]).shape([200, 2]).create("x").expect("a data set");
        data.write_raw(&[1f32; 400]).expect("numbers");
        let at = header(&data).expect("an address");
        drop((data, file));
        let whole = fs::read(&path).expect("bytes");
        let (down, across, size) = (200, 1, 8);
        let grid = Grid { rank: 2, rows: 1, columns: 2, size, grows_down: true, down, across };
        let chunks = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            chunk_tree::chunks(&fs::File::open(&path).expect("the file"), at, grid)
        };
        assert!(chunks(&whole).is_ok());
        let trees: Vec<usize> = (0..whole.len()).filter(|&k| whole[k..].starts_with(b"TREE\x01")).collect();
        let root = trees.iter().copied().find(|&k| whole[k + 5] == 1).expect("a root above leaves");
        // A signature, a level, the first child pointing at the root itself, the file cut within the root.
        let changed = |place: usize, with: &[u8]| {
            let mut bytes = whole.clone();
            bytes[place..place + with.len()].copy_from_slice(with);
            bytes
        };
        for bytes in [
            changed(root, b"X"),
            changed(root + 5, &[7]),
            changed(root + 24 + 32, &(root as u64).to_le_bytes()),
            whole[..root + 30].to_vec(),
        ] {
            assert!(chunks(&bytes).is_err());
        }
    }
}
