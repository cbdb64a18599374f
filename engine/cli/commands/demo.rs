//! `osteon demo`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_study::StudyError;

use crate::args::{Compute, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Demo {
    /// Directory to write the cohort, the study and the run to
    #[arg(short, long, value_name = "DIR", default_value = "osteon-demo")]
    pub out: PathBuf,
    #[command(flatten)]
    pub compute: Compute,
    #[command(flatten)]
    pub voice: Voice,
}

impl Demo {
    pub fn run(&self, _talk: &Talk) -> Result<ExitCode, CommandError> {
        Err(StudyError::Absent("the demo").into())
    }
}
