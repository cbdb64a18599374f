//! `osteon radiomics extract`.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use osteon_core::{ExitCode, Failure, files};
use osteon_radiomics::{Image, Labels, Params, RadiomicsError, Row, Selection, extract};
use osteon_study::watch::Watch;
use osteon_table::{Cell, Column, ReadOptions, Table};
use serde_json::{Map, Value};

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["image", "cases"]))]
pub struct Extract {
    /// Image: .nii, .nii.gz, .nrrd or .nhdr
    #[arg(long, value_name = "FILE", requires = "mask")]
    pub image: Option<PathBuf>,
    /// Mask on the grid of the image, 0 outside every region
    #[arg(long, value_name = "FILE", requires = "image")]
    pub mask: Option<PathBuf>,
    /// Table of many cases: columns Image, Mask and, if wanted, Label and ID
    #[arg(long, value_name = "FILE")]
    pub cases: Option<PathBuf>,
    /// Labels of the mask: all, or a list such as 1,5-9
    #[arg(long, value_name = "LABELS", default_value = "1")]
    pub labels: Selection,
    /// Add a row for the union of the labels
    #[arg(long)]
    pub whole: bool,
    /// Parameter file of PyRadiomics (.yaml)
    #[arg(long, value_name = "FILE")]
    pub params: Option<PathBuf>,
    #[arg(help = "Set a parameter, such as binWidth=0.25 or distances=[1,2]; may be repeated")]
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub set: Vec<String>,
    /// Table to write: .csv, .tsv, .parquet, .h5 or .json
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Threads of this process [default: what Slurm, the affinity mask or the cgroup grants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub voice: Voice,
}

/// An image and its mask, as they are named in the table that comes out.
struct Case {
    id: Option<String>,
    image: String,
    mask: String,
    selection: Selection,
}

/// A case or a region without features.
struct Failed {
    case: usize,
    error: RadiomicsError,
}

/// What came of the cases.
#[derive(Default)]
struct Results {
    rows: Vec<(usize, Row)>,
    failed: Vec<Failed>,
}

impl Extract {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let mut params = match &self.params {
            Some(path) => Params::read(path)?,
            None => Params::default(),
        };
        self.set.iter().try_for_each(|text| params.assign(text))?;
        params.settings.check()?;
        let (cases, folder) = self.cases()?;
        let threads = self.threads.map_or_else(|| osteon_core::threads::allotment().threads, |n| n as usize);
        // Fails only where a pool exists already, which then has the size it has.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();

        let mut results = Results::default();
        for (k, case) in cases.iter().enumerate() {
            results.add(k, features(&folder, case, &params));
            if self.cases.is_some() {
                talk.step(
                    k as u64 + 1,
                    cases.len() as u64,
                    &format!("cases, {} failed", results.failed.len()),
                );
            }
        }
        if results.rows.is_empty() && cases.len() == 1 && results.failed.len() == 1 {
            return Err(results.failed.remove(0).error.into());
        }
        self.write(&cases, &results)?;
        if results.failed.is_empty() {
            return Ok(ExitCode::Ok);
        }
        let path = self.out.with_file_name("failures.csv");
        write_failures(&path, &cases, &results.failed)?;
        talk.warn(&format!("{} without features, listed in {}", results.failed.len(), path.display()));
        Ok(if results.rows.is_empty() { ExitCode::Data } else { ExitCode::Partial })
    }

    /// The cases, and the folder their paths are relative to.
    fn cases(&self) -> Result<(Vec<Case>, PathBuf), CommandError> {
        let selection = Selection { whole: self.whole, ..self.labels.clone() };
        let Some(path) = &self.cases else {
            let text = |p: &Option<PathBuf>| p.as_ref().map_or(String::new(), |p| p.display().to_string());
            let case = Case { id: None, image: text(&self.image), mask: text(&self.mask), selection };
            return Ok((vec![case], PathBuf::new()));
        };
        let table = osteon_table::read(path, &ReadOptions::default())?;
        let column = |name: &str| table.columns().iter().position(|c| c.name == name);
        let need = |name: &'static str| {
            let hint = "a table of cases has the columns Image, Mask and, if wanted, Label and ID";
            let missing = format!("{} has no column \"{name}\"", path.display());
            column(name).ok_or_else(|| CommandError::Plain(missing, ExitCode::Data, Some(hint.into())))
        };
        let (image, mask, label, id) = (need("Image")?, need("Mask")?, column("Label"), column("ID"));
        let text = |row: usize, column: usize| match table.cell(row, column) {
            Cell::Text(t) => t.to_owned(),
            Cell::Int(i) => i.to_string(),
            Cell::Float(x) => x.to_string(),
            Cell::Missing | Cell::Bool(_) => String::new(),
        };
        let mut cases = Vec::with_capacity(table.rows());
        for row in 0..table.rows() {
            let wanted = label.map(|c| text(row, c)).filter(|t| !t.is_empty());
            let selection = match wanted {
                Some(labels) => Selection { whole: self.whole, ..labels.parse()? },
                None => selection.clone(),
            };
            let id = id.map(|c| text(row, c));
            cases.push(Case { id, image: text(row, image), mask: text(row, mask), selection });
        }
        Ok((cases, path.parent().map(Path::to_owned).unwrap_or_default()))
    }

    fn write(&self, cases: &[Case], results: &Results) -> Result<(), CommandError> {
        if results.rows.is_empty() {
            return Ok(());
        }
        let table = table(&self.out, cases, &results.rows)?;
        if self.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            let json = serde_json::to_vec_pretty(&records(&table)).map_err(std::io::Error::from);
            let written = json.and_then(|bytes| {
                files::write_atomic::<std::io::Error>(&self.out, |out| std::io::Write::write_all(out, &bytes))
            });
            let message = |e: std::io::Error| format!("cannot write {}: {e}", self.out.display());
            return written.map_err(|e| CommandError::Plain(message(e), ExitCode::Io, None));
        }
        Ok(osteon_table::write(&self.out, &table)?)
    }
}

impl Results {
    fn add(&mut self, case: usize, rows: Result<Vec<Result<Row, RadiomicsError>>, RadiomicsError>) {
        match rows {
            Err(error) => self.failed.push(Failed { case, error }),
            Ok(rows) => {
                for row in rows {
                    match row {
                        Ok(row) => self.rows.push((case, row)),
                        Err(error) => self.failed.push(Failed { case, error }),
                    }
                }
            }
        }
    }
}

/// The rows of one case.
fn features(
    folder: &Path,
    case: &Case,
    params: &Params,
) -> Result<Vec<Result<Row, RadiomicsError>>, RadiomicsError> {
    let image = Image::read(&folder.join(&case.image))?;
    let mask = Labels::read(&folder.join(&case.mask))?;
    extract(&image, &mask, &case.selection, params)
}

/// One row per region: ID where there is one, Image, Mask, Label, then the features.
fn table(out: &Path, cases: &[Case], rows: &[(usize, Row)]) -> Result<Table, CommandError> {
    let mut columns = Vec::new();
    if cases.iter().any(|c| c.id.is_some()) {
        columns.push(Column::texts("ID", rows.iter().map(|(k, _)| cases[*k].id.clone().unwrap_or_default())));
    }
    columns.push(Column::texts("Image", rows.iter().map(|(k, _)| &cases[*k].image)));
    columns.push(Column::texts("Mask", rows.iter().map(|(k, _)| &cases[*k].mask)));
    columns.push(Column::texts("Label", rows.iter().map(|(_, r)| &r.label)));
    let names = rows.first().map(|(_, r)| r.features.iter().map(|(name, _)| name));
    for (k, name) in names.into_iter().flatten().enumerate() {
        columns.push(Column::floats(name, rows.iter().map(|(_, r)| r.features[k].1)));
    }
    Ok(Table::new(out, columns)?)
}

fn write_failures(path: &Path, cases: &[Case], failed: &[Failed]) -> Result<(), CommandError> {
    let hint = |f: &Failed| f.error.hint().unwrap_or_default();
    let columns = vec![
        Column::texts("Image", failed.iter().map(|f| &cases[f.case].image)),
        Column::texts("Mask", failed.iter().map(|f| &cases[f.case].mask)),
        Column::texts("Label", failed.iter().map(|f| f.error.label().unwrap_or_default().to_owned())),
        Column::texts("Error", failed.iter().map(|f| f.error.to_string())),
        Column::texts("Hint", failed.iter().map(hint)),
    ];
    Ok(osteon_table::write(path, &Table::new(path, columns)?)?)
}

/// The rows of a table as JSON objects; a feature that does not exist is null.
fn records(table: &Table) -> Value {
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
    Value::Array((0..table.rows()).map(record).collect())
}
