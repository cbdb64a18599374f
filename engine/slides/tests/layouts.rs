//! The layouts that tools write, and files that are none.
#![cfg(feature = "hdf5")]
#![allow(clippy::print_stderr, reason = "says why a test was skipped")]

use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use hdf5::types::VarLenUnicode;
use osteon_slides::{Level, Rows, Slide, SlidesError, repack};
use osteon_table::array::Number;
use osteon_table::{Cells, Column, Table};

/// Values that half precision holds exactly.
fn values(tiles: usize, width: usize) -> Vec<f32> {
    (0..tiles * width).map(|k| (k * 37 % 101) as f32 / 8.0 - 6.0).collect()
}

fn read(path: &Path) -> (Slide, Vec<f64>) {
    let slide = Slide::open(path, None).expect("a slide");
    let mut all = Vec::new();
    slide
        .stream(64, |rows: Rows| {
            all.extend((0..rows.len()).map(|k| rows.get(k)));
            Ok(())
        })
        .expect("tiles");
    (slide, all)
}

fn error(path: &Path) -> String {
    match Slide::open(path, None).and_then(|s| s.stream(64, |_| Ok(()))) {
        Err(e) => e.to_string(),
        Ok(()) => panic!("{} was read", path.display()),
    }
}

fn attribute(place: &hdf5::Location, name: &str, text: &str) {
    let text: VarLenUnicode = text.parse().expect("text");
    place.new_attr::<VarLenUnicode>().create(name).and_then(|a| a.write_scalar(&text)).expect("attribute");
}

/// How a producer writes.
struct Layout {
    name: &'static str,
    key: &'static str,
    shape: Vec<usize>,
    chunk: Option<Vec<usize>>,
    gzip: bool,
    shuffle: bool,
    checksum: bool,
}

fn write(dir: &Path, layout: &Layout, x: &[f32]) -> PathBuf {
    let path = dir.join(format!("{}.h5", layout.name));
    let file = hdf5::File::create(&path).expect("a file");
    let mut builder = file.new_dataset::<f16>();
    if layout.shuffle {
        builder = builder.shuffle();
    }
    if layout.gzip {
        builder = builder.deflate(4);
    }
    if layout.checksum {
        builder = builder.fletcher32();
    }
    let builder = match &layout.chunk {
        Some(chunk) => builder.chunk(chunk.clone()),
        None => builder.no_chunk(),
    };
    let data = builder.shape(layout.shape.clone()).create(layout.key).expect("a data set");
    let halves: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
    data.write_raw(&halves).expect("numbers");
    attribute(&data, "encoder", "gigapath");
    let coords = file.new_dataset::<i64>().shape([3, 2]).create("coords").expect("coords");
    coords.write_raw(&[0i64, 256, 512, 0, 256, 512]).expect("coords");
    path
}

#[test]
fn every_layout_gives_the_same_tiles() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (tiles, width) = (150, 20);
    let x = values(tiles, width);
    let layout =
        |name, key, shape: &[usize], chunk: Option<&[usize]>, [gzip, shuffle, checksum]: [bool; 3]| {
            let chunk = chunk.map(<[usize]>::to_vec);
            Layout { name, key, shape: shape.to_vec(), chunk, gzip, shuffle, checksum }
        };
    let plain = [false; 3];
    for layout in [
        layout("clam", "features", &[tiles, width], Some(&[1, width]), plain),
        layout("stamp", "feats", &[tiles, width], None, plain),
        layout("stamp_old", "patch_embeddings", &[tiles, width], None, plain),
        layout("mmp", "features", &[1, tiles, width], Some(&[1, 1, width]), plain),
        layout("batches", "embeddings", &[tiles, width], Some(&[64, width]), plain),
        layout("guessed", "features", &[tiles, width], Some(&[19, 7]), plain),
        layout("gzip", "features", &[tiles, width], Some(&[64, width]), [true, false, false]),
        layout("shuffled", "features", &[tiles, width], Some(&[37, 8]), [true, true, false]),
        layout("checked", "features", &[tiles, width], Some(&[64, width]), [true, true, true]),
    ] {
        let path = write(dir.path(), &layout, &x);
        let (slide, found) = read(&path);
        assert_eq!(
            (slide.tiles(), slide.width(), slide.level()),
            (tiles, width, Level::Tile),
            "{}",
            layout.name
        );
        assert_eq!((slide.number(), slide.encoder()), (Number::F16, Some("gigapath")), "{}", layout.name);
        assert!(found.iter().zip(&x).all(|(a, &b)| *a == f64::from(b)), "{}", layout.name);

        let packed = dir.path().join(format!("{}_packed.h5", layout.name));
        assert_eq!(repack(&slide, &packed, None).expect("packed"), tiles);
        let (again, found) = read(&packed);
        assert!(again.array().is_some_and(osteon_table::array::Array::is_contiguous));
        assert_eq!((again.encoder(), again.number()), (Some("gigapath"), Number::F16));
        assert!(found.iter().zip(&x).all(|(a, &b)| *a == f64::from(b)), "{} packed", layout.name);
        let file = hdf5::File::open(&packed).expect("HDF5");
        let coords = file.dataset("coords").and_then(|d| d.read_raw::<i64>()).expect("coords came along");
        assert_eq!(coords, [0, 256, 512, 0, 256, 512]);
    }
}

#[test]
fn empty_slides_and_vectors_of_slides_are_told_apart() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let make = |name: &str, shape: &[usize]| {
        let path = dir.path().join(name);
        let file = hdf5::File::create(&path).expect("a file");
        let data = file.new_dataset::<f32>().shape(shape.to_vec()).create("features").expect("a data set");
        data.write_raw(&vec![1f32; shape.iter().product()]).expect("numbers");
        path
    };
    for (shape, tiles, width, level) in [
        (vec![0], 0, 0, Level::Tile),
        (vec![0, 8], 0, 8, Level::Tile),
        (vec![8], 1, 8, Level::Slide),
        (vec![1, 8], 1, 8, Level::Tile),
    ] {
        let (slide, found) = read(&make("slide.h5", &shape));
        assert_eq!((slide.tiles(), slide.width(), slide.level()), (tiles, width, level), "{shape:?}");
        assert_eq!(found.len(), tiles * width);
    }
    let text = error(&make("many.h5", &[2, 3, 4]));
    assert!(text.contains("[2, 3, 4]"), "{text}");
}

#[test]
fn what_is_no_embedding_is_refused() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.h5"), b"no HDF5").expect("written");
    assert!(error(&at("a.h5")).contains("not an HDF5 file"));
    assert!(error(&at("absent.h5")).contains("absent.h5"));
    assert!(matches!(Slide::open(&at("a.txt"), None), Err(SlidesError::Extension { .. })));

    let file = hdf5::File::create(at("keys.h5")).expect("a file");
    file.new_dataset::<i64>().shape([2]).create("coords").expect("a data set");
    drop(file);
    let text = error(&at("keys.h5"));
    assert!(text.contains("features or feats") && text.contains("holds coords"), "{text}");

    let file = hdf5::File::create(at("int.h5")).expect("a file");
    file.new_dataset::<i64>().shape([2, 2]).create("features").expect("a data set");
    drop(file);
    assert!(error(&at("int.h5")).contains("floating-point"));

    let file = hdf5::File::create(at("unwritten.h5")).expect("a file");
    file.new_dataset::<f32>().chunk([1, 4]).shape([5, 4]).create("features").expect("a data set");
    drop(file);
    assert!(error(&at("unwritten.h5")).contains("never written"));

    let file = hdf5::File::create(at("link.h5")).expect("a file");
    file.link_external(at("unwritten.h5").to_str().expect("a name"), "features", "features").expect("a link");
    drop(file);
    let text = error(&at("link.h5"));
    assert!(text.contains("is a link to") && text.contains("unwritten.h5"), "{text}");

    // A contiguous file that lost its end.
    let layout = Layout {
        name: "cut",
        key: "features",
        shape: vec![100, 20],
        chunk: None,
        gzip: false,
        shuffle: false,
        checksum: false,
    };
    let whole = write(dir.path(), &layout, &values(100, 20));
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{:<117}\n", "{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4), }");
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend([0; 23]);
    fs::write(at("cut.npy"), &npy).expect("written");
    assert!(error(&at("cut.npy")).contains("truncated"));
    npy.push(0);
    fs::write(at("whole.npy"), &npy).expect("written");
    assert_eq!(read(&at("whole.npy")).1, [0.0; 12]);
    drop(whole);
}

/// A ZIP archive of stored members.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let at = out.len() as u32;
        let sizes =
            [0u32.to_le_bytes(), (bytes.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()]
                .concat();
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &sizes, &(name.len() as u16).to_le_bytes(), &[0, 0]]
                .concat();
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        directory.extend(
            [b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat(),
        );
    }
    let (at, size, count) = (out.len() as u32, directory.len() as u32, members.len() as u16);
    out.extend(&directory);
    out.extend([&b"PK\x05\x06\0\0\0\0"[..], &count.to_le_bytes(), &count.to_le_bytes()].concat());
    out.extend([&size.to_le_bytes()[..], &at.to_le_bytes(), &[0, 0]].concat());
    out
}

/// The pickle of a tensor of six numbers, seen with this offset, shape and strides.
fn pickle(offset: u8, shape: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
    let text = |t: &str| [&[b'X'][..], &(t.len() as u32).to_le_bytes(), t.as_bytes()].concat();
    let mut out = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00((".to_vec();
    out.extend(text("storage"));
    out.extend(b"ctorch\nFloatStorage\n");
    out.extend([text("0"), text("cpu"), b"K\x06tQ".to_vec()].concat());
    out.extend([
        b'K', offset, b'K', shape[0], b'K', shape[1], 0x86, b'K', strides[0], b'K', strides[1], 0x86,
    ]);
    out.extend(b"\x89ccollections\nOrderedDict\n)RtR.");
    out
}

fn replaced(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let at = bytes.windows(what.len()).position(|w| w == what).expect("it is there");
    [&bytes[..at], with, &bytes[at + what.len()..]].concat()
}

#[test]
fn a_tensor_is_its_view_and_a_pickle_is_not_run() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.pt");
    let storage: Vec<u8> = (0..6).flat_map(|k| (k as f32).to_le_bytes()).collect();
    let save = |pickle: &[u8]| {
        fs::write(&path, zip(&[("a/data.pkl", pickle), ("a/data/0", &storage)])).expect("written");
    };
    save(&pickle(0, [2, 3], [3, 1]));
    assert_eq!(read(&path).1, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    save(&pickle(2, [2, 2], [2, 1]));
    assert_eq!(read(&path).1, [2.0, 3.0, 4.0, 5.0]);
    // Transposed: laid out anew.
    save(&pickle(0, [3, 2], [1, 3]));
    assert_eq!(read(&path).1, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    save(&pickle(1, [2, 3], [3, 1]));
    assert!(error(&path).contains("reach beyond its storage"));

    // bfloat16: the upper half of a float.
    let halves: Vec<u8> = (0..6).flat_map(|k| bf16::from_f32(k as f32 - 2.5).to_le_bytes()).collect();
    let described = replaced(&pickle(0, [2, 3], [3, 1]), b"FloatStorage", b"BFloat16Storage");
    fs::write(&path, zip(&[("a/data.pkl", &described), ("a/data/0", &halves)])).expect("written");
    let (slide, found) = read(&path);
    assert_eq!((slide.number(), found), (Number::Bf16, vec![-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]));

    save(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.");
    assert!(error(&path).contains("os.system"));
    save(b"\x80\x02\x93.");
    assert!(error(&path).contains("0x93"));
    let whole = zip(&[("a/data.pkl", &pickle(0, [2, 3], [3, 1])), ("a/data/0", &storage)]);
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("written");
        error(&path);
    }
}

#[test]
fn parquet_has_a_row_per_tile() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("a.parquet");
    let column = |name: &str, values: &[f64]| Column {
        name: name.to_owned(),
        cells: Cells::Float(values.iter().copied().map(Some).collect()),
    };
    // In any order, with ten and more numbered by value and not by letter, beside coordinates.
    let width = 11;
    let write = |columns: Vec<Column>| {
        let table = Table::new(&path, columns).expect("a table");
        osteon_table::write(&path, &table).expect("written");
    };
    let mut columns: Vec<Column> = (0..width)
        .map(|j| column(&format!("feature_{j}"), &[j as f64, j as f64 + 0.5, -(j as f64)]))
        .rev()
        .collect();
    columns.push(column("x", &[0.0, 256.0, 512.0]));
    write(columns.clone());
    let (slide, found) = read(&path);
    assert_eq!((slide.tiles(), slide.width(), slide.level()), (3, width, Level::Tile));
    for j in 0..width {
        let x = j as f64;
        assert_eq!([found[j], found[width + j], found[2 * width + j]], [x, x + 0.5, -x]);
    }

    columns.remove(3);
    write(columns);
    assert!(error(&path).contains("numbered from 0"));
}

#[test]
fn the_real_gigapath_tensor_has_1536_values() {
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|p| p == "data"));
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("OSTEON_TEST_DATA").map_or(beside, Into::into).join("wsi");
    let Some(data) = Some(data).filter(|d| d.is_dir()) else {
        assert!(!required, "OSTEON_REQUIRE names data, and there is none");
        eprintln!("skipped: OSTEON_TEST_DATA names no folder with wsi");
        return;
    };
    let (slide, tensor) = read(&data.join("prov_normal_000_1.pt"));
    assert_eq!((slide.tiles(), slide.width(), slide.level()), (1, 1536, Level::Slide));
    let (_, first) = read(&data.join("gigapath_tile_cls_1536_f32.npy"));
    assert_eq!(tensor, first);
    let (tokens, all) = read(&data.join("gigapath_tile_tokens_197x1536_f32.npy"));
    assert_eq!((tokens.tiles(), tokens.width()), (197, 1536));
    assert_eq!(all[..1536], tensor[..]);
}
