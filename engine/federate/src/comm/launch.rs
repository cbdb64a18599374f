//! How many processes the launcher says it started.
//!
//! A binary linked to one MPI library and started by the launcher of another becomes N worlds of one
//! rank each, without any message (MPICH under `srun --mpi=pmix`, say). So the launcher's own count is
//! read from the environment and compared with the size of the MPI world.

use crate::FederateError;

/// The launcher this process was started by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// The variable that gave it away.
    pub variable: &'static str,
    /// Processes it started, where it says so.
    pub processes: Option<usize>,
}

/// The launcher of this process, or `None` if it runs on its own. In order of trust:
///
/// | variable | set by |
/// |---|---|
/// | `OMPI_COMM_WORLD_SIZE` | `mpirun` of Open MPI |
/// | `PMI_SIZE` | `mpiexec` of MPICH and its kin, `srun --mpi=pmi2` |
/// | `SLURM_STEP_NUM_TASKS` | `srun`; one task is no launcher, so that a shell inside a step works |
/// | `PMIX_RANK` | any PMIx server; gives no count |
///
/// `SLURM_NTASKS` alone is the size of the allocation, not of this step: a batch script has it too.
/// `mpirun` inside an allocation may use a part of it, so its own count comes first.
pub fn launcher() -> Option<Launcher> {
    detect(|name| std::env::var(name).ok())
}

fn detect(env: impl Fn(&str) -> Option<String>) -> Option<Launcher> {
    let count = |name: &str| env(name)?.trim().parse::<usize>().ok();
    for variable in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"] {
        if let Some(n) = count(variable) {
            return Some(Launcher { variable, processes: Some(n) });
        }
    }
    match count("SLURM_STEP_NUM_TASKS") {
        Some(1) => None,
        Some(n) => Some(Launcher { variable: "SLURM_STEP_NUM_TASKS", processes: Some(n) }),
        None => env("PMIX_RANK").map(|_| Launcher { variable: "PMIX_RANK", processes: None }),
    }
}

impl Launcher {
    /// Compares the launcher's count with the size of the MPI world.
    ///
    /// # Errors
    /// [`FederateError::Launch`] if they differ.
    pub fn check(&self, found: usize, library: &str) -> Result<(), FederateError> {
        match self.processes {
            Some(expected) if expected != found => Err(FederateError::Launch {
                launcher: format!("the launcher ({} = {expected})", self.variable),
                expected,
                found,
                library: library.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osteon_core::{ExitCode, Failure};

    fn from(pairs: &[(&str, &str)]) -> Option<Launcher> {
        detect(|name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn a_plain_process_and_a_batch_script_are_alone() {
        assert_eq!(from(&[]), None);
        assert_eq!(from(&[("SLURM_NTASKS", "4"), ("SLURM_JOB_ID", "1")]), None);
        assert_eq!(from(&[("SLURM_STEP_NUM_TASKS", "1"), ("PMIX_RANK", "0")]), None);
    }

    #[test]
    fn the_launcher_of_the_ranks_comes_before_the_step_of_its_daemons() {
        let found = from(&[("SLURM_STEP_NUM_TASKS", "2"), ("OMPI_COMM_WORLD_SIZE", "8")]).expect("launcher");
        assert_eq!(found.processes, Some(8));
        assert!(found.check(8, "Open MPI").is_ok());
    }

    #[test]
    fn four_worlds_of_one_are_refused() {
        let found = from(&[("SLURM_STEP_NUM_TASKS", "4"), ("PMIX_RANK", "2")]).expect("launcher");
        let error = found.check(1, "MPICH 4.0.2").expect_err("size differs");
        assert_eq!(error.exit_code(), ExitCode::Mpi);
        assert!(error.to_string().contains("started 4 processes, but MPI (MPICH 4.0.2) joined 1"), "{error}");
        assert!(error.hint().is_some_and(|h| h.contains("--mpi=pmi2")));
    }
}
