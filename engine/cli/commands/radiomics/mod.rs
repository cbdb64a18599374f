//! `osteon radiomics`: one file per verb.

mod extract;
mod index;
mod maps;
mod merge;
mod run;
mod skeleton;
mod suv;
mod wanted;

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
    /// From DICOM to features: SUV, skeleton, features, pictures and quality control
    Run(run::Run),
    /// Find the skeleton in a CT, or take the bones of a label map
    Skeleton(skeleton::Skeleton),
    /// List the cases of a folder of DICOM files: PET with its CT and mask
    Index(index::Index),
    /// Write a DICOM PET series as standardised uptake values by body weight
    Suv(suv::Suv),
}

impl Radiomics {
    pub fn voice(&self) -> Voice {
        match &self.verb {
            Verb::Extract(verb) => verb.voice,
            Verb::Merge(verb) => verb.voice,
            Verb::Run(verb) => verb.voice,
            Verb::Skeleton(verb) => verb.voice,
            Verb::Index(verb) => verb.voice,
            Verb::Suv(verb) => verb.voice,
        }
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        match &self.verb {
            Verb::Extract(verb) => verb.run(talk),
            Verb::Merge(verb) => verb.run(talk),
            Verb::Run(verb) => verb.run(talk),
            Verb::Skeleton(verb) => verb.run(talk),
            Verb::Index(verb) => verb.run(talk),
            Verb::Suv(verb) => verb.run(talk),
        }
    }
}
