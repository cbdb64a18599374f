//! What can go wrong in a federation, and the exit code it ends with.

use std::path::PathBuf;

use osteon_core::{ExitCode, Failure, ReduceError};

/// An error of the federation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FederateError {
    /// The launcher started another number of processes than MPI joined.
    #[error(
        "{launcher} started {expected} processes, but MPI ({library}) joined {found} of them: this launcher and \
         this MPI library do not know each other, and every process would train alone"
    )]
    Launch {
        /// Variable or program that names the number of processes.
        launcher: String,
        /// Processes the launcher started.
        expected: usize,
        /// Size of the MPI world.
        found: usize,
        /// Version string of the MPI library, or "built without MPI".
        library: String,
    },
    /// The MPI library could not be used.
    #[error("MPI: {0}")]
    Mpi(String),
    /// A collective could not be completed.
    #[error("lost contact with the other ranks: {0}")]
    Lost(String),
    /// A fault found on one rank and reported in the same words by all.
    #[error("{text}")]
    Agreed {
        /// What happened, and at which tensor, site and rank.
        text: String,
        /// The exit code of the rank that met it.
        code: ExitCode,
        /// A way out, if that rank knew one.
        hint: Option<String>,
    },
    /// An error of the part that trains, on this rank only; the round loop makes it [`Self::Agreed`].
    #[error("{text}")]
    Local {
        /// What happened.
        text: String,
        /// The exit code it asks for.
        code: ExitCode,
        /// A way out, if known.
        hint: Option<String>,
    },
    /// No site of a problem has a positive weight, so its mean does not exist.
    #[error("problem {group}: the weights of all sites that take part sum to zero")]
    ZeroWeight {
        /// Index of the problem in the batch.
        group: usize,
    },
    /// The weights exceed the total the fixed-point scale was chosen for.
    #[error(
        "problem {group}: the weights sum to {found}, but the fixed-point scale was agreed for at most {agreed}"
    )]
    WeightAboveScale {
        /// Index of the problem in the batch.
        group: usize,
        /// Sum of the weights met.
        found: u64,
        /// Largest total the scale allows.
        agreed: u64,
    },
    /// Masks over so few sites would hide nothing.
    #[error("a secure sum over {sites} sites in round {round} hides nothing: it needs at least {least}")]
    FewSites {
        /// Sites that take part.
        sites: usize,
        /// The round.
        round: u32,
        /// Fewest there must be.
        least: usize,
    },
    /// Ranks that must agree on something do not.
    #[error("the ranks do not agree on {what}: {detail}")]
    Disagree {
        /// What they compared.
        what: String,
        /// How they differ.
        detail: String,
    },
    /// A name that is not in a registry.
    #[error("unknown {what} '{name}'; known: {known}")]
    Unknown {
        /// Kind of the name ("strategy", "option of fedprox").
        what: String,
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
        /// The nearest of them.
        nearest: Option<String>,
    },
    /// A value out of its range.
    #[error("{what} = {value}: {reason}")]
    Setting {
        /// Name of the setting.
        what: String,
        /// Its value.
        value: String,
        /// The range.
        reason: String,
    },
    /// A checkpoint or model file that cannot be used.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl FederateError {
    /// Wraps an error of the part that trains on this rank.
    pub fn local(error: &impl Failure) -> Self {
        Self::Local { text: error.to_string(), code: error.exit_code(), hint: error.hint() }
    }

    /// Whether every rank ends with this same error, so that MPI may be shut down in order. After any
    /// other error the caller must end the job with [`crate::Comm::abort`], or the rest would wait.
    pub fn is_agreed(&self) -> bool {
        matches!(
            self,
            Self::Agreed { .. }
                | Self::ZeroWeight { .. }
                | Self::WeightAboveScale { .. }
                | Self::Disagree { .. }
                | Self::FewSites { .. }
        )
    }

    pub(crate) fn file(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }
}

impl Failure for FederateError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Launch { .. } | Self::Mpi(_) | Self::Lost(_) | Self::Disagree { .. } => ExitCode::Mpi,
            Self::Agreed { code, .. } | Self::Local { code, .. } => *code,
            Self::ZeroWeight { .. } | Self::WeightAboveScale { .. } => ExitCode::Data,
            Self::FewSites { .. } | Self::Unknown { .. } | Self::Setting { .. } => ExitCode::Usage,
            Self::File { .. } => ExitCode::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Launch { expected, .. } => Some(format!(
                "start it with the launcher of the MPI library it was built with: srun --mpi=pmix (Open MPI), \
                 srun --mpi=pmi2 (MPICH), or mpirun -n {expected}"
            )),
            Self::Agreed { hint, .. } | Self::Local { hint, .. } => hint.clone(),
            Self::ZeroWeight { .. } => Some(
                "weights = \"uniform\" counts sites without events; a site without patients has weight 0"
                    .into(),
            ),
            Self::FewSites { .. } => Some(
                "with two sites each can subtract its own part; raise federation.fraction, or do without secure"
                    .into(),
            ),
            Self::Unknown { nearest, .. } => nearest.as_ref().map(|n| format!("did you mean '{n}'?")),
            _ => None,
        }
    }
}

impl From<FederateError> for ReduceError {
    fn from(error: FederateError) -> Self {
        Self(error.to_string())
    }
}
