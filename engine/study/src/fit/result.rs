//! What a fit leaves: figures for the summary, and what `predict` needs.

use osteon_data::FittedPreprocess;
use osteon_federate::TensorSpec;
use osteon_federate::checkpoint::write_model;
use osteon_models::baseline::BaselineHazard;
use osteon_report::records::{CIndex, Coefficient, ColumnSummary, KaplanMeier, SiteResult};
use osteon_report::{Summary, records};
use serde::{Deserialize, Serialize};

use crate::StudyError;
use crate::run_dir::RunDir;

/// File of [`Predictor`] in the run directory.
pub const PREDICTOR: &str = "predictor.json";

/// What turns a row of a table into a risk, besides the tensors of `model.safetensors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predictor {
    /// Version of this record.
    pub schema: u32,
    /// The columns and what was fitted on them; one per fold, or one.
    pub preprocess: Vec<FittedPreprocess>,
    /// Baseline hazard of the mean risk over the seeds on the training patients; absent where one
    /// was not to be shared, or there are several sets of models.
    pub baseline: Option<BaselineHazard>,
    /// Names of the strata of the baseline, by code.
    pub strata: Vec<String>,
    /// Coefficients of a linear model, one row per entry of `preprocess`, in full precision: the
    /// tensors hold them as f32. Empty for a network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coefficients: Vec<Vec<f64>>,
}

/// The result of a fit.
pub struct Fit {
    /// What is estimated, in one sentence.
    pub estimand: String,
    /// Training and held-out patients and events: `[n, events]` each.
    pub train: [u64; 2],
    /// As `train`, of the held-out patients.
    pub test: [u64; 2],
    /// Seeds of the models.
    pub seeds: Vec<u64>,
    /// Tensors of one problem.
    pub tensors: Vec<TensorSpec>,
    /// Parameters `[B, P]`.
    pub params: Vec<f32>,
    /// One object per problem.
    pub problems: Vec<serde_json::Value>,
    /// Concordance on the held-out patients; absent without any.
    pub c_index: Option<CIndex>,
    /// Coefficients of a linear model and its log-likelihood.
    pub linear: Option<(Vec<Coefficient>, f64)>,
    /// The linear model in full, for `cox.json`.
    pub cox: Option<super::linear::CoxRecord>,
    /// Rounds, bytes per round and sites of a federation.
    pub federation: Option<(u64, u64, Vec<SiteResult>)>,
    /// Sites of an isolated run.
    pub sites: Option<Vec<SiteResult>>,
    /// Survival by risk.
    pub kaplan_meier: Option<KaplanMeier>,
    /// Summaries of the columns over the sites of a federation.
    pub columns: Option<Vec<ColumnSummary>>,
    /// What `predict` needs.
    pub predictor: Predictor,
}

impl Fit {
    /// Writes the model and what belongs to it and gives the summary, still without times.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(self, dir: &RunDir, arm: &str, model: &str) -> Result<Summary, StudyError> {
        let model_sha256 = write_model(&dir.model(), &self.tensors, &self.params, &self.problems)?;
        dir.write(PREDICTOR, &self.predictor)?;
        if let Some(cox) = &self.cox {
            dir.write("cox.json", cox)?;
        }
        if let Some(curves) = &self.kaplan_meier {
            dir.write("kaplan_meier.json", curves)?;
        }
        if let Some(columns) = &self.columns {
            dir.write("columns.json", columns)?;
        }
        let (coefficients, log_likelihood) = self.linear.map_or((None, None), |(c, l)| (Some(c), Some(l)));
        let (rounds, bytes, sites) =
            self.federation.map_or((None, None, self.sites), |(r, b, s)| (Some(r), Some(b), Some(s)));
        Ok(Summary {
            schema: records::SCHEMA,
            arm: arm.to_owned(),
            model: model.to_owned(),
            model_sha256,
            estimand: self.estimand,
            n_train: self.train[0],
            n_test: self.test[0],
            events_train: self.train[1],
            events_test: self.test[1],
            seeds: self.seeds,
            c_index: self.c_index,
            coefficients,
            log_likelihood,
            rounds,
            bytes_per_round: bytes,
            sites,
            ..Summary::default()
        })
    }
}
