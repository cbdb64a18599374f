//! A table: named columns of equal length, with the place of each cell in its file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cells::{Cell, Cells, Texts};
use crate::error::TableError;
use crate::place::Location;

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its heading; unique in a table and not empty.
    pub name: String,
    /// Its cells.
    pub cells: Cells,
}

impl Column {
    /// A column of numbers without missing cells.
    pub fn floats(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let cells = Cells::Float(values.into_iter().map(Some).collect());
        Self { name: name.into(), cells }
    }

    /// A column of integers without missing cells.
    pub fn ints(name: impl Into<String>, values: impl IntoIterator<Item = i64>) -> Self {
        let cells = Cells::Int(values.into_iter().map(Some).collect());
        Self { name: name.into(), cells }
    }

    /// A column of texts without missing cells.
    pub fn texts<T: AsRef<str>>(name: impl Into<String>, values: impl IntoIterator<Item = T>) -> Self {
        let cells = Cells::Text(values.into_iter().map(Some).collect::<Texts>());
        Self { name: name.into(), cells }
    }
}

/// Named columns of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    source: PathBuf,
    columns: Vec<Column>,
    /// Line of each row in a CSV file; otherwise rows are numbered.
    lines: Option<Vec<u64>>,
    delimiter: Option<u8>,
    guests: Vec<Guest>,
}

/// Columns that came of another file.
#[derive(Debug, Clone, PartialEq)]
struct Guest {
    source: PathBuf,
    /// Place of the first of them here, and of each in its file.
    first: usize,
    columns: Vec<usize>,
    /// Line or number of each row in that file.
    lines: Vec<Option<u64>>,
}

impl Table {
    /// A table of these columns; `source` names it in messages.
    ///
    /// # Errors
    /// If columns differ in length, or a name is empty or used twice.
    pub fn new(source: impl Into<PathBuf>, columns: Vec<Column>) -> Result<Self, TableError> {
        let table = Self { source: source.into(), columns, lines: None, delimiter: None, guests: Vec::new() };
        let wrong = |reason| Err(TableError::Columns { path: table.source.clone(), reason });
        let mut names = HashSet::new();
        for column in &table.columns {
            if column.name.is_empty() {
                return wrong("a column has an empty name".to_owned());
            }
            if !names.insert(column.name.as_str()) {
                return wrong(format!("column name \"{}\" is used twice", column.name));
            }
            let (here, rows) = (column.cells.len(), table.rows());
            if here != rows {
                return wrong(format!("column \"{}\" has {here} rows instead of {rows}", column.name));
            }
        }
        Ok(table)
    }

    /// Adds what a CSV reader knows: the line of each row and the delimiter.
    pub(crate) fn with_lines(mut self, lines: Vec<u64>, delimiter: u8) -> Self {
        self.lines = Some(lines);
        self.delimiter = Some(delimiter);
        self
    }

    /// This table with columns of another behind its own, each under the name given: row `r` has the cells of row
    /// `rows[r]` there, or none. Places of these cells are those in the other file.
    ///
    /// # Errors
    /// If a name is empty or used twice.
    ///
    /// # Panics
    /// If there is no such row or column, or there are not as many rows.
    pub fn joined(
        &self,
        other: &Self,
        rows: &[Option<usize>],
        columns: Vec<(usize, String)>,
    ) -> Result<Self, TableError> {
        assert_eq!(rows.len(), self.rows(), "a row of the other table, or none, for each of this one");
        let mut all = self.columns.clone();
        let places = columns.iter().map(|(k, _)| *k).collect();
        all.extend(
            columns.into_iter().map(|(k, name)| Column { name, cells: other.columns[k].cells.picked(rows) }),
        );
        let mut table = Self::new(&self.source, all)?;
        (table.lines, table.delimiter) = (self.lines.clone(), self.delimiter);
        table.guests.clone_from(&self.guests);
        table.guests.push(Guest {
            source: other.source.clone(),
            first: self.columns.len(),
            columns: places,
            lines: rows.iter().map(|r| r.map(|r| other.line(r))).collect(),
        });
        Ok(table)
    }

    fn guest(&self, column: usize) -> Option<&Guest> {
        self.guests.iter().find(|g| (g.first..g.first + g.columns.len()).contains(&column))
    }

    /// The file this table came from, or what else names it in messages.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.cells.len())
    }

    /// The columns in order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Index of the column with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.find(name).map(|index| &self.columns[index])
    }

    /// A cell.
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        self.columns[column].cells.get(row)
    }

    /// A cell as text, trimmed; empty where it is missing.
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn text(&self, row: usize, column: usize) -> String {
        match self.cell(row, column) {
            Cell::Text(t) => t.trim().to_owned(),
            Cell::Int(i) => i.to_string(),
            Cell::Float(x) => x.to_string(),
            Cell::Bool(b) => b.to_string(),
            Cell::Missing => String::new(),
        }
    }

    /// The delimiter a CSV file was read with.
    pub fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    /// The line (CSV) or number (other formats) of a row in the file, from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.lines.as_ref().map_or(row as u64 + 1, |lines| lines[row])
    }

    /// Where a cell is, for messages. Row and column count from 0 here.
    pub fn locate(&self, row: usize, column: usize) -> Location {
        let line = match self.guest(column) {
            Some(guest) => guest.lines[row],
            None => Some(self.line(row)),
        };
        Location { line, ..self.locate_column(column) }
    }

    /// Where a column is, for messages about it as a whole.
    pub fn locate_column(&self, column: usize) -> Location {
        let name = self.columns.get(column).map(|c| c.name.clone());
        let (file, column) = match self.guest(column) {
            Some(guest) => (&guest.source, guest.columns[column - guest.first]),
            None => (&self.source, column),
        };
        Location { column: Some(column + 1), name, ..Location::file(file) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Cell;

    #[test]
    fn joined_cells_keep_their_place() {
        let own = Table::new("own.csv", vec![Column::texts("id", ["a", "b", "c"])]).expect("a table");
        let other = vec![Column::ints("key", [1, 2]), Column::floats("x", [0.5, 1.5])];
        let other = Table::new("other.csv", other).expect("a table").with_lines(vec![2, 4], b',');
        let rows = [Some(1), None, Some(0)];
        let both = own.joined(&other, &rows, vec![(1, "block_x".to_owned())]).expect("joined");
        assert_eq!(both.cell(0, 1), Cell::Float(1.5));
        assert_eq!(both.cell(1, 1), Cell::Missing);
        assert_eq!(both.locate(0, 1).to_string(), "other.csv:4:2");
        assert_eq!(both.locate(1, 1).to_string(), "other.csv:1:2");
        assert_eq!(both.locate(2, 0).to_string(), "own.csv:3:1");
        let twice = both.joined(&other, &rows, vec![(0, "id".to_owned())]);
        assert!(twice.expect_err("a name used twice").to_string().contains("\"id\" is used twice"));
    }
}
