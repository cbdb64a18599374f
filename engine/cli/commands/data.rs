//! `osteon data check`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use osteon_core::ExitCode;
use osteon_study::StudyError;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print every fault of the tables as file:row:column
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Check {
    /// Tables: .csv, .parquet or .h5
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Column of the follow-up time
    #[arg(long, value_name = "COLUMN", default_value = "time")]
    pub time: String,
    /// Column of the event: 1 observed, 0 censored
    #[arg(long, value_name = "COLUMN", default_value = "event")]
    pub event: String,
    /// Column that identifies a patient
    #[arg(long, value_name = "COLUMN")]
    pub id: Option<String>,
    #[command(flatten)]
    pub voice: Voice,
}

impl Data {
    pub fn voice(&self) -> Voice {
        let Verb::Check(check) = &self.verb;
        check.voice
    }

    pub fn run(&self, _talk: &Talk) -> Result<ExitCode, CommandError> {
        Err(StudyError::Absent("data check").into())
    }
}
