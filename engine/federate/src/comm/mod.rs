//! Who takes part in a federation and how their words are added.
//!
//! A [`Transport`] adds words over processes: [`solo`] (one process), `mpi` (ranks of a job) or
//! [`threads`] (ranks as threads, for tests). [`Comm`] is what the rest of the engine holds: it
//! accepts typed messages only ([`Kind`]), books them, and tells the watchdog when it waits.

mod gpu;
pub(crate) mod late;
mod launch;
#[cfg(feature = "mpi")]
mod mpi;
mod reach;
pub mod solo;
pub mod threads;
pub mod watchdog;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use osteon_core::provenance::host_name;

use crate::FederateError;
use crate::message::{Kind, Ledger, Recorder, Traffic};
use watchdog::Watchdog;

pub use gpu::GpuAware;
pub use launch::{Launcher, launcher};

/// Adds words over the processes of a job. Every rank makes the same calls in the same order.
pub trait Transport: Send + Sync {
    /// This process, `0..size`.
    fn rank(&self) -> usize;

    /// Processes in the job.
    fn size(&self) -> usize;

    /// What carries the words, with its version.
    fn library(&self) -> String;

    /// Whether what carries the words takes device memory, where there is such a question.
    fn gpu_aware(&self) -> Option<GpuAware> {
        None
    }

    /// `total[i]` becomes the sum of `mine[i]` over all ranks, wrapping at 2^64.
    ///
    /// # Errors
    /// If a rank is lost.
    fn sum(&self, mine: &[u64], total: &mut [u64]) -> Result<(), FederateError>;

    /// `most[i]` becomes the maximum of `mine[i]` over all ranks.
    ///
    /// # Errors
    /// If a rank is lost.
    fn max(&self, mine: &[u64], most: &mut [u64]) -> Result<(), FederateError>;

    /// `total[i]` becomes the sum of `mine[i]` over all ranks, rounded in whatever order the sum is formed:
    /// no model is made of it, it is what an exact sum is measured against.
    ///
    /// # Errors
    /// If a rank is lost.
    fn sum_f32(&self, mine: &[f32], total: &mut [f32]) -> Result<(), FederateError>;

    /// `all` becomes the words of every rank, one after the other in order of rank; rank `r` brings
    /// `lengths[r]` of them.
    ///
    /// # Errors
    /// If a rank is lost.
    fn gather(&self, mine: &[u64], lengths: &[usize], all: &mut [u64]) -> Result<(), FederateError> {
        // Each fills its own part of one vector and leaves the others' zero.
        let start: usize = lengths[..self.rank()].iter().sum();
        let mut padded = vec![0; all.len()];
        padded[start..start + mine.len()].copy_from_slice(mine);
        self.sum(&padded, all)
    }

    /// Ends every rank of the job with this exit code.
    fn abort(&self, code: i32);
}

/// How to join a job.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Words per MPI call; longer vectors go in pieces. The count of an MPI call is a C `int`.
    pub chunk_words: usize,
    /// Sees every word this rank hands over.
    pub recorder: Option<Recorder>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        // 2^31 bytes, below which every library's internal byte counts are safe as well.
        Self { chunk_words: 1 << 28, recorder: None }
    }
}

/// This rank's place in the federation.
pub struct Comm {
    transport: Arc<dyn Transport>,
    ledger: Ledger,
    recorder: Option<Recorder>,
    watchdog: Watchdog,
}

/// Joins the job this process was started in: the ranks of an MPI launcher, or, without one, this
/// process alone. MPI is initialised only under a launcher (see [`launcher`]).
///
/// # Errors
/// If the launcher started more processes than MPI joined, or MPI is missing or fails to start.
pub fn connect(options: ConnectOptions) -> Result<Comm, FederateError> {
    let transport = match launcher() {
        None => Arc::new(solo::Solo),
        Some(launcher) => join(&launcher, options.chunk_words)?,
    };
    Ok(Comm::over(transport, options.recorder))
}

/// The MPI library of this build with what it says of device memory, without joining a job; `None` in a build without
/// MPI.
pub fn mpi_library() -> Option<(String, GpuAware)> {
    #[cfg(feature = "mpi")]
    return Some(mpi::described());
    #[cfg(not(feature = "mpi"))]
    None
}

#[cfg(feature = "mpi")]
fn join(launcher: &Launcher, chunk_words: usize) -> Result<Arc<dyn Transport>, FederateError> {
    let transport = mpi::Mpi::start(chunk_words)?;
    launcher.check(transport.size(), &transport.library())?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "mpi"))]
fn join(launcher: &Launcher, _chunk_words: usize) -> Result<Arc<dyn Transport>, FederateError> {
    launcher.check(1, "this build has no MPI")?;
    Ok(Arc::new(solo::Solo))
}

impl Comm {
    /// A communicator of one process.
    pub fn solo() -> Self {
        Self::over(Arc::new(solo::Solo), None)
    }

    /// A communicator over any transport.
    pub fn over(transport: Arc<dyn Transport>, recorder: Option<Recorder>) -> Self {
        let watchdog = Watchdog::new(transport.clone(), host_name());
        Self { transport, ledger: Ledger::default(), recorder, watchdog }
    }

    /// This process, `0..size`.
    pub fn rank(&self) -> usize {
        self.transport.rank()
    }

    /// Processes in the job.
    pub fn size(&self) -> usize {
        self.transport.size()
    }

    /// What carries the words, with its version ("Open MPI v4.1.4, ...").
    pub fn library(&self) -> String {
        self.transport.library()
    }

    /// Whether the MPI library takes device memory; `None` without MPI.
    pub fn gpu_aware(&self) -> Option<GpuAware> {
        self.transport.gpu_aware()
    }

    /// Payload this rank has handed to collectives so far, in bytes.
    pub fn bytes_sent(&self) -> u64 {
        Kind::ALL.iter().map(|&k| self.traffic(k).bytes).sum()
    }

    /// Time this rank has spent in collectives so far, waiting for the others included.
    pub fn time_in_collectives(&self) -> Duration {
        self.ledger.inside()
    }

    /// Messages and bytes of one kind so far.
    pub fn traffic(&self, kind: Kind) -> Traffic {
        self.ledger.traffic(kind)
    }

    /// Ends every rank of the job with this exit code.
    pub fn abort(&self, code: i32) {
        self.transport.abort(code);
    }

    /// Names the sites of this rank in the watchdog's message.
    pub fn holds(&self, sites: &str) {
        self.watchdog.holds(sites);
    }

    /// Lets the watchdog of each rank tell who is missing. All ranks call it, before the first deadline.
    pub(crate) fn know_each_other(&self, dir: &Path, sites: Vec<String>) -> Result<(), FederateError> {
        if self.size() == 1 {
            return Ok(());
        }
        if self.rank() == 0 {
            late::clear(dir);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = self.decide(now.as_nanos() as u64)?;
        let hosts = self.gather_metadata(&host_name())?;
        let peers = hosts.into_iter().zip(sites).map(|(host, sites)| late::Peer { host, sites });
        self.watchdog.notes(late::Notes::new(dir, start, peers.collect()));
        Ok(())
    }

    /// Ends the job if `what` is not finished within `limit`; until the guard is dropped.
    pub fn deadline(&self, limit: Duration, what: &str) -> watchdog::Armed<'_> {
        self.watchdog.arm(limit, what)
    }

    pub(crate) fn sum_into(&self, kind: Kind, mine: &[u64], total: &mut [u64]) -> Result<(), FederateError> {
        self.book(kind, mine);
        let _waiting = self.watchdog.waiting(kind);
        self.ledger.time(|| self.transport.sum(mine, total))
    }

    pub(crate) fn sum(&self, kind: Kind, words: &mut [u64]) -> Result<(), FederateError> {
        let mine = words.to_vec();
        self.sum_into(kind, &mine, words)
    }

    pub(crate) fn max(&self, kind: Kind, words: &mut [u64]) -> Result<(), FederateError> {
        let mine = words.to_vec();
        self.book(kind, &mine);
        let _waiting = self.watchdog.waiting(kind);
        self.ledger.time(|| self.transport.max(&mine, words))
    }

    pub(crate) fn gather_words(
        &self,
        kind: Kind,
        mine: &[u64],
        lengths: &[usize],
    ) -> Result<Vec<u64>, FederateError> {
        self.book(kind, mine);
        let _waiting = self.watchdog.waiting(kind);
        let mut all = vec![0; lengths.iter().sum()];
        self.ledger.time(|| self.transport.gather(mine, lengths, &mut all))?;
        Ok(all)
    }

    /// The transport without the books: only for measuring what they cost.
    pub(crate) fn bare(&self) -> &dyn Transport {
        &*self.transport
    }

    fn book(&self, kind: Kind, words: &[u64]) {
        self.ledger.book(kind, words.len());
        if let Some(see) = &self.recorder {
            see(kind, words);
        }
    }
}
