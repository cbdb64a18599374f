//! Keeps `status.json` of a run: what it has done and used, while it goes on.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use osteon_core::phases::peak_memory_bytes;
use osteon_core::provenance::Provenance;
use osteon_report::{RunState, Status, json};

use crate::StudyError;
use crate::watch::Watch;

/// Time between two writings of the file while a run goes on.
const EVERY: Duration = Duration::from_secs(5);

/// The file, in the hands of rank 0.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    /// What earlier starts used.
    before: Status,
    now: RefCell<Status>,
    started: Instant,
    written: RefCell<Instant>,
}

/// What a start was given.
#[derive(Debug, Clone, Copy)]
pub struct Granted {
    /// Nodes.
    pub nodes: usize,
    /// Ranks.
    pub ranks: usize,
    /// Threads per rank.
    pub threads: usize,
    /// GPUs of the allocation.
    pub gpus: usize,
}

impl Granted {
    /// What this process was given: the nodes and GPUs as Slurm tells them, else the hosts of the ranks.
    pub fn here(hosts: &[String], threads: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
        let mut distinct = hosts.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let nodes = number("SLURM_STEP_NUM_NODES").unwrap_or(distinct.len());
        let gpus = number("SLURM_GPUS_ON_NODE").map_or(0, |n| n * nodes);
        Self { nodes, ranks: hosts.len(), threads, gpus }
    }
}

impl StatusFile {
    /// Begins a start of the run in `dir`, on top of what earlier ones used.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn begin(dir: &std::path::Path, granted: Granted) -> Result<Self, StudyError> {
        let path = dir.join(Status::FILE);
        let before = if path.exists() { json::read(&path)? } else { Status::new() };
        let mut now = before.clone();
        now.state = RunState::Running;
        now.error = None;
        now.starts += 1;
        (now.nodes, now.ranks) = (granted.nodes, granted.ranks);
        (now.threads, now.gpus) = (granted.threads, granted.gpus);
        now.slurm_jobs.extend(Provenance::now().slurm_job.filter(|job| !before.slurm_jobs.contains(job)));
        let started = Instant::now();
        let file = Self { path, before, now: RefCell::new(now), started, written: RefCell::new(started) };
        file.write()?;
        Ok(file)
    }

    /// So many of all steps are done.
    pub fn step(&self, done: u64, all: u64) {
        {
            let mut now = self.now.borrow_mut();
            (now.step, now.steps) = (done, all);
        }
        if self.written.borrow().elapsed() >= EVERY {
            // A disk that is full shows in the checkpoint; what was used is no reason to end a run.
            let _ = self.write();
        }
    }

    /// The start ended, with an error or without; `peak` is the memory of the largest rank.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn end(&self, state: RunState, error: Option<String>, peak: u64) -> Result<(), StudyError> {
        {
            let mut now = self.now.borrow_mut();
            now.state = state;
            now.error = error;
            now.peak_memory_bytes = now.peak_memory_bytes.max(peak);
        }
        self.write()
    }

    fn write(&self) -> Result<(), StudyError> {
        let spent = self.started.elapsed().as_secs_f64();
        let mut now = self.now.borrow_mut();
        now.unix_time_s = Provenance::now().unix_time_s;
        now.wall_s = self.before.wall_s + spent;
        now.core_hours = self.before.core_hours + spent * (now.ranks * now.threads) as f64 / 3600.0;
        now.gpu_hours = self.before.gpu_hours + spent * now.gpus as f64 / 3600.0;
        now.peak_memory_bytes = now.peak_memory_bytes.max(peak_memory_bytes());
        *self.written.borrow_mut() = Instant::now();
        Ok(json::write(&self.path, &*now)?)
    }
}

/// Listens to a run for its status, and hands everything on.
pub(crate) struct Watched<'w> {
    pub(crate) inner: &'w dyn Watch,
    pub(crate) status: Option<&'w StatusFile>,
}

impl Watch for Watched<'_> {
    fn say(&self, text: &str) {
        self.inner.say(text);
    }

    fn warn(&self, text: &str) {
        self.inner.warn(text);
    }

    fn step(&self, done: u64, total: u64, note: &str) {
        if let Some(status) = self.status {
            status.step(done, total);
        }
        self.inner.step(done, total, note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_adds_up_over_starts() {
        let dir = tempfile::tempdir().expect("a folder");
        let granted = Granted { nodes: 2, ranks: 4, threads: 3, gpus: 2 };
        let read = || json::read::<Status>(&dir.path().join(Status::FILE)).expect("a status");
        let first = StatusFile::begin(dir.path(), granted).expect("begun");
        assert_eq!((read().state, read().starts), (RunState::Running, 1));
        std::thread::sleep(Duration::from_millis(20));
        first.step(3, 9);
        first.end(RunState::Stopped, None, 1 << 40).expect("ended");
        let stopped = read();
        assert!(stopped.wall_s >= 0.02, "{stopped:?}");
        assert!((stopped.core_hours - 12.0 * stopped.wall_s / 3600.0).abs() < 1e-12);
        assert!((stopped.gpu_hours - 2.0 * stopped.wall_s / 3600.0).abs() < 1e-12);
        assert_eq!((stopped.step, stopped.steps, stopped.peak_memory_bytes), (3, 9, 1 << 40));
        let second = StatusFile::begin(dir.path(), Granted { ranks: 1, ..granted }).expect("begun");
        second.end(RunState::Failed, Some("a disk".to_owned()), 0).expect("ended");
        let failed = read();
        assert!(failed.wall_s >= stopped.wall_s && failed.core_hours >= stopped.core_hours);
        assert_eq!((failed.state, failed.starts, failed.step), (RunState::Failed, 2, 3));
        assert_eq!(failed.error.as_deref(), Some("a disk"));
    }
}
