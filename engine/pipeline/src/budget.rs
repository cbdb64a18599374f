//! What a batch may use at a time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads and memory of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Threads that compute.
    pub threads: usize,
    /// Bytes that all cases at work may need together; `None` does not limit them.
    pub memory: Option<u64>,
}

impl Budget {
    /// Threads of each worker: as many workers as there are cases, threads and room for cases of
    /// the usual size, and all threads in use.
    pub(crate) fn workers(&self, needs: &[u64]) -> Vec<usize> {
        let mut sorted = needs.to_vec();
        sorted.sort_unstable();
        let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        let room = match self.memory {
            Some(memory) if usual > 0 => usize::try_from(memory / usual).unwrap_or(usize::MAX).max(1),
            _ => usize::MAX,
        };
        let threads = self.threads.max(1);
        let workers = threads.min(needs.len()).min(room);
        (0..workers).map(|k| threads / workers + usize::from(k < threads % workers)).collect()
    }
}

/// Memory that cases wait for.
pub(crate) struct Gate {
    free: Mutex<u64>,
    whole: u64,
    freed: Condvar,
}

impl Gate {
    pub(crate) fn new(memory: Option<u64>) -> Self {
        let whole = memory.unwrap_or(u64::MAX);
        Self { free: Mutex::new(whole), whole, freed: Condvar::new() }
    }

    /// Waits until `bytes` are free; a case larger than the budget runs alone.
    pub(crate) fn enter(&self, bytes: u64) -> Pass<'_> {
        let bytes = bytes.min(self.whole);
        let mut free = self.lock();
        while *free < bytes {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= bytes;
        Pass { gate: self, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory in use until it is dropped.
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.gate.lock() += self.bytes;
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_used_and_memory_is_kept() {
        let budget = |threads, memory| Budget { threads, memory };
        assert_eq!(budget(4, None).workers(&[1; 10]), [1, 1, 1, 1]);
        assert_eq!(budget(5, None).workers(&[1; 2]), [3, 2]);
        assert_eq!(budget(8, Some(20)).workers(&[10; 9]), [4, 4]);
        assert_eq!(budget(8, Some(5)).workers(&[10; 9]), [8]);
        assert!(budget(8, None).workers(&[]).is_empty());
        assert_eq!(budget(0, None).workers(&[1]), [1]);
    }
}
