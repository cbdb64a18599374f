//! Typed cells of a column.

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// The format says there is no value (a Parquet null). Texts that mean "missing", such as an
    /// empty CSV cell or `NA`, and NaN are for the reader of the table to interpret.
    Missing,
    /// Text, as it stands in the file.
    Text(&'a str),
    /// A number.
    Float(f64),
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
}

/// The cells of one column, from the first row to the last. `None` is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Texts.
    Text(Texts),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Integers.
    Int(Vec<Option<i64>>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
}

impl Cells {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Float(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cell of a row.
    ///
    /// # Panics
    /// If `row` is not below [`Self::len`].
    pub fn get(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(texts) => texts.get(row).map_or(Cell::Missing, Cell::Text),
            Self::Float(values) => values[row].map_or(Cell::Missing, Cell::Float),
            Self::Int(values) => values[row].map_or(Cell::Missing, Cell::Int),
            Self::Bool(values) => values[row].map_or(Cell::Missing, Cell::Bool),
        }
    }

    /// The cells of these rows; no row is a missing cell.
    pub(crate) fn picked(&self, rows: &[Option<usize>]) -> Self {
        fn pick<T: Copy>(cells: &[Option<T>], rows: &[Option<usize>]) -> Vec<Option<T>> {
            rows.iter().map(|r| r.and_then(|r| cells[r])).collect()
        }
        match self {
            Self::Text(texts) => Self::Text(rows.iter().map(|r| r.and_then(|r| texts.get(r))).collect()),
            Self::Float(values) => Self::Float(pick(values, rows)),
            Self::Int(values) => Self::Int(pick(values, rows)),
            Self::Bool(values) => Self::Bool(pick(values, rows)),
        }
    }
}

/// A column of texts in one buffer: a wide CSV file has too many cells for a `String` each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    buffer: String,
    /// End of each text in `buffer`.
    ends: Vec<usize>,
    missing: Vec<bool>,
}

impl Texts {
    /// No texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn push(&mut self, text: Option<&str>) {
        self.buffer.push_str(text.unwrap_or_default());
        self.ends.push(self.buffer.len());
        self.missing.push(text.is_none());
    }

    /// The text of a row, or `None` if it is missing.
    ///
    /// # Panics
    /// If `row` is not below [`Self::len`].
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let text = &self.buffer[start..self.ends[row]];
        (!self.missing[row]).then_some(text)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for Texts {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(texts: I) -> Self {
        let mut all = Self::new();
        for text in texts {
            all.push(text.as_ref().map(AsRef::as_ref));
        }
        all
    }
}
