//! `osteon config show` and `osteon config check`.

use clap::{Args, Subcommand};
use osteon_core::ExitCode;
use osteon_study::watch::Watch;

use crate::args::{StudyFile, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the study with every default filled in
    Show(Read),
    /// Check the study, and say which keys have no effect
    Check(Read),
}

#[derive(Debug, Args)]
struct Read {
    #[command(flatten)]
    study: StudyFile,
    #[command(flatten)]
    voice: Voice,
}

impl Config {
    pub fn voice(&self) -> Voice {
        let (Verb::Show(read) | Verb::Check(read)) = &self.verb;
        read.voice
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let (Verb::Show(read) | Verb::Check(read)) = &self.verb;
        let loaded = read.study.load()?;
        loaded.warnings.iter().for_each(|w| talk.warn(w));
        match self.verb {
            Verb::Show(_) => talk.result(&loaded.study, &loaded.to_toml()?)?,
            Verb::Check(_) => {
                let warnings = serde_json::json!({ "valid": true, "warnings": loaded.warnings });
                talk.result(&warnings, &format!("{} is valid\n", read.study.study.display()))?;
            }
        }
        Ok(ExitCode::Ok)
    }
}
