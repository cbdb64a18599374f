//! `osteon predict`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_study::predict::{Request, predict};

use crate::args::{Compute, Voice};
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Predict {
    /// Directory of a finished run
    run: PathBuf,
    /// Table of patients with the columns of the study
    data: PathBuf,
    /// Table to write: the id or row and risk_score
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Also the risk of each model, besides their mean
    #[arg(long)]
    per_problem: bool,
    /// Also the probability of survival at these times, in the time unit of the study
    #[arg(long, value_name = "T,...", value_delimiter = ',')]
    survival: Vec<f64>,
    /// Columns of the table to carry over, such as a known outcome
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// HDF5 group that holds the columns
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    #[command(flatten)]
    compute: Compute,
    #[command(flatten)]
    pub voice: Voice,
}

impl Predict {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        self.compute.device.processor_only("predict")?;
        let table = predict(&Request {
            run: self.run.clone(),
            data: self.data.clone(),
            keep: self.keep.clone(),
            group: self.group.clone(),
            per_problem: self.per_problem,
            survival_at: self.survival.clone(),
            threads: self.compute.threads(),
        })?;
        osteon_table::write(&self.out, &table)?;
        let columns: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
        let record = serde_json::json!({ "out": self.out, "patients": table.rows(), "columns": columns });
        talk.result(&record, &format!("{}: {} patients\n", self.out.display(), table.rows()))?;
        Ok(ExitCode::Ok)
    }
}
