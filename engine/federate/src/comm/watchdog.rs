//! Ends a job that would otherwise wait for ever.
//!
//! A rank that is dead or stuck leaves the others inside a collective, and the allocation burns. Each
//! rank has one thread that watches the deadline of the current round. The rank that is itself at work
//! past the deadline speaks at once; ranks that only wait for others speak a little later, so that the
//! message names the culprit where it still can.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use osteon_core::ExitCode;

use super::Transport;
use crate::message::Kind;

/// How often the thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Added to the deadline of a rank that waits, at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time for `abort` to end the process before it is ended by force.
const FORCE_AFTER: Duration = Duration::from_secs(10);
/// Marks that no collective is being waited for.
const AT_WORK: u8 = u8::MAX;

/// The watchdog of one rank. Its thread starts with the first deadline.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    host: String,
    state: Mutex<State>,
    stop: Condvar,
    waiting: AtomicU8,
}

#[derive(Default)]
struct State {
    sites: String,
    watched: Option<(Instant, Duration, String)>,
    stopped: bool,
}

/// A running deadline; dropping it calls the watchdog off.
#[must_use = "the deadline ends when this is dropped"]
pub struct Armed<'w>(&'w Shared);

/// Marks that this rank waits for the others.
pub(super) struct Waiting<'w>(&'w Shared);

impl Watchdog {
    pub(super) fn new(transport: Arc<dyn Transport>, host: String) -> Self {
        let shared = Shared {
            transport,
            host,
            state: Mutex::default(),
            stop: Condvar::new(),
            waiting: AtomicU8::new(AT_WORK),
        };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    pub(super) fn holds(&self, sites: &str) {
        self.shared.lock().sites = sites.to_owned();
    }

    pub(super) fn arm(&self, limit: Duration, what: &str) -> Armed<'_> {
        self.shared.lock().watched = Some((Instant::now(), limit, what.to_owned()));
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.get_or_insert_with(|| {
            let shared = self.shared.clone();
            std::thread::spawn(move || shared.watch())
        });
        Armed(&self.shared)
    }

    pub(super) fn waiting(&self, kind: Kind) -> Waiting<'_> {
        self.shared.waiting.store(kind as u8, Ordering::Relaxed);
        Waiting(&self.shared)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.stop.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.0.lock().watched = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.store(AT_WORK, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut state = self.lock();
        while !state.stopped {
            if let Some(message) = self.overdue(&state) {
                drop(state);
                self.end(&message);
                return;
            }
            state = self.stop.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What to say if the deadline has passed.
    fn overdue(&self, state: &State) -> Option<String> {
        let (start, limit, what) = state.watched.as_ref()?;
        let kind = Kind::ALL.get(self.waiting.load(Ordering::Relaxed) as usize);
        let patience = if kind.is_some() { PATIENCE.min(*limit) } else { Duration::ZERO };
        if start.elapsed() < *limit + patience {
            return None;
        }
        let why = match kind {
            Some(kind) => {
                format!("waiting for the other ranks in its {kind}: one of them is dead or blocked")
            }
            None => "this rank itself is still at work".to_owned(),
        };
        let sites = if state.sites.is_empty() { "none" } else { &state.sites };
        Some(format!(
            "rank {} on {} (sites: {sites}): {what} not finished after {:.1} s; {why}; ending the job",
            self.transport.rank(),
            self.host,
            limit.as_secs_f64(),
        ))
    }

    fn end(&self, message: &str) {
        let _ = writeln!(std::io::stderr(), "osteon: {message}");
        self.transport.abort(ExitCode::Mpi as i32);
        // A transport whose abort returns (threads) has told the others; wait to be called off.
        let state = self.lock();
        let (state, late) = self
            .stop
            .wait_timeout_while(state, FORCE_AFTER, |s| !s.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        if late.timed_out() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::threads;

    #[test]
    fn a_blocked_rank_does_not_hold_the_others_for_ever() {
        let ends = threads::spawn(2, |comm| {
            comm.holds("bologna");
            let _deadline = comm.deadline(Duration::from_millis(200), "round 3");
            if comm.rank() == 1 {
                // Blocked in "training" until the job is ended.
                std::thread::sleep(Duration::from_millis(900));
            }
            comm.sum(Kind::ParamSum, &mut [1])
        });
        for end in ends {
            let text = end.expect_err("the deadline passed").to_string();
            // The rank at work speaks before the one that waits.
            assert!(text.contains("rank 1 ended the job with code 6"), "{text}");
        }
    }

    #[test]
    fn the_message_names_rank_node_site_and_cause() {
        let shared = Shared {
            transport: Arc::new(crate::comm::solo::Solo),
            host: "n3".into(),
            state: Mutex::default(),
            stop: Condvar::new(),
            waiting: AtomicU8::new(Kind::ParamSum as u8),
        };
        let long_ago = Instant::now().checked_sub(Duration::from_secs(3)).expect("uptime");
        let mut state = State {
            sites: "milan, turin".into(),
            watched: Some((long_ago, Duration::from_secs(1), "round 2".into())),
            stopped: false,
        };
        let message = shared.overdue(&state).expect("overdue");
        for part in ["rank 0 on n3", "milan, turin", "round 2", "parameter sum", "dead or blocked"] {
            assert!(message.contains(part), "{message}");
        }
        state.watched = Some((Instant::now(), Duration::from_secs(60), "round 2".into()));
        assert_eq!(shared.overdue(&state), None);
    }
}
