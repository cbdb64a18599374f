//! `status.json`: where a run stands and what it used, for whoever cannot ask Slurm's accounts.

use serde::{Deserialize, Serialize};

use crate::records::SCHEMA;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// A process works on it, or was killed while it did.
    #[default]
    Running,
    /// Stopped early on request; the same command goes on.
    Stopped,
    /// Ended with an error.
    Failed,
    /// Complete.
    Finished,
}

impl RunState {
    /// As the file has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Finished => "finished",
        }
    }
}

/// `status.json`, rewritten by rank 0 while a run goes on. Sums are over all starts of the run; the part
/// of a start that was killed counts up to the last time the file was written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Version of this record.
    pub schema: u32,
    /// Where the run stands.
    pub state: RunState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Rounds or epochs done.
    pub step: u64,
    /// Rounds or epochs of the whole run; 0 before the first.
    pub steps: u64,
    /// Seconds since the epoch at which this was written, UTC.
    pub unix_time_s: u64,
    /// Times a process began to work on the run.
    pub starts: u64,
    /// Jobs of Slurm it ran in.
    pub slurm_jobs: Vec<String>,
    /// Nodes of the last start.
    pub nodes: usize,
    /// Ranks of the last start.
    pub ranks: usize,
    /// Threads per rank of the last start.
    pub threads: usize,
    /// GPUs of the last start's allocation.
    pub gpus: usize,
    /// Wall time of all starts.
    pub wall_s: f64,
    /// Ranks times threads times hours, of all starts.
    pub core_hours: f64,
    /// GPUs of the allocation times hours, of all starts.
    pub gpu_hours: f64,
    /// Peak resident memory of the largest rank; of rank 0 until a run ends.
    pub peak_memory_bytes: u64,
}

impl Status {
    /// Its file in a run directory.
    pub const FILE: &'static str = "status.json";

    /// The state before the first start.
    pub fn new() -> Self {
        Self { schema: SCHEMA, ..Self::default() }
    }
}
