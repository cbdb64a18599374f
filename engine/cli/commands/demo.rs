//! `osteon demo`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_federate::{ConnectOptions, connect};
use osteon_study::demo::{ArmResult, Demo as Show, Shown};
use osteon_study::stop::Stop;
use osteon_study::watch::Watch;

use super::train::end_all;
use crate::args::{Compute, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Demo {
    /// Directory to write the cohort, the study and the runs to
    #[arg(short, long, value_name = "DIR", default_value = "osteon-demo")]
    out: PathBuf,
    /// Patients of the made-up cohort
    #[arg(long, value_name = "N", default_value_t = 1200, value_parser = clap::value_parser!(u32).range(30..))]
    patients: u32,
    /// Write the cohort and the study, and train nothing
    #[arg(long)]
    data_only: bool,
    /// Discard an earlier demo in the directory
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    pub voice: Voice,
}

impl Demo {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        self.compute.device.processor_only("the demo")?;
        let show = Show {
            dir: self.out.clone(),
            patients: self.patients as usize,
            restart: self.restart,
            threads: self.compute.threads(),
        };
        if self.data_only {
            let study = show.write()?;
            let record = serde_json::json!({ "study": study });
            talk.result(&record, &format!("{}\n", study.display()))?;
            return Ok(ExitCode::Ok);
        }
        let stop = Stop::watch(None).map_err(|e| {
            CommandError::Plain(format!("cannot watch for signals: {e}"), ExitCode::Unexpected, None)
        })?;
        let comm = connect(ConnectOptions::default())?;
        match show.run(&comm, &stop, talk) {
            Ok(Shown::Arms(arms)) => {
                talk.result(&arms, &table(&arms, comm.size()))?;
                Ok(ExitCode::Ok)
            }
            Ok(Shown::Stopped) => {
                talk.say("stopped; the same command goes on");
                Ok(ExitCode::Resumable)
            }
            Err(error) => Err(end_all(&comm, error, talk)),
        }
    }
}

fn table(arms: &[ArmResult], ranks: usize) -> String {
    let mut out =
        format!("{:<10} {:>8} {:>7} {:>8}  95 % interval\n", "arm", "patients", "events", "C-index");
    for arm in arms {
        let s = &arm.summary;
        let c = s.c_index.as_ref();
        let mean = c.and_then(|c| c.mean).map_or("undefined".to_owned(), |c| format!("{c:.4}"));
        let ci = c.and_then(|c| c.ci95).map_or("none".to_owned(), |[lo, hi]| format!("{lo:.4} to {hi:.4}"));
        let _ = writeln!(out, "{:<10} {:>8} {:>7} {mean:>8}  {ci}", s.arm, s.n_train, s.events_train);
    }
    if let Some(federated) = arms.last() {
        let s = &federated.summary;
        let sites = s.sites.iter().flatten().map(|site| format!("{} {}", site.name, site.n));
        let _ = writeln!(
            out,
            "federated: {} rounds, {} bytes per round, {ranks} rank{}, sites {}",
            s.rounds.unwrap_or(0),
            s.bytes_per_round.unwrap_or(0),
            if ranks == 1 { "" } else { "s" },
            sites.collect::<Vec<_>>().join(", ")
        );
        let _ = writeln!(out, "report     {}", federated.report.display());
    }
    out
}
