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
    /// Table of a modality in place of that of the study; NAME= if none of the patients has it
    #[arg(long = "block", value_name = "NAME=FILE", value_parser = block)]
    blocks: Vec<(String, Option<PathBuf>)>,
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
            blocks: self.blocks.clone(),
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

fn block(text: &str) -> Result<(String, Option<PathBuf>), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() => {
            Ok((name.to_owned(), Some(PathBuf::from(file)).filter(|f| !f.as_os_str().is_empty())))
        }
        _ => Err("is not NAME=FILE, such as wsi=slides.h5".to_owned()),
    }
}
