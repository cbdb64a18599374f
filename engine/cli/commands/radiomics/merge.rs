//! `osteon radiomics merge`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_pipeline::Shard;

use super::extract::conclude;
use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Merge {
    /// Tables of the shards; the journal beside each is what is read
    #[arg(value_name = "TABLE", required = true)]
    pub parts: Vec<PathBuf>,
    /// Table to write: .csv, .tsv, .parquet, .h5 or .json
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub voice: Voice,
}

impl Merge {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        conclude(&osteon_imaging::merge(&self.parts)?, &self.out, Shard::WHOLE, talk)
    }
}
