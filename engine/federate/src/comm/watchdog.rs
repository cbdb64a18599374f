//! Ends a job that would otherwise wait for ever.
//!
//! A rank that is dead or stuck leaves the others inside a collective, and the allocation burns. Each
//! rank has one thread that watches the deadline of the current round. Shortly before it each living rank
//! leaves a note (`late.rs`); at the deadline the lowest of them ends the job and names the ranks
//! that left none or are still at work.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use osteon_core::ExitCode;

use super::Transport;
use super::late::Notes;
use crate::message::Kind;

/// How often the thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time before the deadline in which notes are left, and after it in which a higher rank lets a lower speak, at
/// most.
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
    notes: Option<Notes>,
    watched: Option<(Instant, Duration, String)>,
    /// What this rank's note says of it: whether it waits.
    noted: Option<bool>,
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

    pub(super) fn notes(&self, notes: Notes) {
        self.shared.lock().notes = Some(notes);
    }

    pub(super) fn arm(&self, limit: Duration, what: &str) -> Armed<'_> {
        let mut state = self.shared.lock();
        state.watched = Some((Instant::now(), limit, what.to_owned()));
        state.noted = None;
        drop(state);
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
            self.note(&mut state);
            if let Some(message) = self.overdue(&state) {
                drop(state);
                self.end(&message);
                return;
            }
            // Of a short deadline, often enough that notes are left in time.
            let limit = state.watched.as_ref().map_or(LOOK_EVERY, |w| patience(w.1) / 3);
            let pause = LOOK_EVERY.min(limit);
            state = self.stop.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The collective this rank waits in.
    fn waits_in(&self) -> Option<&'static Kind> {
        Kind::ALL.get(self.waiting.load(Ordering::Relaxed) as usize)
    }

    /// Leaves a note of this rank when its deadline is near, and again when it begins or ends to wait.
    fn note(&self, state: &mut State) {
        let (Some(notes), Some((start, limit, what))) = (&state.notes, &state.watched) else { return };
        let waits = self.waits_in().is_some();
        if start.elapsed() + patience(*limit) >= *limit && state.noted != Some(waits) {
            notes.leave(self.transport.rank(), what, waits);
            state.noted = Some(waits);
        }
    }

    /// What to say if the deadline has passed.
    fn overdue(&self, state: &State) -> Option<String> {
        let (start, limit, what) = state.watched.as_ref()?;
        let (rank, kind, notes) = (self.transport.rank(), self.waits_in(), state.notes.as_ref());
        // One at work knows that it is late itself. Of those that wait the lowest speaks; the others let it,
        // and without notes one at work.
        let defers = kind.is_some() && notes.is_none_or(|n| n.spoken_for(rank, what));
        let patience = if defers { patience(*limit) } else { Duration::ZERO };
        if start.elapsed() < *limit + patience {
            return None;
        }
        let why = match kind {
            Some(kind) => {
                let others = notes.and_then(|n| n.culprits(rank, what));
                let others = others.unwrap_or_else(|| "one of them is dead or blocked".to_owned());
                format!("waiting for the other ranks in its {kind}: {others}")
            }
            None => "this rank itself is still at work".to_owned(),
        };
        let sites = if state.sites.is_empty() { "none" } else { &state.sites };
        Some(format!(
            "rank {rank} on {} (sites: {sites}): {what} not finished after {:.1} s; {why}; ending the job",
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

fn patience(limit: Duration) -> Duration {
    PATIENCE.min(limit / 4)
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
            notes: None,
            noted: None,
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
