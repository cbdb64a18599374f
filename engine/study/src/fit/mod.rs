//! Fitting a study: the place where data, models, federation and metrics meet.
//!
//! - [`network`]: the study's keys as a DeepSurv network, its problems and cohorts,
//! - `networks`: networks of columns and of tiles alike,
//! - [`local`]: central and isolated training in one process,
//! - [`federated`]: sites as learners of a federation,
//! - [`exact`]: risk sets summed over the sites of a federation,
//! - [`shared`]: what a federation publishes besides its model,
//! - [`linear`]: the linear Cox model,
//! - [`held_out`]: concordance and survival curves on held-out patients,
//! - [`private`]: differential privacy of a federation,
//! - [`result`]: what a fit leaves in the run directory.

pub mod exact;
pub mod federated;
pub mod held_out;
pub mod linear;
pub mod local;
pub mod network;
pub(crate) mod networks;
pub mod private;
pub mod result;
pub mod shared;

use osteon_core::phases::Phases;
use osteon_data::preprocess::{self, Drop, ImputeLevel, ImputeNumber};
use osteon_data::{Dataset, Design, FittedPreprocess};
use osteon_federate::Comm;

use crate::bags::Bags;
use crate::cohorts::Cohorts;
use crate::config::{Arm, Impute, ModelKind, Scale};
use crate::engine::Engine;
use crate::run_dir::RunDir;
use crate::stop::Stop;
use crate::watch::Watch;
use crate::{Study, StudyError};

/// What a fit works with.
pub struct Job<'j> {
    /// The resolved study.
    pub study: &'j Study,
    /// The patients held here.
    pub cohorts: &'j Cohorts,
    /// The tiles of the patients, for a model that reads them.
    pub bags: Option<&'j Bags>,
    /// Where it is trained.
    pub engine: &'j Engine,
    /// The ranks.
    pub comm: &'j Comm,
    /// The run directory; on rank 0 only.
    pub dir: Option<&'j RunDir>,
    /// Folder of the checkpoints, the same on all ranks.
    pub checkpoints: std::path::PathBuf,
    /// When to stop early.
    pub stop: &'j Stop,
    /// The listener.
    pub watch: &'j dyn Watch,
}

/// How a fit ended.
pub enum Fitted {
    /// Complete.
    Done(Box<result::Fit>),
    /// Stopped on request after so many rounds or epochs.
    Stopped(u64),
}

/// Fits the model of the study.
///
/// # Errors
/// Of the data, the model or a rank.
pub fn fit(job: &Job, phases: &mut Phases) -> Result<Fitted, StudyError> {
    match (job.study.model.kind, job.study.train.arm) {
        (ModelKind::Cox, Arm::Federated) => exact::linear::fit(job, phases),
        (ModelKind::Cox, _) => linear::fit(job, phases),
        (ModelKind::Deepsurv, Arm::Federated) if job.study.federation.exact => {
            exact::network::fit(job, phases)
        }
        (_, Arm::Federated) => federated::fit(job, phases),
        (_, _) => local::fit(job, phases),
    }
}

/// The preprocessing that the study asks for.
pub(crate) fn preprocessing(study: &Study) -> preprocess::Preprocess {
    let asked = study.preprocess;
    preprocess::Preprocess {
        impute_number: match asked.impute {
            Impute::Median => ImputeNumber::Median,
            Impute::Mean => ImputeNumber::Mean,
            Impute::None => ImputeNumber::None,
        },
        impute_level: if asked.impute == Impute::None { ImputeLevel::None } else { ImputeLevel::Mode },
        // A linear model reports coefficients on the scale of the input columns.
        scale: match (study.model.kind, asked.scale) {
            (ModelKind::Cox, _) | (_, Scale::None) => preprocess::Scale::None,
            (_, Scale::All) => preprocess::Scale::Standard,
            (_, Scale::Numbers) => preprocess::Scale::Numbers,
        },
        drop: match study.model.kind == ModelKind::Cox || asked.drop_first {
            true => Drop::First,
            false => Drop::None,
        },
        indicators: asked.indicators,
        constant_masks: study.model.kind == ModelKind::Deepsurv,
    }
}

/// A cohort and its design matrix.
pub struct Prepared {
    /// The patients.
    pub rows: Dataset,
    /// Their features as the model sees them.
    pub design: Design,
}

impl Prepared {
    /// Applies a fitted preprocessing.
    ///
    /// # Errors
    /// If the cohort lacks a feature or a value that is not imputed.
    pub fn new(rows: Dataset, preprocess: &FittedPreprocess) -> Result<Self, StudyError> {
        let design = preprocess.transform(&rows)?;
        Ok(Self { rows, design })
    }

    /// The features as the network's numbers, row-major `[N, F]`.
    pub fn features(&self) -> Vec<f32> {
        self.design.x.iter().map(|&x| x as f32).collect()
    }
}
