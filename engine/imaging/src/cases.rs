//! Which images, with which masks.

use std::path::{Path, PathBuf};

use osteon_radiomics::Selection;
use osteon_table::{Cell, ReadOptions, Table};

use crate::error::ImagingError;

/// An image and its mask, as they are named in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name, where there is one.
    pub id: Option<String>,
    /// Path of the image.
    pub image: String,
    /// Path of the mask.
    pub mask: String,
    /// Labels to take, as they were given.
    pub labels: String,
    /// The same, understood.
    pub selection: Selection,
}

/// Cases, and the folder that their paths start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    /// The cases in order.
    pub list: Vec<Case>,
    /// Folder of relative paths.
    pub folder: PathBuf,
}

impl Cases {
    /// One case.
    pub fn single(image: &Path, mask: &Path, selection: Selection) -> Self {
        let text = |p: &Path| p.display().to_string();
        let (image, mask) = (text(image), text(mask));
        let case = Case { id: None, image, mask, labels: String::new(), selection };
        Self { list: vec![case], folder: PathBuf::new() }
    }

    /// Reads a table with the columns Image, Mask and, if wanted, Label and ID. Rows without a
    /// label take `default`; `whole` of it holds for all rows.
    ///
    /// # Errors
    /// If the table cannot be read, lacks a column, or a cell is not what it should be.
    pub fn read(path: &Path, default: &Selection) -> Result<Self, ImagingError> {
        let table = osteon_table::read(path, &ReadOptions::default())?;
        let need = |column: &'static str| {
            table
                .find(column)
                .ok_or_else(|| ImagingError::Column { path: path.to_owned(), column: column.to_owned() })
        };
        let (image, mask, label, id) = (need("Image")?, need("Mask")?, table.find("Label"), table.find("ID"));
        let list = (0..table.rows()).map(|row| {
            let labels = label.map(|column| text(&table, row, column)).unwrap_or_default();
            let wrong = |column: usize, reason: String| ImagingError::Cell {
                place: table.locate(row, column).to_string(),
                reason,
            };
            let selection = match label.filter(|_| !labels.is_empty()) {
                None => default.clone(),
                Some(column) => {
                    let parsed: Result<Selection, _> = labels.parse();
                    let parsed = parsed.map_err(|e| wrong(column, e.to_string()))?;
                    Selection { whole: default.whole, ..parsed }
                }
            };
            let path = |column: usize| match text(&table, row, column) {
                empty if empty.is_empty() => Err(wrong(column, "no file is named".to_owned())),
                path => Ok(path),
            };
            let id = id.map(|column| text(&table, row, column));
            Ok(Case { id, image: path(image)?, mask: path(mask)?, labels, selection })
        });
        let list = list.collect::<Result<_, ImagingError>>()?;
        Ok(Self { list, folder: path.parent().map(Path::to_owned).unwrap_or_default() })
    }
}

fn text(table: &Table, row: usize, column: usize) -> String {
    match table.cell(row, column) {
        Cell::Text(t) => t.to_owned(),
        Cell::Int(i) => i.to_string(),
        Cell::Float(x) => x.to_string(),
        Cell::Missing | Cell::Bool(_) => String::new(),
    }
}
