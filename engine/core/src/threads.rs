//! The number of threads this process was given.

use std::fs;

/// Where the thread budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// Threads this process may run.
    pub threads: usize,
    /// What limits it.
    pub source: &'static str,
}

/// Threads granted by Slurm, the CPU affinity mask or the cgroup, whichever is least; never the
/// size of the machine.
pub fn allotment() -> Allotment {
    let affinity = std::thread::available_parallelism().map_or(1, usize::from);
    let mut best = Allotment { threads: affinity, source: "cpu affinity and cgroup quota" };
    if let Some(n) = env_number("SLURM_CPUS_PER_TASK").filter(|&n| n < best.threads) {
        best = Allotment { threads: n, source: "SLURM_CPUS_PER_TASK" };
    } else if let Some(n) = slurm_share().filter(|&n| n < best.threads) {
        best = Allotment { threads: n, source: "SLURM_CPUS_ON_NODE / tasks on node" };
    } else if let Some(n) = mpi_share(affinity).filter(|&n| n < best.threads) {
        best = Allotment { threads: n, source: "cpu affinity / local MPI ranks" };
    }
    best
}

/// Under Slurm without `--cpus-per-task`, tasks of a node share its allotted CPUs.
fn slurm_share() -> Option<usize> {
    let cpus = env_number("SLURM_CPUS_ON_NODE")?;
    let tasks = env_number("SLURM_STEP_TASKS_PER_NODE").or_else(|| env_number("SLURM_NTASKS_PER_NODE"))?;
    Some((cpus / tasks.max(1)).max(1))
}

/// Under `mpirun` without binding every local rank sees all CPUs of the node: share them. A rank
/// that was bound already sees its own part, which is then smaller than the machine.
fn mpi_share(affinity: usize) -> Option<usize> {
    let ranks = env_number("OMPI_COMM_WORLD_LOCAL_SIZE").or_else(|| env_number("MPI_LOCALNRANKS"))?;
    let bound = online_cpus().is_some_and(|n| affinity < n);
    (!bound).then(|| (affinity / ranks.max(1)).max(1))
}

/// CPUs of the node as the kernel lists them (`0-3,8`).
fn online_cpus() -> Option<usize> {
    let list = fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    let mut count = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        count += last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1;
    }
    Some(count)
}

fn env_number(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|&n| n > 0)
}
