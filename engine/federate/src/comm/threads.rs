//! Ranks as threads of one process: the same collectives without a launcher, for tests.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Comm, Transport};
use crate::FederateError;
use crate::message::Recorder;

/// Runs `work` on `size` ranks, each a thread with its own [`Comm`], and returns what they return in
/// order of rank. Contributions are added in order of arrival, which differs from run to run.
///
/// # Panics
/// If a rank panics; the others then lose contact instead of waiting.
pub fn spawn<T: Send>(size: usize, work: impl Fn(Comm) -> T + Sync) -> Vec<T> {
    spawn_recorded(size, None, work)
}

/// [`spawn`] with a recorder that sees the messages of all ranks.
///
/// # Panics
/// As [`spawn`].
pub fn spawn_recorded<T: Send>(
    size: usize,
    recorder: Option<Recorder>,
    work: impl Fn(Comm) -> T + Sync,
) -> Vec<T> {
    let table = Arc::new(Table::default());
    std::thread::scope(|scope| {
        let ranks: Vec<_> = (0..size)
            .map(|rank| {
                let seat = Seat { rank, size, table: table.clone() };
                let (work, recorder) = (&work, recorder.clone());
                scope.spawn(move || {
                    let _leaving = Leaving(seat.table.clone());
                    work(Comm::over(Arc::new(seat), recorder))
                })
            })
            .collect();
        ranks.into_iter().map(|r| r.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[derive(Default)]
struct Table {
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Default)]
struct State {
    pending: Vec<u64>,
    arrived: usize,
    round: u64,
    done: Arc<Vec<u64>>,
    broken: Option<String>,
}

struct Seat {
    rank: usize,
    size: usize,
    table: Arc<Table>,
}

/// Breaks the table when its thread unwinds.
struct Leaving(Arc<Table>);

impl Drop for Leaving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.break_up("a rank panicked");
        }
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn break_up(&self, why: &str) {
        self.lock().broken.get_or_insert_with(|| why.to_owned());
        self.turn.notify_all();
    }
}

impl Seat {
    fn combine(&self, mine: &[u64], out: &mut [u64], with: fn(u64, u64) -> u64) -> Result<(), FederateError> {
        let mut state = self.table.lock();
        if let Some(why) = &state.broken {
            return Err(FederateError::Lost(why.clone()));
        }
        if state.arrived == 0 {
            state.pending = mine.to_vec();
        } else if state.pending.len() != mine.len() {
            drop(state);
            self.table.break_up("ranks entered different collectives");
            return Err(FederateError::Lost("ranks entered different collectives".into()));
        } else {
            for (a, &b) in state.pending.iter_mut().zip(mine) {
                *a = with(*a, b);
            }
        }
        state.arrived += 1;
        let round = state.round;
        if state.arrived == self.size {
            state.done = Arc::new(std::mem::take(&mut state.pending));
            state.arrived = 0;
            state.round += 1;
            self.table.turn.notify_all();
        }
        while state.round == round && state.broken.is_none() {
            state = self.table.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.broken {
            Some(why) if state.round == round => Err(FederateError::Lost(why.clone())),
            _ => {
                out.copy_from_slice(&state.done);
                Ok(())
            }
        }
    }
}

impl Transport for Seat {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn library(&self) -> String {
        format!("{} threads of one process", self.size)
    }

    fn sum(&self, mine: &[u64], total: &mut [u64]) -> Result<(), FederateError> {
        self.combine(mine, total, u64::wrapping_add)
    }

    fn max(&self, mine: &[u64], most: &mut [u64]) -> Result<(), FederateError> {
        self.combine(mine, most, u64::max)
    }

    fn sum_f32(&self, mine: &[f32], total: &mut [f32]) -> Result<(), FederateError> {
        let words: Vec<u64> = mine.iter().map(|x| u64::from(x.to_bits())).collect();
        let mut sums = vec![0; words.len()];
        let float = |word: u64| f32::from_bits(word as u32);
        self.combine(&words, &mut sums, |a, b| {
            let float = |word: u64| f32::from_bits(word as u32);
            u64::from((float(a) + float(b)).to_bits())
        })?;
        total.iter_mut().zip(sums).for_each(|(t, word)| *t = float(word));
        Ok(())
    }

    fn abort(&self, code: i32) {
        self.table.break_up(&format!("rank {} ended the job with code {code}", self.rank));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Kind;

    #[test]
    fn sums_and_maxima_over_ranks() {
        let out = spawn(4, |comm| {
            let r = comm.rank() as u64;
            let (mut sum, mut max) = ([r, u64::MAX], [r, 7]);
            for _ in 0..50 {
                (sum, max) = ([r, u64::MAX], [r, 7]);
                comm.sum(Kind::Count, &mut sum).expect("sum");
                comm.max(Kind::Max, &mut max).expect("max");
            }
            (sum, max)
        });
        assert!(out.iter().all(|&o| o == ([6, 4u64.wrapping_neg()], [3, 7])));
    }

    #[test]
    fn a_communicator_may_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Comm>();
    }

    #[test]
    fn a_lost_rank_ends_the_others() {
        let out = spawn(3, |comm| {
            if comm.rank() == 1 {
                comm.abort(6);
                return Ok(());
            }
            comm.sum(Kind::Count, &mut [1])
        });
        assert!(matches!(&out[0], Err(FederateError::Lost(why)) if why.contains("rank 1")));
        assert!(out[2].is_err());
    }
}
