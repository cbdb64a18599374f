//! `osteon report`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Report {
    /// Directory of a finished run
    run: PathBuf,
    #[command(flatten)]
    pub voice: Voice,
}

impl Report {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let path = osteon_report::html::write_report(&self.run)?;
        talk.result(&serde_json::json!({ "report": path }), &format!("{}\n", path.display()))?;
        Ok(ExitCode::Ok)
    }
}
