//! CSV by RFC 4180: the reader keeps the line of every record and names every fault; cells stay
//! text. Own reader, because a library that is content with an open quote, or that only knows the
//! byte of a fault, cannot say what `data check` has to say.

use std::io::{self, Write};
use std::path::Path;

use crate::cells::{Cell, Cells, Texts};
use crate::place::{Fault, Location};
use crate::table::{Column, Table};

/// One record: its fields side by side in one buffer, reused from record to record.
#[derive(Default)]
struct Record {
    line: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Field (from 0) at which quoting went wrong, and how.
    trouble: Option<(usize, &'static str)>,
}

impl Record {
    fn field(&self, k: usize) -> &[u8] {
        let start = if k == 0 { 0 } else { self.ends[k - 1] };
        &self.bytes[start..self.ends[k]]
    }

    fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.bytes.is_empty()
    }
}

/// What ended a field.
#[derive(PartialEq)]
enum End {
    Field,
    Record,
}

/// Reads records off the bytes of a file. CRLF, LF and CR end a line.
struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
    delimiter: u8,
}

impl Records<'_> {
    /// Reads the next record; `false` at the end of the file.
    fn next(&mut self, record: &mut Record) -> bool {
        if self.at >= self.bytes.len() {
            return false;
        }
        record.line = self.line;
        record.bytes.clear();
        record.ends.clear();
        record.trouble = None;
        loop {
            let end =
                if self.bytes.get(self.at) == Some(&b'"') { self.quoted(record) } else { self.plain(record) };
            record.ends.push(record.bytes.len());
            if end == End::Record {
                return true;
            }
        }
    }

    fn plain(&mut self, record: &mut Record) -> End {
        let rest = &self.bytes[self.at..];
        let stop = |&b: &u8| b == self.delimiter || b == b'\n' || b == b'\r';
        let length = rest.iter().position(stop).unwrap_or(rest.len());
        record.bytes.extend_from_slice(&rest[..length]);
        self.at += length;
        self.end()
    }

    fn quoted(&mut self, record: &mut Record) -> End {
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = rest.iter().position(|&b| b == b'"') else {
                record.trouble = Some((record.ends.len(), "a quote is opened and never closed"));
                record.bytes.extend_from_slice(rest);
                self.at = self.bytes.len();
                return End::Record;
            };
            let text = &rest[..length];
            self.line += text.iter().filter(|&&b| b == b'\n').count() as u64;
            record.bytes.extend_from_slice(text);
            self.at += length + 1;
            if self.bytes.get(self.at) != Some(&b'"') {
                break;
            }
            record.bytes.push(b'"');
            self.at += 1;
        }
        let before = record.bytes.len();
        let end = self.plain(record);
        if record.bytes.len() > before {
            record.trouble =
                Some((record.ends.len(), "text follows a closing quote; write \"\" for a quote"));
        }
        end
    }

    /// Steps over what ended a field.
    fn end(&mut self) -> End {
        let Some(&b) = self.bytes.get(self.at) else {
            return End::Record;
        };
        self.at += 1;
        if b == self.delimiter {
            return End::Field;
        }
        if b == b'\r' && self.bytes.get(self.at) == Some(&b'\n') {
            self.at += 1;
        }
        self.line += 1;
        End::Record
    }
}

/// The delimiter that splits the header line into most fields; a comma if none occurs.
fn delimiter_of(bytes: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for &b in bytes.iter().take_while(|&&b| b != b'\n' && b != b'\r') {
        quoted ^= b == b'"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && b == *delimiter);
        }
    }
    // Of equals the first: `max_by_key` would take the last.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Reads a CSV file: what could be read, and every fault.
pub(crate) fn read(path: &Path, bytes: &[u8], delimiter: Option<u8>) -> (Option<Table>, Vec<Fault>) {
    let mut faults = Vec::new();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "the file is UTF-16; convert it: iconv -f UTF-16 -t UTF-8";
        return (None, vec![Fault::error(Location::line(path, 1), message)]);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let delimiter = delimiter.unwrap_or_else(|| delimiter_of(bytes));
    let mut records = Records { bytes, at: 0, line: 1, delimiter };
    let mut record = Record::default();
    loop {
        if !records.next(&mut record) {
            return (None, vec![Fault::error(Location::file(path), "the file is empty")]);
        }
        if !record.is_blank() {
            break;
        }
    }
    let names = header(path, &record, &mut faults);
    let width = names.len();
    let mut columns = vec![Texts::new(); width];
    let mut lines = Vec::new();
    while records.next(&mut record) {
        // In a table of one column an empty line is an empty cell.
        if record.is_blank() && width > 1 {
            continue;
        }
        if let Some((field, message)) = record.trouble {
            let name = names.get(field).cloned();
            let at = Location { column: Some(field + 1), name, ..Location::line(path, record.line) };
            faults.push(Fault::error(at, message));
        }
        if record.ends.len() != width {
            let message = format!("{} fields where the header has {width}", record.ends.len());
            faults.push(Fault::error(Location::line(path, record.line), message));
            continue;
        }
        for (k, texts) in columns.iter_mut().enumerate() {
            let field = record.field(k);
            match std::str::from_utf8(field) {
                Ok(text) => texts.push(Some(text)),
                Err(e) => {
                    faults.push(not_utf8(path, &record, k, Some(names[k].clone()), e.valid_up_to()));
                    texts.push(Some(&String::from_utf8_lossy(field)));
                }
            }
        }
        lines.push(record.line);
    }
    if lines.is_empty() && faults.is_empty() {
        faults.push(Fault::error(Location::file(path), "a header and no rows"));
    }
    let columns = names.into_iter().zip(columns);
    let columns = columns.map(|(name, texts)| Column { name, cells: Cells::Text(texts) }).collect();
    match Table::new(path, columns) {
        Ok(table) => (Some(table.with_lines(lines, delimiter)), faults),
        // Names that are empty or repeated; listed already.
        Err(_) => (None, faults),
    }
}

/// The names in the header line, trimmed.
fn header(path: &Path, record: &Record, faults: &mut Vec<Fault>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for k in 0..record.ends.len() {
        let field = record.field(k);
        if let Err(e) = std::str::from_utf8(field) {
            faults.push(not_utf8(path, record, k, None, e.valid_up_to()));
        }
        let name = String::from_utf8_lossy(field).trim().to_owned();
        let at = Location { column: Some(k + 1), ..Location::line(path, record.line) };
        if name.is_empty() {
            let why = "the column has no name (R and pandas write row numbers so; leave them out: \
                       row.names = FALSE, index=False)";
            faults.push(Fault::error(at, why));
        } else if let Some(first) = names.iter().position(|n| *n == name) {
            let message = format!("column name \"{name}\" is used already by column {}", first + 1);
            faults.push(Fault::error(at, message));
        }
        names.push(name);
    }
    if let Some((field, message)) = record.trouble {
        let at = Location { column: Some(field + 1), ..Location::line(path, record.line) };
        faults.push(Fault::error(at, message));
    }
    names
}

fn not_utf8(path: &Path, record: &Record, field: usize, name: Option<String>, valid: usize) -> Fault {
    let byte = record.field(field)[valid];
    let message = format!(
        "byte 0x{byte:02X} is not UTF-8 (often Windows-1252); convert the file: iconv -f WINDOWS-1252 -t UTF-8"
    );
    let at = Location { column: Some(field + 1), name, ..Location::line(path, record.line) };
    Fault::error(at, message)
}

/// Writes a table with a header, LF line ends, and quotes only where needed.
pub(crate) fn write(out: &mut impl Write, table: &Table, delimiter: u8) -> io::Result<()> {
    let between = |k: usize| if k == 0 { &[][..] } else { std::slice::from_ref(&delimiter) };
    for (k, column) in table.columns().iter().enumerate() {
        out.write_all(between(k))?;
        write_text(out, &column.name, delimiter)?;
    }
    out.write_all(b"\n")?;
    let single = table.columns().len() == 1;
    for row in 0..table.rows() {
        for (k, column) in table.columns().iter().enumerate() {
            out.write_all(between(k))?;
            match column.cells.get(row) {
                // So that the only field of a record is not taken for a blank line.
                Cell::Missing | Cell::Text("") if single => out.write_all(b"\"\"")?,
                Cell::Missing => {}
                Cell::Text(text) => write_text(out, text, delimiter)?,
                // `{:?}` is the shortest text that reads back to the same bits.
                Cell::Float(x) => write!(out, "{x:?}")?,
                Cell::Int(i) => write!(out, "{i}")?,
                Cell::Bool(b) => write!(out, "{}", u8::from(b))?,
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_text(out: &mut impl Write, text: &str, delimiter: u8) -> io::Result<()> {
    let special = |b: u8| b == delimiter || matches!(b, b'"' | b'\n' | b'\r');
    if text.bytes().any(special) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_all(text.as_bytes())
    }
}
