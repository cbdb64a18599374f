//! Time per phase of a run, for the table at its end.

use std::time::{Duration, Instant};

/// Wall time per named phase, in order of first use.
#[derive(Debug)]
pub struct Phases {
    started: Instant,
    spent: Vec<(&'static str, Duration)>,
    waited: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self { started: Instant::now(), spent: Vec::new(), waited: Duration::ZERO }
    }
}

impl Phases {
    /// Starts the clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` and books its wall time on `phase`.
    pub fn time<T>(&mut self, phase: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = work();
        self.add(phase, start.elapsed());
        out
    }

    /// Books time on a phase.
    pub fn add(&mut self, phase: &'static str, spent: Duration) {
        match self.spent.iter_mut().find(|(name, _)| *name == phase) {
            Some((_, total)) => *total += spent,
            None => self.spent.push((phase, spent)),
        }
    }

    /// Books time in which this rank waited for slower ones; it is part of some phase as well.
    pub fn wait(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// Time in which this rank waited for slower ones.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Phases with their wall time, in order of first use.
    pub fn list(&self) -> &[(&'static str, Duration)] {
        &self.spent
    }

    /// Wall time since the clock was started.
    pub fn wall(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Peak resident memory of this process in bytes.
pub fn peak_memory_bytes() -> u64 {
    // SAFETY: getrusage fills the zeroed struct it is given; zero is valid for its fields.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) != 0 {
            return 0;
        }
        // Linux reports kilobytes, macOS bytes.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        usage.ru_maxrss as u64 * unit
    }
}
