//! The one place where an error becomes text and an exit code.

use std::error::Error;
use std::io;
use std::process;

use osteon_core::{ExitCode, Failure};

use crate::talk::Talk;

/// Why a command ended without its result.
#[derive(Debug)]
pub enum CommandError {
    /// A fault of a room below.
    Room(Box<dyn Failure>),
    /// stdout could not be written.
    Stdout(io::Error),
    /// Already said, here or by another rank.
    Silent(ExitCode),
    /// Arguments that exclude each other, a missing part: a message, a code and a hint.
    Plain(String, ExitCode, Option<String>),
}

impl<F: Failure> From<F> for CommandError {
    fn from(failure: F) -> Self {
        Self::Room(Box::new(failure))
    }
}

impl CommandError {
    /// Prints the error with its causes and its hint, and gives the exit code.
    pub fn report(&self, talk: &Talk) -> process::ExitCode {
        match self {
            // The reader has seen enough.
            Self::Stdout(e) if e.kind() == io::ErrorKind::BrokenPipe => process::ExitCode::SUCCESS,
            Self::Stdout(e) => {
                talk.error(&format!("cannot write the result: {e}"), &[], None);
                code(ExitCode::Io)
            }
            Self::Silent(exit) => code(*exit),
            Self::Plain(message, exit, hint) => {
                talk.error(message, &[], hint.as_deref());
                code(*exit)
            }
            Self::Room(failure) => {
                let mut causes = Vec::new();
                let mut cause = failure.source();
                while let Some(below) = cause {
                    causes.push(below.to_string());
                    cause = Error::source(below);
                }
                talk.error(&failure.to_string(), &causes, failure.hint().as_deref());
                code(failure.exit_code())
            }
        }
    }
}

/// The exit code as the system wants it.
pub fn code(code: ExitCode) -> process::ExitCode {
    process::ExitCode::from(code as u8)
}
