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
}

impl Table {
    /// A table of these columns; `source` names it in messages.
    ///
    /// # Errors
    /// If columns differ in length, or a name is empty or used twice.
    pub fn new(source: impl Into<PathBuf>, columns: Vec<Column>) -> Result<Self, TableError> {
        let table = Self { source: source.into(), columns, lines: None, delimiter: None };
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
        Location { line: Some(self.line(row)), ..self.locate_column(column) }
    }

    /// Where a column is, for messages about it as a whole.
    pub fn locate_column(&self, column: usize) -> Location {
        let name = self.columns.get(column).map(|c| c.name.clone());
        Location { column: Some(column + 1), name, ..Location::file(&self.source) }
    }
}
