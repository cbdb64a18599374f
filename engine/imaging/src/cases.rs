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
    /// Path of the mask; empty where there is none.
    pub mask: String,
    /// Path of the CT; empty where there is none.
    pub ct: String,
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
    /// The other columns of the table: names, and a value per case.
    pub others: Vec<(String, Vec<String>)>,
}

/// What a case needs besides its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A mask.
    Mask,
    /// A mask, or a CT to find the skeleton in.
    MaskOrCt,
}

/// Columns with a meaning.
const KNOWN: [&str; 5] = ["ID", "Image", "Mask", "CT", "Label"];

impl Cases {
    /// One case.
    pub fn single(image: &Path, mask: &Path, selection: Selection) -> Self {
        let text = |p: &Path| p.display().to_string();
        let (image, mask) = (text(image), text(mask));
        let (labels, ct) = (String::new(), String::new());
        let case = Case { id: None, image, mask, ct, labels, selection };
        Self { list: vec![case], folder: PathBuf::new(), others: Vec::new() }
    }

    /// Reads a table with the columns Image, Mask and, if wanted, CT, Label and ID. Rows without a
    /// label take `default`; `whole` of it holds for all rows.
    ///
    /// # Errors
    /// If the table cannot be read, lacks a column, or a cell is not what it should be.
    pub fn read(path: &Path, default: &Selection, need: Need) -> Result<Self, ImagingError> {
        let table = osteon_table::read(path, &ReadOptions::default())?;
        let required = |column: &'static str| {
            table
                .find(column)
                .ok_or_else(|| ImagingError::Column { path: path.to_owned(), column: column.to_owned() })
        };
        let image = required("Image")?;
        let (mask, ct, label, id) =
            (table.find("Mask"), table.find("CT"), table.find("Label"), table.find("ID"));
        if mask.is_none() && (need == Need::Mask || ct.is_none()) {
            required("Mask")?;
        }
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
            let cell = |column: Option<usize>| column.map(|c| text(&table, row, c)).unwrap_or_default();
            let case = Case {
                id: id.map(|column| text(&table, row, column)),
                image: cell(Some(image)),
                mask: cell(mask),
                ct: if need == Need::Mask { String::new() } else { cell(ct) },
                labels,
                selection,
            };
            if case.image.is_empty() {
                return Err(wrong(image, "no file is named".to_owned()));
            }
            if case.mask.is_empty() && case.ct.is_empty() {
                return Err(wrong(mask.or(ct).unwrap_or(image), "no file is named".to_owned()));
            }
            Ok(case)
        });
        let list = list.collect::<Result<_, ImagingError>>()?;
        let others = table.columns().iter().enumerate().filter(|(_, c)| !KNOWN.contains(&c.name.as_str()));
        let values = |column| (0..table.rows()).map(|row| text(&table, row, column)).collect();
        let others = others.map(|(k, column)| (column.name.clone(), values(k))).collect();
        Ok(Self { list, folder: path.parent().map(Path::to_owned).unwrap_or_default(), others })
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
