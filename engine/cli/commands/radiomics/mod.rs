//! `osteon radiomics`: one file per verb.

mod extract;
mod maps;
mod merge;

use clap::{Args, Subcommand};
use osteon_core::ExitCode;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Radiomics {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Compute features of labelled regions, equal to PyRadiomics
    Extract(extract::Extract),
    /// Join the tables that the shards of a batch have written
    Merge(merge::Merge),
}

impl Radiomics {
    pub fn voice(&self) -> Voice {
        match &self.verb {
            Verb::Extract(verb) => verb.voice,
            Verb::Merge(verb) => verb.voice,
        }
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        match &self.verb {
            Verb::Extract(verb) => verb.run(talk),
            Verb::Merge(verb) => verb.run(talk),
        }
    }
}
