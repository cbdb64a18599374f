//! `osteon slides`: one file per verb.

mod attention;
mod merge;
mod models;
mod reduce;
mod repack;

use clap::{Args, Subcommand};
use osteon_core::ExitCode;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Slides {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make one vector per slide or patient of the embeddings of its tiles
    Reduce(Box<reduce::Reduce>),
    /// Join the tables that the shards of a reduction have written
    Merge(Box<merge::Merge>),
    /// Show what a trained model of attention pooling looks at, tile by tile
    Attention(attention::Attention),
    /// Rewrite embeddings into HDF5 files that read at disk speed
    Repack(repack::Repack),
}

impl Slides {
    pub fn voice(&self) -> Voice {
        match &self.verb {
            Verb::Reduce(verb) => verb.voice,
            Verb::Merge(verb) => verb.voice,
            Verb::Attention(verb) => verb.voice,
            Verb::Repack(verb) => verb.voice,
        }
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        match &self.verb {
            Verb::Reduce(verb) => verb.run(talk),
            Verb::Merge(verb) => verb.run(talk),
            Verb::Attention(verb) => verb.run(talk),
            Verb::Repack(verb) => verb.run(talk),
        }
    }
}
