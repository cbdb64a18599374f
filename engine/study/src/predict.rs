//! Risks and survival of new patients from a finished run.
//!
//! A prediction is the training's own forward pass on the same preprocessing, so that the training
//! table gives the scores of training bit for bit.

use std::path::{Path, PathBuf};

use osteon_data::{ColumnSpec, DataError, Dataset, Fault, Kind, Role, Rules, Schema};
use osteon_federate::checkpoint::{ModelFile, read_model};
use osteon_models::deepsurv::Tensor;
use osteon_models::{baseline::BaselineHazard, cox};
use osteon_report::json;
use osteon_table::{Cells, Column, ReadOptions, Table, read};
use serde_json::Value;

use crate::bags::Bags;
use crate::config::ModelKind;
use crate::error::Place;
use crate::fit::result::{PREDICTOR, Predictor};
use crate::fit::{Prepared, network, networks};
use crate::modality::{Joined, completed};
use crate::pool::use_threads;
use crate::run_dir::{MODEL, RUN, RunRecord, SUMMARY};
use crate::schema::missing;
use crate::{Study, StudyError};

/// What to predict.
#[derive(Debug, Clone)]
pub struct Request {
    /// Directory of the finished run.
    pub run: PathBuf,
    /// The patients.
    pub data: PathBuf,
    /// HDF5 group that holds the columns.
    pub group: Option<String>,
    /// Tables of modalities by the name of their block, in place of those of the study; `None` where no patient has it.
    pub blocks: Vec<(String, Option<PathBuf>)>,
    /// Columns of the table to carry over, such as a known outcome.
    pub keep: Vec<String>,
    /// Also the risk of each model.
    pub per_problem: bool,
    /// Also the survival at these times, in the time unit of the study.
    pub survival_at: Vec<f64>,
    /// Threads of this process.
    pub threads: usize,
}

/// Predicts: a table of the id (or `row`, the line in a CSV file and the number from 1 in others),
/// the columns to keep, `risk_score` (log hazard, mean over the seeds of the models on the rows as they are), on request
/// `risk_seed<k>` of each model and `survival_<t>`.
///
/// # Errors
/// If the directory holds no finished run; if the table lacks a feature or has a fault; if the run
/// cannot give one risk (a model per fold or site) or has no baseline hazard.
pub fn predict(request: &Request) -> Result<Table, StudyError> {
    use_threads(request.threads);
    let mut run = Run::open(&request.run)?;
    let options = ReadOptions { group: request.group.clone(), ..ReadOptions::default() };
    let table = run.joined(read(&request.data, &options)?, &request.blocks)?;
    let strata = !request.survival_at.is_empty() && !run.predictor.strata.is_empty();
    run.baseline(&request.survival_at)?;
    let schema = run.schema(strata)?;
    let rules = Rules { allow_post_baseline: run.study.data.allow_post_baseline, ..Rules::default() };
    let rows = Dataset::from_table(&table, &schema, &rules)?;
    if let Some(asked) = &run.study.bags {
        run.bags = Some(Bags::open(asked, &rows.ids)?);
    }
    let baseline = run.baseline(&request.survival_at)?;
    let strata = if strata { run.strata(&rows)? } else { vec![0; rows.n] };
    let mut columns = vec![match &run.study.data.id {
        Some(name) => Column::texts(name.as_str(), &rows.ids),
        None => Column::ints("row", rows.lines.iter().map(|&l| l as i64)),
    }];
    for name in &request.keep {
        columns.push(table.column(name).cloned().ok_or_else(|| missing(&table, "--keep", name))?);
    }
    let models = run.models(&rows)?;
    let as_they_are: Vec<&Scores> = models.iter().filter(|m| m.bootstrap.is_none()).collect();
    match run.predictor.preprocess.len() {
        1 => {
            let risks: Vec<Vec<f64>> = as_they_are.iter().map(|m| m.risk.clone()).collect();
            let risk = network::mean_risk(&risks);
            if let Some(baseline) = baseline {
                columns.push(Column::floats("risk_score", risk.iter().copied()));
                columns.extend(run.survival(baseline, &strata, &risk, &request.survival_at)?);
            } else {
                columns.push(Column::floats("risk_score", risk));
            }
        }
        parts if !request.per_problem => {
            let reason = format!("it holds {parts} sets of models (folds or sites), and no mean over them");
            let hint = "ask for each with --per-problem, or train one model without folds";
            return Err(StudyError::Prediction { path: request.run.clone(), reason, hint });
        }
        _ => {}
    }
    if request.per_problem {
        columns.extend(models.into_iter().map(|m| Column::floats(m.name, m.risk)));
    }
    Ok(Table::new(&request.data, columns)?)
}

/// Risks of one model.
struct Scores {
    name: String,
    bootstrap: Option<u64>,
    risk: Vec<f64>,
}

/// A finished run in memory.
pub(crate) struct Run {
    path: PathBuf,
    pub study: Study,
    pub predictor: Predictor,
    pub model: ModelFile,
    /// The slides of the patients, once they are known.
    bags: Option<Bags>,
}

impl Run {
    pub fn open(path: &Path) -> Result<Self, StudyError> {
        if !path.join(SUMMARY).exists() {
            return Err(StudyError::Unfinished { path: path.to_owned() });
        }
        let record: RunRecord = json::read(&path.join(RUN))?;
        let predictor: Predictor = json::read(&path.join(PREDICTOR))?;
        let model = read_model(&path.join(MODEL))?;
        let parts = predictor.preprocess.len();
        if parts == 0 || model.problems.is_empty() || !model.problems.len().is_multiple_of(parts) {
            return Err(mismatch(path, format!("{} models for {parts} parts", model.problems.len())));
        }
        Ok(Self { path: path.to_owned(), study: record.config, predictor, model, bags: None })
    }

    /// The patients with their modalities. Patients that have no row in the table of one are without it.
    fn joined(&self, table: Table, given: &[(String, Option<PathBuf>)]) -> Result<Table, StudyError> {
        let apart = self.study.apart();
        if let Some((name, _)) = given.iter().find(|(name, _)| !apart.contains(&name.as_str())) {
            let place = Place(format!("--block {name}"));
            let message = format!("the run has no block \"{name}\" with a table of its own");
            let hint = osteon_core::names::nearest(name, apart).map(|n| format!("did you mean \"{n}\"?"));
            return Err(StudyError::Config { place, message, hint });
        }
        let mut joined = Joined { own: table.columns().len(), table, apart: Vec::new(), absent: Vec::new() };
        for block in self.study.data.block.iter().filter(|b| apart.contains(&b.name.as_str())) {
            let file = match given.iter().find(|(name, _)| *name == block.name) {
                Some((_, given)) => given.clone(),
                None if block.file.is_some() => block.file.clone(),
                None => {
                    let reason = format!("each site had its own table of \"{}\"", block.name);
                    let hint = "name that of these patients with --block NAME=FILE, or NAME= if none has it";
                    return Err(StudyError::Prediction { path: self.path.clone(), reason, hint });
                }
            };
            // Others than those asked for may be in the table.
            let Some(file) = file else { continue };
            joined.add(&self.study, block, &file, true)?;
            let trained: Vec<String> = self
                .features()
                .into_iter()
                .filter(|c| c.masked && c.block == block.name)
                .map(|c| c.name)
                .collect();
            let found = joined.apart.last().map(|(_, names)| names.as_slice()).unwrap_or_default();
            let other = trained.iter().find(|name| !found.contains(name));
            let reason = match other {
                _ if found.len() != trained.len() => {
                    format!("has {} values, the run learnt from {}", found.len(), trained.len())
                }
                Some(name) => format!("has no column for \"{name}\""),
                None => continue,
            };
            let reason = format!("block \"{}\" of {} {reason}", block.name, file.display());
            let hint = "reduce the slides as those of the run: same encoder, same vectors, same PCA model";
            return Err(StudyError::Prediction { path: self.path.clone(), reason, hint });
        }
        completed(&joined.table, &Schema { columns: self.features() })
    }

    /// What every part was fitted on.
    fn features(&self) -> Vec<ColumnSpec> {
        self.predictor.preprocess[0].features.iter().map(|f| f.spec.clone()).collect()
    }

    fn baseline(&self, times: &[f64]) -> Result<Option<&BaselineHazard>, StudyError> {
        if times.is_empty() {
            return Ok(None);
        }
        if times.iter().any(|t| !(t.is_finite() && *t >= 0.0)) {
            let message = "times must be finite and not negative".to_owned();
            let place = Place("--survival".to_owned());
            return Err(StudyError::Config { place, message, hint: None });
        }
        self.predictor.baseline.as_ref().map(Some).ok_or_else(|| StudyError::Prediction {
            path: self.path.clone(),
            reason: "it has no baseline hazard: it has several sets of models, or sites that share no event times"
                .to_owned(),
            hint: "leave out --survival; train without folds; or set federation.min_count or federation.time_bins",
        })
    }

    /// What a table to be predicted on must have. The stratum is read as the site is: a label that
    /// needs no outcome beside it.
    fn schema(&self, strata: bool) -> Result<Schema, StudyError> {
        let data = &self.study.data;
        let label = |name: &String, role| ColumnSpec::new(name.as_str(), role, Kind::Continuous);
        let mut columns: Vec<ColumnSpec> = data.id.iter().map(|name| label(name, Role::Id)).collect();
        if strata {
            columns.extend(data.strata.iter().map(|name| label(name, Role::Site)));
        }
        columns.extend(self.features());
        let schema = Schema { columns };
        schema.validate()?;
        Ok(schema)
    }

    /// The stratum of each patient among those of the baseline.
    fn strata(&self, rows: &Dataset) -> Result<Vec<u32>, StudyError> {
        let Some(labels) = &rows.sites else { return Ok(vec![0; rows.n]) };
        let known = &self.predictor.strata;
        let (mut codes, mut faults) = (Vec::with_capacity(rows.n), Vec::new());
        for (row, &code) in labels.codes.iter().enumerate() {
            let name = &labels.names[code as usize];
            match known.iter().position(|k| k == name) {
                Some(code) => codes.push(code as u32),
                None => {
                    let at = osteon_data::Location::line(&rows.source, rows.lines[row]);
                    let message = format!("no training patient was in stratum \"{name}\"");
                    faults.push(Fault::error(at, message));
                }
            }
        }
        if faults.is_empty() { Ok(codes) } else { Err(DataError::Faults(faults).into()) }
    }

    /// Risks of every model, in the order of the model file: parts, each with its replicates.
    fn models(&self, rows: &Dataset) -> Result<Vec<Scores>, StudyError> {
        let parts = self.predictor.preprocess.len();
        let replicates = self.model.problems.len() / parts;
        let mut models = Vec::with_capacity(self.model.problems.len());
        for (part, preprocess) in self.predictor.preprocess.iter().enumerate() {
            let prepared = Prepared::new(rows.clone(), preprocess)?;
            for problem in part * replicates..(part + 1) * replicates {
                let described = &self.model.problems[problem];
                models.push(Scores {
                    name: name(described),
                    bootstrap: described["bootstrap"].as_u64(),
                    risk: self.risk(part, problem, &prepared)?,
                });
            }
        }
        Ok(models)
    }

    fn risk(&self, part: usize, problem: usize, rows: &Prepared) -> Result<Vec<f64>, StudyError> {
        match self.study.model.kind {
            ModelKind::Cox => match self.predictor.coefficients.get(part) {
                Some(coefficients) => Ok(cox::predict(coefficients, &rows.design.x)?),
                None => Err(mismatch(&self.path, "no coefficients".to_owned())),
            },
            _ => {
                let bags = self.bags.as_ref();
                let params = self.params(&networks::layout(&self.study, rows.design.p, bags), problem)?;
                networks::risks(&self.study, bags, &params, rows)
            }
        }
    }

    /// The parameters of a problem as the network lays them out; the file has its own order.
    pub fn params(&self, layout: &[Tensor], problem: usize) -> Result<Vec<f32>, StudyError> {
        let stride = self.model.params.len() / self.model.problems.len();
        let stored = &self.model.params[problem * stride..(problem + 1) * stride];
        let mut params = vec![0.0; layout.last().map_or(0, |t| t.range().end)];
        for tensor in layout {
            let found = self.model.tensors.iter().find(|t| t.name == tensor.name && t.shape == tensor.shape);
            let found = found.ok_or_else(|| {
                mismatch(&self.path, format!("no tensor {} of shape {:?}", tensor.name, tensor.shape))
            })?;
            params[tensor.range()].copy_from_slice(&stored[found.offset..found.offset + found.len()]);
        }
        Ok(params)
    }

    /// `survival_<t>` at each time.
    fn survival(
        &self,
        baseline: &BaselineHazard,
        strata: &[u32],
        risk: &[f64],
        times: &[f64],
    ) -> Result<Vec<Column>, StudyError> {
        let mut columns = vec![Vec::with_capacity(risk.len()); times.len()];
        for (&stratum, &risk) in strata.iter().zip(risk) {
            let survival = baseline.survival(stratum, risk, times).ok_or_else(|| {
                let name = self.predictor.strata.get(stratum as usize).cloned().unwrap_or_default();
                StudyError::Prediction {
                    path: self.path.clone(),
                    reason: format!("no event was seen in stratum \"{name}\": its survival is unknown"),
                    hint: "leave out --survival",
                }
            })?;
            columns.iter_mut().zip(survival).for_each(|(column, s)| column.push(Some(s)));
        }
        let column = |(t, values)| Column { name: format!("survival_{t}"), cells: Cells::Float(values) };
        Ok(times.iter().zip(columns).map(column).collect())
    }
}

/// Files of a run that do not belong together.
fn mismatch(run: &Path, reason: String) -> StudyError {
    let path = run.join(MODEL);
    let hint = "its files are not of one run; train it again";
    StudyError::Prediction { path, reason, hint }
}

/// The column of a model: `risk`, then its site, fold, seed and bootstrap as far as it has them.
fn name(problem: &Value) -> String {
    let mut name = "risk".to_owned();
    for (key, label) in [("site", ""), ("fold", "fold"), ("seed", "seed"), ("bootstrap", "bootstrap")] {
        match &problem[key] {
            Value::Null => {}
            Value::String(text) => name.push_str(&format!("_{label}{text}")),
            other => name.push_str(&format!("_{label}{other}")),
        }
    }
    name
}
