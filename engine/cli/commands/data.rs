//! `osteon data check`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use osteon_core::ExitCode;
use osteon_data::Roles;
use osteon_study::Loaded;
use osteon_study::inspect::{Columns, Finding, inspect, tables_of};
use osteon_study::watch::Watch;

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
    /// Tables: .csv, .parquet or .h5; by default those of --study
    #[arg(required_unless_present = "study", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Study whose `[data]` says what the columns are, in place of the flags below
    #[arg(long, value_name = "STUDY", conflicts_with_all = ["time", "event", "entry", "id", "strata", "weights", "site"])]
    study: Option<PathBuf>,
    /// Column of the follow-up time
    #[arg(long, value_name = "COLUMN", default_value = "time")]
    time: String,
    /// Column of the event: 1 observed, 0 censored
    #[arg(long, value_name = "COLUMN", default_value = "event")]
    event: String,
    /// Column of the entry time
    #[arg(long, value_name = "COLUMN")]
    entry: Option<String>,
    /// Column that identifies a patient
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Column whose values part the risk sets
    #[arg(long, value_name = "COLUMN")]
    strata: Option<String>,
    /// Column of case weights
    #[arg(long, value_name = "COLUMN")]
    weights: Option<String>,
    /// Column that names the site
    #[arg(long, value_name = "COLUMN")]
    site: Option<String>,
    #[command(flatten)]
    voice: Voice,
}

impl Data {
    pub fn voice(&self) -> Voice {
        let Verb::Check(check) = &self.verb;
        check.voice
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let Verb::Check(check) = &self.verb;
        check.run(talk)
    }
}

impl Check {
    fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let study = self.study.as_ref().map(|path| Loaded::read(path, &[])).transpose()?;
        let roles = Roles {
            id: self.id.clone(),
            time: Some(self.time.clone()),
            event: Some(self.event.clone()),
            entry: self.entry.clone(),
            strata: self.strata.clone(),
            weight: self.weights.clone(),
            site: self.site.clone(),
            ..Roles::default()
        };
        let (files, columns) = match &study {
            Some(loaded) if self.files.is_empty() => {
                (tables_of(&loaded.study), Columns::Study(&loaded.study))
            }
            Some(loaded) => (self.files.clone(), Columns::Study(&loaded.study)),
            None => (self.files.clone(), Columns::Roles(&roles)),
        };
        let faults = inspect(&files, columns)?;
        let errors = faults.iter().filter(|f| f.is_error()).count();
        let warnings = faults.len() - errors;
        let findings: Vec<Finding> = faults.iter().map(Finding::from).collect();
        let mut text = String::new();
        for fault in &faults {
            let _ = writeln!(text, "{fault}");
        }
        let record = serde_json::json!({
            "files": files, "errors": errors, "warnings": warnings, "faults": findings,
        });
        talk.result(&record, &text)?;
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        talk.say(&format!(
            "{}, {} in {}",
            count(errors, "error"),
            count(warnings, "warning"),
            count(files.len(), "file")
        ));
        Ok(if errors > 0 { ExitCode::Data } else { ExitCode::Ok })
    }
}
