//! CSV: what RFC 4180 allows, what it does not, and where.

use std::fs;
use std::path::PathBuf;

use osteon_table::{Cell, Column, ReadOptions, Table, TableError, examine, read, write};
use proptest::prelude::*;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("test file");
        path
    }
}

fn good(bytes: &[u8]) -> Table {
    let dir = Dir::new();
    read(&dir.file("t.csv", bytes), &ReadOptions::default()).expect("a good table")
}

/// The faults of a file as lines, without its directory.
fn faults(bytes: &[u8]) -> Vec<String> {
    let dir = Dir::new();
    let path = dir.file("t.csv", bytes);
    let (_, faults) = examine(&path, &ReadOptions::default()).expect("a readable file");
    let prefix = format!("{}/", dir.0.path().display());
    faults.iter().map(|f| f.to_string().replace(&prefix, "")).collect()
}

fn texts(table: &Table, row: usize) -> Vec<String> {
    let cell = |k| match table.cell(row, k) {
        Cell::Text(text) => text.to_owned(),
        other => panic!("not text: {other:?}"),
    };
    (0..table.columns().len()).map(cell).collect()
}

#[test]
fn quotes_newlines_and_line_ends() {
    let table = good(b"\xef\xbb\xbfid,note\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n\r\n2,\r\n3,5\" tall");
    assert_eq!(table.columns()[0].name, "id");
    assert_eq!(texts(&table, 0), ["1", "a, \"b\"\r\nc"]);
    assert_eq!(texts(&table, 1), ["2", ""]);
    assert_eq!(texts(&table, 2), ["3", "5\" tall"]);
    // Row 1 spans lines 2 and 3, line 4 is blank.
    assert_eq!([table.line(0), table.line(1), table.line(2)], [2, 5, 6]);
    assert!(table.locate(1, 1).to_string().ends_with("t.csv:5:2"));
}

#[test]
fn the_header_line_shows_the_delimiter() {
    assert_eq!(good(b"a;b;c\n1,5;2;3\n").delimiter(), Some(b';'));
    assert_eq!(good(b"a\tb,c\td\n1\t2\t3\n").delimiter(), Some(b'\t'));
    assert_eq!(good(b"\"a;b;c\",d\n1,2\n").delimiter(), Some(b','));
    let one = good(b"score\n1\n\n3\n");
    assert_eq!((one.delimiter(), one.rows()), (Some(b','), 3));
}

#[test]
fn every_fault_has_its_place() {
    assert_eq!(faults(b""), ["t.csv: the file is empty"]);
    assert_eq!(faults(b"\xef\xbb\xbf\n\n"), ["t.csv: the file is empty"]);
    assert_eq!(faults(b"a,b\n"), ["t.csv: a header and no rows"]);
    assert_eq!(
        faults(b"a,b\n1\n1,2\n1,2,3\n"),
        ["t.csv:2: 1 fields where the header has 2", "t.csv:4: 3 fields where the header has 2"]
    );
    let latin = faults(b"a,name\n\"\n\",x\n1,M\xfcller\n");
    assert!(latin[0].starts_with("t.csv:4:2: column \"name\": byte 0xFC is not UTF-8"), "{latin:?}");
    let names = faults(b",a,a\n1,2,3\n");
    assert!(names[0].starts_with("t.csv:1:1: the column has no name"), "{names:?}");
    assert_eq!(names[1], "t.csv:1:3: column name \"a\" is used already by column 2");
    assert_eq!(
        faults(b"a,b\n1,2\n3,\"4\n5,6\n"),
        ["t.csv:3:2: column \"b\": a quote is opened and never closed"]
    );
    let after = faults(b"a,b\n\"x\"y,2\n");
    assert!(after[0].starts_with("t.csv:2:1: column \"a\": text follows a closing quote"), "{after:?}");
    assert!(faults(b"\xff\xfea\0,\0")[0].contains("UTF-16"));
}

#[test]
fn read_lists_ten_faults_and_counts_the_rest() {
    let dir = Dir::new();
    let path = dir.file("t.csv", format!("a,b\n{}", "1\n".repeat(14)).as_bytes());
    let error = read(&path, &ReadOptions::default()).expect_err("ragged rows");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 11);
    assert!(text.ends_with("and 4 more"), "{text}");
}

#[test]
fn unknown_kinds_and_missing_files() {
    let dir = Dir::new();
    let known = read(&dir.file("t.xlsx", b"a\n1\n"), &ReadOptions::default());
    assert!(matches!(known, Err(TableError::Extension { .. })));
    let absent = read(&dir.0.path().join("absent.csv"), &ReadOptions::default());
    assert!(matches!(absent, Err(TableError::Io { .. })));
    let nowhere = write(&dir.0.path().join("no/such/dir.csv"), &good(b"a\n1\n"));
    assert!(matches!(nowhere, Err(TableError::Io { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_faulted(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let dir = Dir::new();
        let path = dir.file("t.csv", &bytes);
        let (table, faults) = examine(&path, &ReadOptions::default()).expect("a readable file");
        prop_assert!(table.is_some() || !faults.is_empty());
    }

    /// Bytes that make sense to a CSV reader, far more often than uniform ones do.
    #[test]
    fn any_csv_like_bytes_are_read_or_faulted(text in "[a,;\"\n\r\t\u{e9}1. -]{0,200}") {
        let dir = Dir::new();
        let path = dir.file("t.csv", text.as_bytes());
        let (table, faults) = examine(&path, &ReadOptions::default()).expect("a readable file");
        prop_assert!(table.is_some() || !faults.is_empty());
    }

    #[test]
    fn what_is_written_is_read(
        bits in proptest::collection::vec(any::<u64>(), 1..20),
        words in proptest::collection::vec("[a,;\"\n\r\t\u{e9} ]{0,6}", 20),
    ) {
        let numbers: Vec<f64> = bits.iter().map(|&b| f64::from_bits(b)).collect();
        let words = &words[..numbers.len()];
        let dir = Dir::new();
        let path = dir.0.path().join("t.csv");
        let columns = vec![Column::floats("x", numbers.iter().copied()), Column::texts("w", words)];
        write(&path, &Table::new("memory", columns).expect("a table")).expect("written");
        let back = read(&path, &ReadOptions::default()).expect("read");
        prop_assert_eq!(back.rows(), numbers.len());
        for row in 0..back.rows() {
            let Cell::Text(number) = back.cell(row, 0) else { panic!("text") };
            let number: f64 = number.parse().expect("a number");
            prop_assert!(number.to_bits() == numbers[row].to_bits() || number.is_nan() && numbers[row].is_nan());
            prop_assert_eq!(back.cell(row, 1), Cell::Text(&words[row]));
        }
    }
}
