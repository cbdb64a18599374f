//! What the user reads: results on stdout, talk on stderr, by rank 0 alone.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use osteon_study::watch::Watch;
use serde::Serialize;

use crate::args::Voice;
use crate::failure::CommandError;

/// Time between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The voice of a command.
pub struct Talk {
    voice: Voice,
    rank: usize,
    bar: Option<ProgressBar>,
    last_line: Cell<Option<Instant>>,
}

impl Talk {
    /// The voice of `rank`.
    pub fn new(voice: Voice, rank: usize) -> Self {
        let shown = rank == 0 && !voice.quiet && io::stderr().is_terminal();
        let bar = shown.then(|| {
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg} [{elapsed}, {eta} left]");
            ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { voice, rank, bar, last_line: Cell::new(None) }
    }

    /// A line about what is going on, for those who asked for more.
    pub fn detail(&self, text: &str) {
        if self.voice.verbose {
            self.line(text);
        }
    }

    /// An error with its causes and a way out. Every rank may report one.
    pub fn error(&self, message: &str, causes: &[String], hint: Option<&str>) {
        self.clear();
        let rank = if self.rank == 0 { String::new() } else { format!("[rank {}] ", self.rank) };
        stderr(&format!("{rank}error: {message}"));
        for cause in causes {
            stderr(&format!("{rank}caused by: {cause}"));
        }
        if let Some(hint) = hint {
            stderr(&format!("{rank}hint: {hint}"));
        }
    }

    /// Prints the result: its JSON with `--json`, its text otherwise.
    pub fn result(&self, record: &impl Serialize, text: &str) -> Result<(), CommandError> {
        if self.voice.json {
            let json = serde_json::to_string_pretty(record).map_err(|e| CommandError::Stdout(e.into()))?;
            return self.print(&format!("{json}\n"));
        }
        self.print(text)
    }

    /// Prints text on stdout.
    pub fn print(&self, text: &str) -> Result<(), CommandError> {
        if self.rank != 0 {
            return Ok(());
        }
        self.clear();
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::Stdout)
    }

    fn line(&self, text: &str) {
        if self.rank != 0 || self.voice.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| stderr(text)),
            None => stderr(text),
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Talk {
    fn say(&self, text: &str) {
        self.line(text);
    }

    fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }

    fn step(&self, done: u64, total: u64, note: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(note.to_owned());
            return;
        }
        let due = self.last_line.get().is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if due || done == total {
            self.last_line.set(Some(Instant::now()));
            self.line(&format!("{done}/{total} {note}"));
        }
    }
}

/// Writes a line on stderr; there is nowhere to complain if that fails.
fn stderr(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A panic is a fault of ours: says where, and how to report it.
pub fn announce_panics() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        let place = info.location().map_or(String::new(), |l| format!(" at {}:{}", l.file(), l.line()));
        stderr(&format!("error: internal fault{place}: {message}"));
        stderr("hint: please report this line with the output of `osteon doctor --json`");
    }));
}
