//! Which files are a case.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use osteon_slides::{Named, SlidesError, slide_files, slide_name};
use osteon_table::ReadOptions;

use crate::error::ImagingError;

/// A slide, or all slides of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlideCase {
    /// Name of the slide; of a patient with several, the names with `;` between.
    pub slide: String,
    /// The patient; the slide where no table says.
    pub patient: String,
    /// The site, where a table says.
    pub site: Option<String>,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Whether a model is fitted to it.
    pub fit: bool,
}

/// The slides that a model is fitted to: those with one of some values in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitOn {
    /// The column.
    pub column: String,
    /// The values.
    pub values: Vec<String>,
}

impl FromStr for FitOn {
    type Err = SlidesError;

    fn from_str(text: &str) -> Result<Self, SlidesError> {
        match text.split_once('=') {
            Some((column, values)) if !column.trim().is_empty() && !values.trim().is_empty() => Ok(Self {
                column: column.trim().to_owned(),
                values: values.split(',').map(|v| v.trim().to_owned()).collect(),
            }),
            _ => Err(SlidesError::Option(format!("\"{text}\" is not COLUMN=VALUE, such as split=train"))),
        }
    }
}

/// The cases in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlideCases {
    /// The cases.
    pub list: Vec<SlideCase>,
}

impl SlideCases {
    /// Every file of embeddings among `inputs`, folders searched (not below), in the order of their names.
    ///
    /// # Errors
    /// If there is none, or a folder cannot be read.
    pub fn of_files(inputs: &[PathBuf]) -> Result<Self, ImagingError> {
        let files = slide_files(inputs)?;
        let case = |file: PathBuf| {
            let slide = slide_name(&file);
            SlideCase { patient: slide.clone(), slide, site: None, files: vec![file], fit: true }
        };
        Ok(Self { list: files.into_iter().map(case).collect() })
    }

    /// The rows of a table: `slide` (or `file`), and `patient` and `site` if wanted; `site_column` names another
    /// column of sites. Slides are looked for by name among `inputs`, or from the folder of the table. With
    /// `by_patient` the rows of a patient are one case.
    ///
    /// # Errors
    /// If the table cannot be read or lacks a column, a slide is in no file, or the rows of a patient differ in site
    /// or in whether they are fitted to.
    pub fn of_table(
        path: &Path,
        inputs: &[PathBuf],
        fit_on: Option<&FitOn>,
        site_column: Option<&str>,
        by_patient: bool,
    ) -> Result<Self, ImagingError> {
        let table = osteon_table::read(path, &ReadOptions::default())?;
        let lack = |column: &str| ImagingError::Column { path: path.to_owned(), column: column.to_owned() };
        let need = |column: &str| table.find(column).ok_or_else(|| lack(column));
        let slide = table.find("slide").or_else(|| table.find("file")).ok_or_else(|| lack("slide"))?;
        let patient = if by_patient { Some(need("patient")?) } else { table.find("patient") };
        let site = site_column.map_or(Ok(table.find("site")), |name| need(name).map(Some))?;
        let fit = fit_on.map(|f| need(&f.column)).transpose()?;
        let found = if inputs.is_empty() { None } else { Some(Named::new(slide_files(inputs)?)) };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut cases: Vec<SlideCase> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in 0..table.rows() {
            let wrong = |column: usize, reason: String| ImagingError::Cell {
                place: table.locate(row, column).to_string(),
                reason,
            };
            let name = table.text(row, slide);
            if name.is_empty() {
                return Err(wrong(slide, "no slide is named".to_owned()));
            }
            let file = match &found {
                None => folder.join(&name),
                Some(found) => found
                    .get(&name)
                    .cloned()
                    .ok_or_else(|| wrong(slide, format!("no input has the name \"{name}\"")))?,
            };
            let slide = slide_name(Path::new(&name));
            let case = SlideCase {
                patient: patient.map_or_else(|| slide.clone(), |column| table.text(row, column)),
                slide,
                site: site.map(|column| table.text(row, column)),
                files: vec![file],
                fit: match (fit_on, fit) {
                    (Some(on), Some(column)) => on.values.contains(&table.text(row, column)),
                    _ => true,
                },
            };
            match places.get(&case.patient).filter(|_| by_patient) {
                None => {
                    places.insert(case.patient.clone(), cases.len());
                    cases.push(case);
                }
                Some(&at) => {
                    let whole = &mut cases[at];
                    if (&whole.site, whole.fit) != (&case.site, case.fit) {
                        let text = format!("the rows of patient \"{}\" differ in site or part", case.patient);
                        return Err(wrong(patient.unwrap_or_default(), text));
                    }
                    whole.slide = format!("{};{}", whole.slide, case.slide);
                    whole.files.extend(case.files);
                }
            }
        }
        Ok(Self { list: cases })
    }
}
