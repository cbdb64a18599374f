//! The attention that a trained model pays to the tiles of slides.

use std::fs;
use std::path::PathBuf;

use osteon_models::abmil;
use osteon_report::heat_map;
use osteon_slides::Slide;
use osteon_table::{Column, Table, write};

use crate::bags::Bags;
use crate::fit::networks;
use crate::pool::use_threads;
use crate::predict::Run;
use crate::watch::Watch;
use crate::{StudyError, config};

/// What to show.
#[derive(Debug, Clone)]
pub struct Request {
    /// Directory of the finished run.
    pub run: PathBuf,
    /// Patients; none stands for all that the run's `[bags]` name.
    pub patients: Vec<String>,
    /// Folder of the slides, in place of the run's.
    pub folder: Option<PathBuf>,
    /// Folder to write into.
    pub out: PathBuf,
    /// Extension of the tables: `csv`, `parquet` or `h5`.
    pub format: &'static str,
    /// Threads of this process.
    pub threads: usize,
}

/// Writes, for each slide, a table `SLIDE.<format>` with `patient`, `slide`, `tile` (from 0), `x` and `y` (as the file of
/// the slide has them, if it does) and `attention`, which adds up to 1 over the slides of a patient, the mean over the
/// seeds; and `SLIDE.png`, a heat map, where there are coordinates. Gives the number of slides.
///
/// # Errors
/// If the run is not one of attention pooling, or a file cannot be read or written.
pub fn attention(request: &Request, watch: &dyn Watch) -> Result<usize, StudyError> {
    use_threads(request.threads);
    let run = Run::open(&request.run)?;
    let refuse = |reason: &str, hint| {
        Err(StudyError::Prediction { path: request.run.clone(), reason: reason.to_owned(), hint })
    };
    let Some(asked) = &run.study.bags else {
        return refuse("its model reads no tiles", "train with model.kind = \"abmil\"");
    };
    if run.predictor.preprocess.len() != 1 {
        return refuse("it holds several sets of models (folds or sites)", "train one model without folds");
    }
    let asked = match &request.folder {
        Some(folder) => config::Bags { folder: folder.clone(), table: None, ..asked.clone() },
        None => asked.clone(),
    };
    let patients = match request.patients.is_empty() {
        true => Bags::patients(&asked)?,
        false => request.patients.clone(),
    };
    let bags = Bags::open(&asked, &patients)?;
    let layout = networks::layout(&run.study, 0, Some(&bags));
    let seeds = (0..run.model.problems.len()).filter(|&k| run.model.problems[k]["bootstrap"].is_null());
    let models = seeds.map(|k| run.params(&layout, k)).collect::<Result<Vec<_>, _>>()?;
    let spec = networks::tiles(&run.study, bags.width());
    fs::create_dir_all(&request.out).map_err(StudyError::io("create", &request.out))?;
    let mut written = 0;
    for (done, (patient, &bag)) in patients.iter().zip(bags.of(&patients)?.iter()).enumerate() {
        let mut mean: Vec<f64> = Vec::new();
        for params in &models {
            let (_, weights) = abmil::attention(&spec, params, &bags, bag)?;
            mean.resize(weights.len(), 0.0);
            mean.iter_mut().zip(weights).for_each(|(m, w)| *m += w / models.len() as f64);
        }
        let mut first = 0;
        for slide in bags.slides(bag) {
            one(request, patient, slide, &mean[first..first + slide.tiles()])?;
            first += slide.tiles();
            written += 1;
        }
        watch.step(done as u64 + 1, patients.len() as u64, "patients");
    }
    Ok(written)
}

fn one(request: &Request, patient: &str, slide: &Slide, attention: &[f64]) -> Result<(), StudyError> {
    let name = slide.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let n = attention.len();
    let mut columns = vec![
        Column::texts("patient", std::iter::repeat_n(patient, n)),
        Column::texts("slide", std::iter::repeat_n(&name, n)),
        Column::ints("tile", 0..n as i64),
    ];
    let places = slide.coordinates()?;
    if let Some(places) = &places {
        columns.push(Column::floats("x", places.iter().map(|p| p[0])));
        columns.push(Column::floats("y", places.iter().map(|p| p[1])));
    }
    columns.push(Column::floats("attention", attention.iter().copied()));
    let path = request.out.join(format!("{name}.{}", request.format));
    write(&path, &Table::new(&path, columns)?)?;
    if let Some(picture) = places.and_then(|places| heat_map(&places, attention)) {
        picture.write(&request.out.join(format!("{name}.png")))?;
    }
    Ok(())
}
