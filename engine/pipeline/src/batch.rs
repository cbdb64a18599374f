//! Runs the cases of a shard.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::budget::{Budget, Gate};
use crate::error::PipelineError;
use crate::journal::{Entry, Journal, Outcome};
use crate::shard::Shard;
use crate::stamp::Stamp;

/// Independent cases that are computed alike.
pub trait Batch: Sync {
    /// Result of a case.
    type Done: Serialize + DeserializeOwned + Send;
    /// Why a case has none.
    type Failed: Serialize + DeserializeOwned + Send;

    /// Number of cases, over all shards.
    fn cases(&self) -> usize;

    /// Everything but its inputs that the result of any case depends on, as text.
    fn parameters(&self) -> String;

    /// What a case is known by if others come before it: its row in the table of cases, say.
    fn key(&self, case: usize) -> String;

    /// The files and folders that a case reads.
    fn inputs(&self, case: usize) -> Vec<PathBuf>;

    /// Whether a case that the journal holds needs not be computed again. A batch that gathers more than the journal
    /// holds says no where that was lost.
    fn settled(&self, case: usize) -> bool {
        let _ = case;
        true
    }

    /// Bytes of memory that a case with inputs of `bytes` may need.
    fn memory(&self, case: usize, bytes: u64) -> u64;

    /// Computes a case, in a pool of threads of its own.
    ///
    /// # Errors
    /// What is kept of a case without a result.
    fn compute(&self, case: usize) -> Result<Self::Done, Self::Failed>;

    /// What is kept of a case in which the program failed.
    fn crashed(&self, case: usize, message: String) -> Self::Failed;
}

/// How a batch runs.
pub struct Ran<'a> {
    /// The part of the cases.
    pub shard: Shard,
    /// Threads and memory.
    pub budget: Budget,
    /// Compare the contents of inputs before a finished case is taken as such.
    pub verify_inputs: bool,
    /// Forget what is finished.
    pub restart: bool,
    /// Asked before each case: whether no further one should begin.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Told after each case: cases complete, cases of the shard, cases failed.
    pub progress: &'a mut dyn FnMut(usize, usize, usize),
}

/// What came of a shard.
#[derive(Debug)]
pub struct Finished<D, F> {
    /// Its cases, in order; all of them unless it was stopped.
    pub entries: Vec<Entry<D, F>>,
    /// Cases that an earlier run had finished.
    pub kept: usize,
    /// Cases that were not begun because the batch was asked to stop.
    pub left: usize,
}

/// Computes the cases of a shard that the journal at `journal` does not hold, large ones first.
/// Failed cases are tried again.
///
/// # Errors
/// If the journal cannot be used. What is wrong with a case is kept and does not end the batch.
pub fn run<B: Batch>(
    batch: &B,
    journal: &Path,
    how: Ran<'_>,
) -> Result<Finished<B::Done, B::Failed>, PipelineError> {
    let keys = keys(batch);
    let place: HashMap<String, usize> = keys.iter().cloned().zip(0..).collect();
    let (mut journal, old) = Journal::open(
        journal,
        &osteon_core::files::sha256_hex(batch.parameters().as_bytes()),
        &place,
        batch.cases(),
        how.shard,
        how.restart,
    )?;

    let mine: Vec<usize> = (0..batch.cases()).filter(|&case| how.shard.holds(case)).collect();
    let stamp = |case: &usize| Stamp::of(&batch.inputs(*case), how.verify_inputs).ok();
    let stamps: HashMap<usize, Option<Stamp>> = mine.iter().map(|case| (*case, stamp(case))).collect();
    let valid = |e: &Entry<B::Done, B::Failed>| {
        let same = match (&stamps[&e.case], &e.stamp) {
            (Some(now), Some(then)) => now.matches(then),
            _ => false,
        };
        same && matches!(e.outcome, Outcome::Done(_)) && batch.settled(e.case)
    };
    let mut entries: Vec<_> = old.into_iter().filter(valid).collect();
    let kept = entries.len();

    let known: Vec<usize> = entries.iter().map(|e| e.case).collect();
    let bytes = |case: usize| stamps[&case].as_ref().map_or(0, |s| s.bytes);
    let mut open: Vec<usize> = mine.iter().copied().filter(|c| known.binary_search(c).is_err()).collect();
    open.sort_by_key(|&case| std::cmp::Reverse(bytes(case)));
    let needs: Vec<u64> = open.iter().map(|&case| batch.memory(case, bytes(case))).collect();
    let workers = how.budget.workers(&needs);
    let gate = Gate::new(how.budget.memory);
    let queue = Mutex::new(open.into_iter().zip(needs).collect::<VecDeque<_>>());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if (how.stop)() { None } else { queue.pop_front() }
    };

    let mut failed = 0;
    let (sender, results) = mpsc::channel();
    (how.progress)(kept, mine.len(), failed);
    thread::scope(|scope| -> Result<(), PipelineError> {
        for threads in workers {
            let (sender, next, gate) = (sender.clone(), &next, &gate);
            scope.spawn(move || {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().ok();
                while let Some((case, need)) = next() {
                    let pass = gate.enter(need);
                    let outcome = compute(batch, case, pool.as_ref());
                    drop(pass);
                    // Nobody listens any more only if the journal cannot be written.
                    if sender.send((case, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (case, outcome) in results {
            failed += usize::from(matches!(outcome, Outcome::Failed(_)));
            let entry = Entry { case, key: keys[case].clone(), stamp: stamps[&case].clone(), outcome };
            journal.append(&entry)?;
            entries.push(entry);
            (how.progress)(entries.len(), mine.len(), failed);
        }
        Ok(())
    })?;
    journal.sync()?;
    entries.sort_by_key(|e| e.case);
    let left = mine.len() - entries.len();
    Ok(Finished { entries, kept, left })
}

/// The keys of all cases; the same row given twice is two cases.
fn keys<B: Batch>(batch: &B) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut key = |case| {
        let key = batch.key(case);
        let times = seen.entry(key.clone()).or_default();
        *times += 1;
        if *times == 1 { key } else { format!("{key}\u{1f}{times}") }
    };
    (0..batch.cases()).map(&mut key).collect()
}

/// A case; a fault of the program in one does not end the others.
fn compute<B: Batch>(batch: &B, case: usize, pool: Option<&ThreadPool>) -> Outcome<B::Done, B::Failed> {
    let work = || match pool {
        Some(pool) => pool.install(|| batch.compute(case)),
        None => batch.compute(case),
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Outcome::Done(done),
        Ok(Err(failed)) => Outcome::Failed(failed),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Outcome::Failed(batch.crashed(case, text.unwrap_or_default()))
        }
    }
}
