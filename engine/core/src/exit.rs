//! Exit codes, and the trait by which an error names its own.

/// Exit codes of the `osteon` binary. Scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Success.
    Ok = 0,
    /// An internal fault.
    Unexpected = 1,
    /// The command line or the study file is wrong.
    Usage = 2,
    /// Some cases of a batch failed; the rest is complete.
    Partial = 3,
    /// The input data are wrong.
    Data = 4,
    /// A device is missing, full or failed.
    Device = 5,
    /// MPI is missing, mismatched or lost a rank.
    Mpi = 6,
    /// A file could not be read or written.
    Io = 7,
    /// Stopped early on request; the same command resumes.
    Resumable = 75,
    /// A check or a benchmark found a difference.
    CheckFailed = 100,
}

/// An error that knows its exit code and, where there is one, a way out.
pub trait Failure: std::error::Error + 'static {
    /// The code the process ends with.
    fn exit_code(&self) -> ExitCode;

    /// A line the user can act on, best a command to copy.
    fn hint(&self) -> Option<String> {
        None
    }
}
