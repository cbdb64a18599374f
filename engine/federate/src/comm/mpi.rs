//! The ranks of an MPI job. The only file that knows MPI.

use std::io::Write;

use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence};
use mpi::{Count, Threading};
use osteon_core::provenance::host_name;

use super::Transport;
use super::gpu::{self, GpuAware};
use crate::FederateError;

/// Exit code of a job in which a rank panicked.
const PANIC_CODE: i32 = 101;

/// The world of an MPI job. MPI is shut down when it is dropped.
///
/// Errors inside MPI end the job (`MPI_ERRORS_ARE_FATAL`, the library's default): after one, no call is
/// defined any more.
pub(super) struct Mpi {
    _universe: Universe,
    rank: usize,
    size: usize,
    chunk_words: usize,
}

impl Mpi {
    /// Initialises MPI; collectives are made by the calling thread only (`MPI_THREAD_FUNNELED`).
    pub(super) fn start(chunk_words: usize) -> Result<Self, FederateError> {
        let (universe, level) = mpi::initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| FederateError::Mpi("already initialised in this process".into()))?;
        if level < Threading::Funneled {
            return Err(FederateError::Mpi(format!("{} has no thread support ({level:?})", library())));
        }
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        abort_on_panic(rank);
        Ok(Self { _universe: universe, rank, size, chunk_words: chunk_words.max(1) })
    }

    fn reduce<T: Equivalence>(&self, mine: &[T], out: &mut [T], with: SystemOperation) {
        let world = SimpleCommunicator::world();
        for (mine, out) in mine.chunks(self.chunk_words).zip(out.chunks_mut(self.chunk_words)) {
            world.all_reduce_into(mine, out, with);
        }
    }
}

impl Transport for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn library(&self) -> String {
        library()
    }

    fn gpu_aware(&self) -> Option<GpuAware> {
        Some(gpu_aware())
    }

    fn sum(&self, mine: &[u64], total: &mut [u64]) -> Result<(), FederateError> {
        self.reduce(mine, total, SystemOperation::sum());
        Ok(())
    }

    fn max(&self, mine: &[u64], most: &mut [u64]) -> Result<(), FederateError> {
        self.reduce(mine, most, SystemOperation::max());
        Ok(())
    }

    fn sum_f32(&self, mine: &[f32], total: &mut [f32]) -> Result<(), FederateError> {
        self.reduce(mine, total, SystemOperation::sum());
        Ok(())
    }

    fn gather(&self, mine: &[u64], lengths: &[usize], all: &mut [u64]) -> Result<(), FederateError> {
        let world = SimpleCommunicator::world();
        // Counts and places are C ints; what exceeds them goes in pieces, each with a part of every rank.
        let piece = (self.chunk_words / self.size).max(1);
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |end, &n| {
                let start = *end;
                *end += n;
                Some(start)
            })
            .collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        for from in (0..longest).step_by(piece) {
            let part = |r: usize| lengths[r].saturating_sub(from).min(piece);
            let counts: Vec<Count> = (0..self.size).map(|r| part(r) as Count).collect();
            let places: Vec<Count> = counts
                .iter()
                .scan(0, |end, &n| {
                    let start = *end;
                    *end += n;
                    Some(start)
                })
                .collect();
            let mut words = vec![0u64; (0..self.size).map(part).sum()];
            let send = &mine[from.min(mine.len())..][..part(self.rank)];
            world.all_gather_varcount_into(send, &mut PartitionMut::new(&mut words[..], counts, &places[..]));
            for r in 0..self.size {
                let at = places[r] as usize;
                let to = starts[r] + from.min(lengths[r]);
                all[to..to + part(r)].copy_from_slice(&words[at..at + part(r)]);
            }
        }
        Ok(())
    }

    fn abort(&self, code: i32) {
        SimpleCommunicator::world().abort(code)
    }
}

/// Version string of the library, first line.
fn library() -> String {
    let text = mpi::environment::library_version().unwrap_or_default();
    text.trim_end_matches('\0').lines().next().unwrap_or_default().trim().to_owned()
}

/// The library and what it says of device memory; may be asked before MPI is initialised.
pub(super) fn described() -> (String, GpuAware) {
    (library(), gpu_aware())
}

fn gpu_aware() -> GpuAware {
    // Of the extensions of Open MPI and MPICH, so not in every library: looked up rather than linked.
    let name = c"MPIX_Query_cuda_support";
    // SAFETY: the name is zero-terminated, and the default handle needs no opening.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // MPICH ends the process when it is asked before it is initialised; Open MPI answers.
    let may_ask =
        !found.is_null() && (mpi::environment::is_initialized() || library().starts_with("Open MPI"));
    let query = may_ask.then(|| {
        // SAFETY: both libraries declare it `int MPIX_Query_cuda_support(void)`.
        let query: extern "C" fn() -> libc::c_int = unsafe { std::mem::transmute(found) };
        query() == 1
    });
    gpu::detect(query, |name| std::env::var(name).ok())
}

/// A panic on one rank would leave the others waiting in a collective: end the job instead.
fn abort_on_panic(rank: usize) {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        let _ =
            writeln!(std::io::stderr(), "osteon: rank {rank} on {} panicked; ending the job", host_name());
        SimpleCommunicator::world().abort(PANIC_CODE)
    }));
}
