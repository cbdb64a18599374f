//! `osteon completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use osteon_core::ExitCode;

use crate::args::Cli;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to complete in
    shell: Shell,
}

impl Completions {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "osteon", &mut script);
        talk.print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::Ok)
    }
}
