//! One file per verb.

pub mod bench;
pub mod completions;
pub mod config;
pub mod data;
pub mod demo;
pub mod doctor;
pub mod evaluate;
pub mod predict;
pub mod radiomics;
pub mod report;
pub mod slides;
pub mod slurm;
pub mod train;

use osteon_core::ExitCode;

use crate::args::Command;
use crate::failure::CommandError;
use crate::talk::Talk;

/// Runs a verb to its exit code.
pub fn run(command: &Command, talk: &Talk) -> Result<ExitCode, CommandError> {
    match command {
        Command::Train(c) => c.run(talk),
        Command::Predict(c) => c.run(talk),
        Command::Evaluate(c) => c.run(talk),
        Command::Data(c) => c.run(talk),
        Command::Config(c) => c.run(talk),
        Command::Radiomics(c) => c.run(talk),
        Command::Slides(c) => c.run(talk),
        Command::Report(c) => c.run(talk),
        Command::Slurm(c) => c.run(talk),
        Command::Bench(c) => c.run(talk),
        Command::Doctor(c) => c.run(talk),
        Command::Demo(c) => c.run(talk),
        Command::Completions(c) => c.run(talk),
    }
}
