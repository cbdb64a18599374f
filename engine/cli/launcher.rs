//! Which launcher started this process, from its environment alone: MPI is not opened for it.

/// A launcher of parallel jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// Its name.
    pub name: &'static str,
    /// Rank of this process.
    pub rank: usize,
    /// Number of processes, where the launcher says.
    pub size: Option<usize>,
}

/// Name, rank and size variables of the launchers, the most telling first.
const KNOWN: [(&str, &str, &str); 5] = [
    ("Open MPI mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MVAPICH mpirun", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("Slurm srun", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
    ("PMI launcher", "PMI_RANK", "PMI_SIZE"),
    // Set in the batch script too; only a step has SLURM_STEP_NUM_TASKS besides.
    ("Slurm srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
];

/// The launcher of this process, if there is one.
pub fn detect() -> Option<Launcher> {
    detect_in(|name| std::env::var(name).ok())
}

fn detect_in(env: impl Fn(&str) -> Option<String>) -> Option<Launcher> {
    let number = |name: &str| env(name)?.parse().ok();
    KNOWN.into_iter().find_map(|(name, rank, size)| {
        let rank_number = number(rank)?;
        let size = number(size);
        (rank != "SLURM_PROCID" || size.is_some()).then_some(Launcher { name, rank: rank_number, size })
    })
}

/// The rank of this process; 0 alone speaks.
pub fn rank() -> usize {
    detect().map_or(0, |l| l.rank)
}

/// The rank of this process among those of its node; 0 where the launcher does not say.
pub fn local_rank() -> usize {
    local_rank_in(|name| std::env::var(name).ok())
}

fn local_rank_in(env: impl Fn(&str) -> Option<String>) -> usize {
    ["OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"]
        .into_iter()
        .find_map(|name| env(name)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect_with(vars: &[(&str, &str)]) -> Option<(usize, Option<usize>)> {
        let find = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        detect_in(find).map(|l| (l.rank, l.size))
    }

    #[test]
    fn a_batch_script_is_not_a_step() {
        assert_eq!(detect_with(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]), None);
        assert_eq!(detect_with(&[("SLURM_PROCID", "3"), ("SLURM_STEP_NUM_TASKS", "8")]), Some((3, Some(8))));
        let open = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "4"), ("SLURM_PROCID", "0")];
        assert_eq!(detect_with(&open), Some((1, Some(4))));
        assert_eq!(detect_with(&[("PMI_RANK", "2")]), Some((2, None)));
        assert_eq!(detect_with(&[]), None);
    }

    #[test]
    fn the_local_rank_is_that_of_the_launcher() {
        let of = |vars: &[(&str, &str)]| {
            local_rank_in(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[("SLURM_LOCALID", "3")]), 3);
        assert_eq!(of(&[("SLURM_LOCALID", "0"), ("OMPI_COMM_WORLD_LOCAL_RANK", "2")]), 2);
    }
}
