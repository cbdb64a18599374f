//! What jobs used: core-hours, GPU-hours and memory, from Slurm's accounting where a site keeps it, else
//! from the `status.json` of a run.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use osteon_report::{Status, json};
use serde::Serialize;

use crate::SlurmError;

/// What one run used, over all its starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// Name of the run directory.
    pub run: String,
    /// running, stopped, failed or finished.
    pub state: String,
    /// Jobs it ran in.
    pub jobs: Vec<String>,
    /// Where the figures come from: `sacct` or `status.json`.
    pub source: &'static str,
    /// Cores granted times hours.
    pub core_hours: f64,
    /// GPUs granted times hours.
    pub gpu_hours: f64,
    /// Peak resident memory of the largest rank.
    pub peak_memory_bytes: u64,
}

/// The usage of the runs in a folder, or of the one run that it is; in order of name.
///
/// # Errors
/// If there is no run, or a record cannot be read.
pub fn of_runs(folder: &Path) -> Result<Vec<Usage>, SlurmError> {
    let mut runs: Vec<_> = match folder.join(Status::FILE).exists() {
        true => vec![folder.to_owned()],
        false => {
            let list = fs::read_dir(folder).map_err(|source| SlurmError::Io {
                action: "read",
                path: folder.to_owned(),
                source,
            })?;
            list.flatten().map(|e| e.path()).filter(|p| p.join(Status::FILE).exists()).collect()
        }
    };
    runs.sort();
    if runs.is_empty() {
        return Err(SlurmError::value("RUN", folder.display(), "holds no run with a status.json"));
    }
    runs.iter().map(|run| of_run(run)).collect()
}

fn of_run(run: &Path) -> Result<Usage, SlurmError> {
    let status: Status = json::read(&run.join(Status::FILE))?;
    let own = Usage {
        run: run.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        state: status.state.name().to_owned(),
        jobs: status.slurm_jobs.clone(),
        source: Status::FILE,
        core_hours: status.core_hours,
        gpu_hours: status.gpu_hours,
        peak_memory_bytes: status.peak_memory_bytes,
    };
    Ok(match accounted(&own.jobs) {
        Some(used) => Usage { source: "sacct", ..used.into_usage(own) },
        None => own,
    })
}

/// Sums over the lines of `sacct`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Accounted {
    core_s: f64,
    gpu_s: f64,
    memory_bytes: u64,
}

impl Accounted {
    fn into_usage(self, own: Usage) -> Usage {
        Usage {
            core_hours: self.core_s / 3600.0,
            gpu_hours: self.gpu_s / 3600.0,
            // Sampled: a job of a second may leave none.
            peak_memory_bytes: self.memory_bytes.max(own.peak_memory_bytes),
            ..own
        }
    }
}

/// What `sacct` knows of jobs; `None` where a site keeps no accounts.
fn accounted(jobs: &[String]) -> Option<Accounted> {
    if jobs.is_empty() {
        return None;
    }
    let out = Command::new("sacct")
        // A job that was queued again has a line per start.
        .args(["--duplicates", "--noheader", "--parsable2", "--units=K"])
        .args(["--format=JobID,ElapsedRaw,AllocCPUS,AllocTRES,MaxRSS", "-j", &jobs.join(",")])
        .output()
        .ok()?;
    out.status.success().then(|| sums(&String::from_utf8_lossy(&out.stdout))).flatten()
}

/// Adds up lines `job|seconds|cores|tres|memory`; an allocation is a line without a step.
fn sums(lines: &str) -> Option<Accounted> {
    let mut all = Accounted::default();
    let mut allocations = 0;
    for line in lines.lines() {
        let mut cells = line.split('|');
        let (job, elapsed, cores) = (cells.next()?, cells.next()?, cells.next()?);
        let (tres, memory) = (cells.next()?, cells.next()?);
        let kibibytes: f64 = memory.trim_end_matches('K').parse().unwrap_or(0.0);
        all.memory_bytes = all.memory_bytes.max((kibibytes * 1024.0) as u64);
        if job.contains('.') {
            continue;
        }
        allocations += 1;
        let seconds: f64 = elapsed.parse().ok()?;
        all.core_s += seconds * cores.parse::<f64>().ok()?;
        let gpus = tres.split(',').find_map(|t| t.strip_prefix("gres/gpu=")?.parse::<f64>().ok());
        all.gpu_s += seconds * gpus.unwrap_or(0.0);
    }
    (allocations > 0).then_some(all)
}

/// The usage as a table.
pub fn table(all: &[Usage]) -> String {
    let mut out = format!(
        "{:<20} {:<9} {:>12} {:>12} {:>12}  {:<12} jobs\n",
        "run", "state", "core-hours", "GPU-hours", "peak MiB", "source"
    );
    for u in all {
        let memory = u.peak_memory_bytes as f64 / (1024.0 * 1024.0);
        let _ = write!(out, "{:<20} {:<9} {:>12.4} {:>12.4}", u.run, u.state, u.core_hours, u.gpu_hours);
        let _ = writeln!(out, " {memory:>12.1}  {:<12} {}", u.source, u.jobs.join(","));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_added_and_steps_are_not() {
        let lines = "\
7|100|8|billing=8,cpu=8,gres/gpu=4,mem=16G,node=2|
7.batch|100|4|cpu=4|2048K
7.0|90|8|cpu=8|5120K
7|20|8|billing=8,cpu=8,gres/gpu=4,mem=16G,node=2|
";
        let sum = sums(lines).expect("two starts");
        assert_eq!(sum, Accounted { core_s: 960.0, gpu_s: 480.0, memory_bytes: 5120 * 1024 });
        // As an old sacct answers for a job it does not know.
        assert_eq!(sums(""), None);
        assert_eq!(sums("7.0|90|8|cpu=8|5120K\n"), None);
    }

    #[test]
    fn without_accounts_the_run_itself_tells() {
        let dir = tempfile::tempdir().expect("a folder");
        let run = dir.path().join("nodes-2");
        fs::create_dir(&run).expect("a folder");
        let status = Status { core_hours: 1.5, peak_memory_bytes: 3 << 20, ..Status::default() };
        json::write(&run.join(Status::FILE), &status).expect("written");
        for folder in [dir.path(), &run] {
            let all = of_runs(folder).expect("a run");
            assert_eq!(
                (all[0].run.as_str(), all[0].source, all[0].core_hours),
                ("nodes-2", "status.json", 1.5)
            );
            assert!(table(&all).contains("1.5000"), "{}", table(&all));
        }
        assert!(of_runs(&run.join("no")).is_err());
    }
}
