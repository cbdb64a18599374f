//! `osteon train`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::{ExitCode, Failure};
use osteon_federate::{Comm, ConnectOptions, connect};
use osteon_study::StudyError;
use osteon_study::plan::Plan;
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train_on};
use osteon_study::watch::Watch;

use crate::args::{Compute, StudyFile, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    study: StudyFile,
    /// Run directory to write; the same command again goes on with a run that stopped
    #[arg(short, long, value_name = "RUN", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
    /// Print the plan and stop
    #[arg(long)]
    dry_run: bool,
    /// Discard the run that is already in the directory
    #[arg(long)]
    restart: bool,
    /// Stop after so many hours with a checkpoint and exit code 75
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    max_hours: Option<f64>,
    #[command(flatten)]
    pub voice: Voice,
}

fn hours(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|h: &f64| *h > 0.0)
        .ok_or_else(|| "expected a positive number of hours".to_owned())
}

impl Train {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let loaded = self.study.load()?;
        loaded.warnings.iter().for_each(|w| talk.warn(w));
        let plan = Plan::of(&loaded.study, self.out.as_deref());
        let Some(output) = self.out.clone().filter(|_| !self.dry_run) else {
            talk.result(&plan, &plan.to_string())?;
            return Ok(ExitCode::Ok);
        };
        let engine = self.compute.device.for_training(&loaded.study)?;
        let stop = Stop::watch(self.max_hours).map_err(|e| {
            CommandError::Plain(format!("cannot watch for signals: {e}"), ExitCode::Unexpected, None)
        })?;
        let threads = self.compute.threads();
        talk.detail(plan.to_string().trim_end());
        let request = Request { study: loaded.study, output, threads, restart: self.restart, stop };
        let comm = connect(ConnectOptions::default())?;
        let outcome = match train_on(&engine, &request, &comm, talk) {
            Ok(outcome) => outcome,
            Err(error) => return Err(end_all(&comm, error, talk)),
        };
        let done = match outcome {
            Outcome::Finished(summary) => {
                talk.result(&summary, &headline(&summary))?;
                code(&summary)
            }
            Outcome::AlreadyFinished(summary) => {
                talk.say(&format!("{} is already finished", request.output.display()));
                talk.result(&summary, &headline(&summary))?;
                code(&summary)
            }
            Outcome::Stopped(steps) => {
                talk.say(&format!("stopped after step {steps}; the same command goes on"));
                return Ok(ExitCode::Resumable);
            }
        };
        Ok(done)
    }
}

/// An error that only this rank knows must end the others too, or they wait for it in a collective.
pub fn end_all(comm: &Comm, error: StudyError, talk: &Talk) -> CommandError {
    let agreed = matches!(&error, StudyError::Federate(e) if e.is_agreed());
    if comm.size() > 1 && !agreed {
        let code = error.exit_code();
        let _ = CommandError::from(error).report(talk);
        comm.abort(i32::from(code as u8));
        return CommandError::Silent(code);
    }
    if comm.rank() > 0 {
        // Rank 0 prints the same error.
        return CommandError::Silent(error.exit_code());
    }
    error.into()
}

/// A run that lost sites on the way is complete but for them.
fn code(summary: &osteon_report::Summary) -> ExitCode {
    if summary.lost_sites() { ExitCode::Partial } else { ExitCode::Ok }
}

fn headline(summary: &osteon_report::Summary) -> String {
    let c_index = summary.c_index.as_ref().and_then(|c| c.mean);
    let c_index = c_index.map_or("undefined".to_owned(), |c| format!("{c:.4}"));
    format!(
        "{} {}: C-index {c_index} on {} held-out patients\nmodel_sha256 {}\n",
        summary.arm, summary.model, summary.n_test, summary.model_sha256
    )
}
