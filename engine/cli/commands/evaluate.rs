//! `osteon evaluate`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_study::StudyError;

use crate::args::{Compute, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Evaluate {
    /// Table with a time, an event and a score per patient
    pub data: PathBuf,
    /// Column of the follow-up time
    #[arg(long, value_name = "COLUMN", default_value = "time")]
    pub time: String,
    /// Column of the event: 1 observed, 0 censored
    #[arg(long, value_name = "COLUMN", default_value = "event")]
    pub event: String,
    /// Column of the risk score: higher means earlier
    #[arg(long, value_name = "COLUMN", default_value = "risk_score")]
    pub risk: String,
    #[command(flatten)]
    pub compute: Compute,
    #[command(flatten)]
    pub voice: Voice,
}

impl Evaluate {
    pub fn run(&self, _talk: &Talk) -> Result<ExitCode, CommandError> {
        Err(StudyError::Absent("evaluation").into())
    }
}
