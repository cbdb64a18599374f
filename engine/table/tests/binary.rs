//! Parquet and HDF5.

use std::fs;

use osteon_table::{Cell, Cells, Column, ReadOptions, Table, Texts, read, write};

fn mixed() -> Table {
    let gaps: Texts = [Some("a"), None, Some("")].into_iter().collect();
    let columns = vec![
        Column { name: "z".into(), cells: Cells::Text(gaps) },
        Column { name: "x".into(), cells: Cells::Float(vec![Some(0.1), None, Some(-1e300)]) },
        Column::ints("i", [i64::MIN, 0, 7]),
        Column { name: "b".into(), cells: Cells::Bool(vec![Some(true), Some(false), None]) },
    ];
    Table::new("memory", columns).expect("a table")
}

#[test]
fn parquet_round_trip_keeps_types_and_nulls() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("t.parquet");
    write(&path, &mixed()).expect("written");
    let back = read(&path, &ReadOptions::default()).expect("read");
    assert_eq!(back.columns(), mixed().columns());
    assert!(back.locate(2, 1).to_string().ends_with("t.parquet:3:2"));
}

#[test]
fn a_truncated_parquet_file_is_an_error() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("t.parquet");
    write(&path, &mixed()).expect("written");
    let bytes = fs::read(&path).expect("bytes");
    for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).expect("cut");
        let error = read(&path, &ReadOptions::default()).expect_err("cut");
        assert!(error.to_string().contains("t.parquet: Parquet: "), "{error}");
    }
}

mod foreign {
    //! Files with types that Osteon does not write itself.
    use super::*;
    use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArrayType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    #[test]
    fn dates_instants_decimals_and_unsigned() {
        let schema = "message t {
            required int32 day (DATE); optional int64 at (TIMESTAMP(NANOS, true));
            required int32 price (DECIMAL(9, 2)); required int32 u (INTEGER(32, false));
            required fixed_len_byte_array(2) half (FLOAT16); required binary plain; }";
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("t.parquet");
        let schema = Arc::new(parse_message_type(schema).expect("schema"));
        let file = fs::File::create(&path).expect("file");
        let mut writer =
            SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default())).expect("writer");
        // Two row groups: values and levels must not leak from one to the next.
        for day in [0, 19_782] {
            let mut group = writer.next_row_group().expect("group");
            macro_rules! put {
                ($kind:ty, $values:expr, $levels:expr) => {{
                    let mut column = group.next_column().expect("column").expect("one more");
                    column.typed::<$kind>().write_batch($values, $levels, None).expect("batch");
                    column.close().expect("closed");
                }};
            }
            put!(Int32Type, &[day, day + 1], None);
            put!(Int64Type, &[1_500_000_000], Some(&[0, 1]));
            put!(Int32Type, &[-1234, 5], None);
            put!(Int32Type, &[-1, 1], None);
            put!(FixedLenByteArrayType, &[vec![0x00, 0x3c].into(), vec![0x00, 0xc0].into()], None);
            put!(ByteArrayType, &[ByteArray::from("ä"), ByteArray::from("b")], None);
            group.close().expect("closed");
        }
        writer.close().expect("closed");
        let table = read(&path, &ReadOptions::default()).expect("read");
        let row = |r| (0..6).map(|k| table.cell(r, k)).collect::<Vec<_>>();
        assert_eq!(table.rows(), 4);
        assert_eq!(
            row(2),
            [
                Cell::Text("2024-02-29"),
                Cell::Missing,
                Cell::Float(-12.34),
                Cell::Int(4_294_967_295),
                Cell::Float(1.0),
                Cell::Text("ä")
            ]
        );
        assert_eq!(row(1)[..2], [Cell::Text("1970-01-02"), Cell::Text("1970-01-01T00:00:01.5")]);
        assert_eq!(row(3)[4], Cell::Float(-2.0));
    }
}

#[cfg(not(feature = "hdf5"))]
#[test]
fn without_hdf5_the_error_names_the_feature() {
    use osteon_core::Failure;
    let error = read("t.h5".as_ref(), &ReadOptions::default()).expect_err("no HDF5");
    assert!(error.to_string().contains("feature \"hdf5\" is off"), "{error}");
    assert!(error.hint().is_some());
}

#[cfg(feature = "hdf5")]
mod hdf5_files {
    use super::*;
    use hdf5::types::FixedAscii;
    use osteon_table::{TableError, examine, read_deepsurv};
    use std::path::PathBuf;

    /// A published DeepSurv file (github.com/jaredleekatzman/DeepSurv, experiments/data), or why not.
    fn published(name: &str) -> Option<PathBuf> {
        let root = std::env::var_os("OSTEON_TEST_DATA").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
            PathBuf::from,
        );
        let path = root.join("survival/deepsurv").join(name);
        if path.exists() {
            return Some(path);
        }
        let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|w| w == "data"));
        assert!(!required, "{} is required and absent", path.display());
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "skipped: {} is absent (set OSTEON_TEST_DATA)", path.display());
        None
    }

    fn numbers(table: &Table, name: &str) -> Vec<f64> {
        let column = table.find(name).expect("column");
        let number = |row| match table.cell(row, column) {
            Cell::Float(x) => x,
            Cell::Int(i) => i as f64,
            other => panic!("{other:?}"),
        };
        (0..table.rows()).map(number).collect()
    }

    #[test]
    fn published_files_have_their_published_sizes() {
        // File, features, rows and events of train and test.
        let expected = [
            ("metabric_IHC4_clinical_train_test.h5", 9, (1523, 887.0), (381, 216.0)),
            ("gbsg_cancer_train_test.h5", 7, (1546, 968.0), (686, 299.0)),
            ("support_train_test.h5", 14, (7098, 4823.0), (1775, 1213.0)),
            ("linear_survival_data.h5", 10, (4000, 2000.0), (1000, 500.0)),
        ];
        for (name, features, train, test) in expected {
            let Some(path) = published(name) else { return };
            let file = read_deepsurv(&path).expect("readable").expect("DeepSurv layout");
            let test_part = file.test.expect("test part");
            for (part, (rows, events)) in [(&file.train, train), (&test_part, test)] {
                assert_eq!((part.rows(), part.columns().len()), (rows, features + 2), "{name}");
                let counted: f64 = numbers(part, "e").iter().sum();
                assert!(if name.starts_with("linear") {
                    (counted - events).abs() < 50.0
                } else {
                    counted == events
                });
            }
            if name.starts_with("metabric") {
                assert_eq!(numbers(&test_part, "t").iter().filter(|&&t| t == 0.0).count(), 1);
            }
        }
    }

    #[test]
    fn a_truncated_published_file_is_an_error() {
        let Some(path) = published("metabric_IHC4_clinical_train_test.h5") else { return };
        let bytes = fs::read(path).expect("bytes");
        let dir = tempfile::tempdir().expect("temporary directory");
        let cut = dir.path().join("cut.h5");
        for length in [0, 100, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&cut, &bytes[..length]).expect("cut");
            let error = read_deepsurv(&cut).expect_err("cut");
            assert!(error.to_string().contains("truncated"), "{error}");
        }
    }

    #[test]
    fn round_trip_keeps_order_and_values() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("t.h5");
        write(&path, &mixed()).expect("written");
        let back = read(&path, &ReadOptions::default()).expect("read");
        let names: Vec<_> = back.columns().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["z", "x", "i", "b"]);
        assert_eq!(back.columns()[2], mixed().columns()[2]);
        assert_eq!(back.cell(2, 1), Cell::Float(-1e300));
        // No nulls in HDF5: NaN in numbers, empty in texts.
        assert!(matches!(back.cell(1, 1), Cell::Float(x) if x.is_nan()));
        assert!(matches!(back.cell(2, 3), Cell::Float(x) if x.is_nan()));
        assert_eq!(back.cell(1, 0), Cell::Text(""));
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
    }

    #[test]
    fn groups_half_precision_and_fixed_texts() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("t.h5");
        let file = hdf5::File::create(&path).expect("file");
        let group = file.create_group("cohort").expect("group");
        let halves = [half::f16::from_f32(0.5), half::f16::from_f32(-2.0)];
        group.new_dataset_builder().with_data(&halves).create("h").expect("f16");
        let words: Vec<FixedAscii<3>> =
            ["ab", "xyz"].iter().map(|w| FixedAscii::from_ascii(w).expect("ascii")).collect();
        group.new_dataset_builder().with_data(&words).create("w").expect("texts");
        group.new_dataset_builder().with_data(&[true, false]).create("b").expect("bool");
        drop((group, file));
        let options = ReadOptions { group: Some("cohort".into()), ..Default::default() };
        let table = read(&path, &options).expect("read");
        let row: Vec<_> = (0..3).map(|k| table.cell(1, k)).collect();
        assert_eq!(row, [Cell::Bool(false), Cell::Float(-2.0), Cell::Text("xyz")]);
        // The root holds no columns; the error says what there is.
        let error = examine(&path, &ReadOptions::default()).expect_err("no columns in the root");
        assert!(error.to_string().contains("cohort"), "{error}");
        assert!(read_deepsurv(&path).expect("readable").is_none());
    }

    #[test]
    fn wrong_types_and_shapes_are_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("t.h5");
        let word = |w: &str| w.parse::<hdf5::types::VarLenUnicode>().expect("text");
        let make = |t_is_text: bool| {
            let file = hdf5::File::create(&path).expect("file");
            let train = file.create_group("train").expect("group");
            train.new_dataset::<f32>().shape((2, 3)).create("x").expect("x");
            if t_is_text {
                train.new_dataset_builder().with_data(&[word("1"), word("2")]).create("t").expect("t");
            } else {
                train.new_dataset::<f32>().shape((2, 1)).create("t").expect("t");
            }
            train.new_dataset::<i32>().shape(2).create("e").expect("e");
        };
        make(true);
        let text = read_deepsurv(&path).expect_err("text").to_string();
        assert!(text.contains("train/t holds text"), "{text}");
        make(false);
        let shape = read_deepsurv(&path).expect_err("2-D time").to_string();
        assert!(shape.contains("train/t has 2 dimensions"), "{shape}");
        let not = dir.path().join("not.h5");
        fs::write(&not, b"id,time\n1,2\n").expect("file");
        assert!(matches!(read_deepsurv(&not), Err(TableError::Format { .. })));
    }
}
