//! `osteon slides attention`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use osteon_core::ExitCode;
use osteon_study::attention::{Request, attention};
use osteon_study::watch::Watch;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text
    Csv,
    /// Parquet
    Parquet,
    /// HDF5
    H5,
}

#[derive(Debug, Args)]
pub struct Attention {
    /// Directory of a finished run with model.kind = "abmil"
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Folder to write a table and a heat map per slide into
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Patient to show; may be repeated [default: all whose slides the run names]
    #[arg(long = "patient", value_name = "ID")]
    pub patients: Vec<String>,
    /// Folder of other slides, each taken for a patient of its own [default: that of the run]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Format of the tables
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Threads of this process [default: what Slurm, the affinity mask or the cgroup grants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub voice: Voice,
}

impl Attention {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let request = Request {
            run: self.run.clone(),
            patients: self.patients.clone(),
            folder: self.folder.clone(),
            out: self.out.clone(),
            format: match self.format {
                Format::Csv => "csv",
                Format::Parquet => "parquet",
                Format::H5 => "h5",
            },
            threads: self.threads.map_or_else(|| osteon_core::threads::allotment().threads, |n| n as usize),
        };
        let slides = attention(&request, talk)?;
        talk.say(&format!("{slides} slides in {}", self.out.display()));
        Ok(ExitCode::Ok)
    }
}
