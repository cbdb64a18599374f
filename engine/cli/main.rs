//! `osteon`: arguments, exit codes and printing. What a command does lives in the rooms below.

mod args;
mod commands;
mod device;
mod failure;
mod launcher;
mod talk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Mesa's device-select layer looks for a display, and complains on stderr where there is none.
    // SAFETY: no other thread has been started yet.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    talk::announce_panics();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are results, and go to stdout; a closed pipe there is no failure.
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() {
                failure::code(osteon_core::ExitCode::Usage)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let talk = talk::Talk::new(cli.command.voice(), launcher::rank());
    match catch_unwind(AssertUnwindSafe(|| commands::run(&cli.command, &talk))) {
        Ok(Ok(code)) => failure::code(code),
        Ok(Err(failure)) => failure.report(&talk),
        Err(_) => failure::code(osteon_core::ExitCode::Unexpected),
    }
}
