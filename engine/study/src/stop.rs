//! When to stop early: on a signal of the batch system or of the user, or at a time limit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Exit status of a process that a second interrupt ends at once (128 + SIGINT, as shells count).
const INTERRUPTED: i32 = 130;

/// Whether a run was asked to finish its step, write a checkpoint and end.
///
/// Asked between steps. With several ranks each asks its own, and the answers are combined by a
/// maximum over the ranks, so that all stop after the same round.
#[derive(Debug, Clone)]
pub struct Stop {
    signal: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

/// Why a run stops early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM, SIGUSR1 or SIGINT.
    Signal,
    /// `--max-hours` have passed.
    TimeLimit,
}

impl Stop {
    /// Watches for SIGTERM, SIGUSR1 and SIGINT, and for the end of `max_hours` from now. A second
    /// SIGINT ends the process at once.
    ///
    /// # Errors
    /// If a signal handler cannot be installed.
    pub fn watch(max_hours: Option<f64>) -> io::Result<Self> {
        let signal = Arc::new(AtomicBool::new(false));
        // Registered before the flag is: it fires only when the flag is already up.
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&signal))?;
        for number in [SIGTERM, SIGUSR1, SIGINT] {
            flag::register(number, Arc::clone(&signal))?;
        }
        Ok(Self { signal, deadline: deadline(max_hours) })
    }

    /// Never stops early, but for a time limit.
    pub fn unwatched(max_hours: Option<f64>) -> Self {
        Self { signal: Arc::default(), deadline: deadline(max_hours) }
    }

    /// The reason to stop, if there is one.
    pub fn requested(&self) -> Option<Reason> {
        if self.signal.load(Ordering::Relaxed) {
            return Some(Reason::Signal);
        }
        self.deadline.filter(|d| Instant::now() >= *d).map(|_| Reason::TimeLimit)
    }
}

/// A limit too far away to be represented is none.
fn deadline(max_hours: Option<f64>) -> Option<Instant> {
    let limit = Duration::try_from_secs_f64(max_hours? * 3600.0).ok()?;
    Instant::now().checked_add(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_and_a_limit_ask_to_stop() {
        let stop = Stop::watch(None).expect("handlers");
        assert_eq!(stop.requested(), None);
        signal_hook::low_level::raise(SIGUSR1).expect("raise");
        assert_eq!(stop.requested(), Some(Reason::Signal));
        assert_eq!(Stop::unwatched(Some(0.0)).requested(), Some(Reason::TimeLimit));
        assert_eq!(Stop::unwatched(Some(1.0)).requested(), None);
        assert_eq!(Stop::unwatched(Some(1e300)).requested(), None);
    }
}
