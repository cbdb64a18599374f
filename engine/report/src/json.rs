//! JSON files written in one step, and JSON lines that grow.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use osteon_core::files::write_atomic;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ReportError;

/// Writes a record as indented JSON, in one step. NaN and infinities become `null`.
///
/// # Errors
/// If the file cannot be written.
pub fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), ReportError> {
    write_atomic::<io::Error>(path, |out| {
        serde_json::to_writer_pretty(&mut *out, record)?;
        out.write_all(b"\n")
    })
    .map_err(ReportError::io("write", path))
}

/// Reads a record.
///
/// # Errors
/// If the file cannot be read or holds something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ReportError> {
    let text = fs::read_to_string(path).map_err(ReportError::io("read", path))?;
    serde_json::from_str(&text).map_err(|e| ReportError::Record {
        path: path.to_owned(),
        line: e.line(),
        message: e.to_string(),
    })
}

/// Reads the records of a JSON lines file. A last line without its end, as a killed process
/// leaves it, is not a record yet.
///
/// # Errors
/// If the file cannot be read or a line holds something else.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReportError> {
    let text = fs::read_to_string(path).map_err(ReportError::io("read", path))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|e| ReportError::Record {
                path: path.to_owned(),
                line: i + 1,
                message: e.to_string(),
            })
        })
        .collect()
}

/// A JSON lines file open for more records.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Opens a file and keeps the records for which `keep` holds: those a resumed run has not
    /// to write again. Creates the file if there is none.
    ///
    /// # Errors
    /// If the file cannot be read or written, or a line holds something else.
    pub fn resume<T: Serialize + DeserializeOwned>(
        path: &Path,
        keep: impl Fn(&T) -> bool,
    ) -> Result<Self, ReportError> {
        let mut records: Vec<T> = if path.exists() { read_lines(path)? } else { Vec::new() };
        records.retain(|r| keep(r));
        write_atomic::<io::Error>(path, |out| records.iter().try_for_each(|r| write_line(out, r)))
            .map_err(ReportError::io("write", path))?;
        let file = OpenOptions::new().append(true).open(path).map_err(ReportError::io("write", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends a record with one write, so that readers see whole lines.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append<T: Serialize>(&mut self, record: &T) -> Result<(), ReportError> {
        let mut line = Vec::new();
        write_line(&mut line, record)
            .and_then(|()| self.file.write_all(&line))
            .map_err(ReportError::io("write", &self.path))
    }

    /// Waits until the records are on the disk.
    ///
    /// # Errors
    /// If the file system reports a failed write.
    pub fn sync(&self) -> Result<(), ReportError> {
        self.file.sync_data().map_err(ReportError::io("write", &self.path))
    }
}

fn write_line<T: Serialize>(out: &mut impl Write, record: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Metric, Summary};

    fn round(round: u64) -> Metric {
        Metric { round: Some(round), ..Metric::default() }
    }

    #[test]
    fn a_resumed_file_has_each_round_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("metrics.jsonl");
        let mut lines = Lines::resume::<Metric>(&path, |_| true).expect("a new file");
        for i in 1..=4 {
            lines.append(&round(i)).expect("append");
        }
        // Killed in the middle of a line, after the checkpoint of round 2.
        lines.file.write_all(b"{\"round\":5,\"unix").expect("torn line");
        drop(lines);
        let mut lines = Lines::resume::<Metric>(&path, |m| m.step() <= 2).expect("resume");
        lines.append(&round(3)).expect("append");
        lines.sync().expect("sync");
        let rounds: Vec<u64> =
            read_lines::<Metric>(&path).expect("records").iter().map(Metric::step).collect();
        assert_eq!(rounds, [1, 2, 3]);
    }

    #[test]
    fn json_holds_no_nan() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("summary.json");
        let c_index =
            crate::CIndex { mean: Some(f64::NAN), per_seed: vec![Some(f64::INFINITY)], ..Default::default() };
        write(&path, &Summary { c_index: Some(c_index), ..Summary::default() }).expect("write");
        let text = fs::read_to_string(&path).expect("text");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        let back: Summary = read(&path).expect("read back");
        assert_eq!(back.c_index.expect("c_index").per_seed, [None]);
    }

    #[test]
    fn a_wrong_record_is_named_by_line() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, "{\"unix_time_s\":1,\"wall_s\":0}\n{}\n").expect("write");
        let error = read_lines::<Metric>(&path).expect_err("a wrong record").to_string();
        assert!(error.contains("metrics.jsonl:2: missing field"), "{error}");
    }
}
