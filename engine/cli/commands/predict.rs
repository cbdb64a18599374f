//! `osteon predict`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_study::StudyError;

use crate::args::{Compute, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Predict {
    /// Directory of a finished run
    pub run: PathBuf,
    /// Table of patients with the columns of the study
    pub data: PathBuf,
    /// Table to write: the id or row and risk_score
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// One risk score per model instead of their mean
    #[arg(long)]
    pub per_problem: bool,
    /// Also the probability of survival at these times, in the time unit of the study
    #[arg(long, value_name = "T,...", value_delimiter = ',')]
    pub survival_at: Vec<f64>,
    #[command(flatten)]
    pub compute: Compute,
    #[command(flatten)]
    pub voice: Voice,
}

impl Predict {
    pub fn run(&self, _talk: &Talk) -> Result<ExitCode, CommandError> {
        Err(StudyError::Absent("prediction").into())
    }
}
