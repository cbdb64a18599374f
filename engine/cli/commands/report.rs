//! `osteon report`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_report::scaling::Scaling;
use osteon_study::watch::Watch;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Report {
    /// Directory of a finished run
    run: PathBuf,
    /// RUN is a folder of runs of one study on more and more cores: write scaling.json and scaling.svg
    #[arg(long)]
    scaling: bool,
    #[command(flatten)]
    pub voice: Voice,
}

impl Report {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        if self.scaling {
            return self.scaling(talk);
        }
        let path = osteon_report::html::write_report(&self.run)?;
        talk.result(&serde_json::json!({ "report": path }), &format!("{}\n", path.display()))?;
        Ok(ExitCode::Ok)
    }

    fn scaling(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let (scaling, unfinished) = Scaling::of_folder(&self.run)?;
        for name in unfinished {
            talk.warn(&format!("{name} is not finished and left out"));
        }
        if scaling.rows.is_empty() {
            let message = format!("{} holds no finished run", self.run.display());
            return Err(CommandError::Plain(message, ExitCode::Usage, None));
        }
        scaling.write(&self.run, "scaling")?;
        talk.result(&scaling, &scaling.table())?;
        // Other numbers on other cores are a fault, whatever the times say.
        Ok(if scaling.one_model { ExitCode::Ok } else { ExitCode::CheckFailed })
    }
}
