//! Tables as JSON: an array with an object per row.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::cells::Cell;
use crate::table::Table;

/// Writes the rows; a missing cell and a number that is not finite are null, as JSON has neither.
pub(crate) fn write(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let record = |row: usize| {
        let cell = |column: usize| match table.cell(row, column) {
            Cell::Missing => Value::Null,
            Cell::Text(text) => Value::from(text),
            Cell::Float(x) => Value::from(x),
            Cell::Int(i) => Value::from(i),
            Cell::Bool(b) => Value::from(b),
        };
        let names = table.columns().iter().map(|c| c.name.clone());
        Value::Object(names.enumerate().map(|(k, name)| (name, cell(k))).collect::<Map<_, _>>())
    };
    out.write_all(b"[")?;
    for row in 0..table.rows() {
        out.write_all(if row == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &record(row))?;
    }
    out.write_all(b"\n]\n")
}
