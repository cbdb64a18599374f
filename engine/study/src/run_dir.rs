//! The run directory: one run, locked while it is worked on, resumed by the same command.
//!
//! | file | what | written |
//! |---|---|---|
//! | `run.json` | resolved study, build, device, inputs, starts | at the start |
//! | `metrics.jsonl` | a line per round or epoch | as it goes |
//! | `status.json` | where the run stands and what it used | as it goes |
//! | `checkpoints/` | state to resume from | as it goes |
//! | `model.safetensors`, `predictor.json` | the model, and what `predict` needs besides | at the end |
//! | `cox.json`, `kaplan_meier.json` | a linear model with its tests; survival by risk | at the end |
//! | `summary.json` | the result in figures; its presence marks the run as finished | last but one |
//! | `report.html` | all of it on one page | last |

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use osteon_core::provenance::Provenance;
use osteon_report::{Lines, Metric, Status, Summary, json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Study, StudyError};

const LOCK: &str = ".lock";
/// File of [`RunRecord`] in a run directory.
pub const RUN: &str = "run.json";
const METRICS: &str = "metrics.jsonl";
/// File of the summary; its presence marks a run as finished.
pub const SUMMARY: &str = "summary.json";
/// File of the tensors of the finished model.
pub const MODEL: &str = "model.safetensors";
/// Folder of the checkpoints in a run directory.
pub const CHECKPOINTS: &str = "checkpoints";
/// Everything of a run; what `--restart` removes, and nothing else.
const FILES: [&str; 9] = [
    SUMMARY,
    "report.html",
    MODEL,
    "predictor.json",
    "cox.json",
    "kaplan_meier.json",
    METRICS,
    Status::FILE,
    RUN,
];

/// `run.json`: what made a run, enough to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this record.
    pub schema: u32,
    /// The resolved study; `osteon train run.json` reads it.
    pub config: Study,
    /// Version of the package.
    pub version: String,
    /// Commit of the build.
    pub commit: String,
    /// Device the numbers were made on.
    pub device: String,
    /// Numeric profile: equal profiles give equal bits.
    pub profile: String,
    /// MPI, when the run is spread over ranks.
    pub mpi: Option<MpiRecord>,
    /// Ranks of unlike profiles were admitted by `--mixed`.
    pub mixed: bool,
    /// Files that were read.
    pub inputs: Vec<Input>,
    /// Each time a process worked on this run.
    pub starts: Vec<Start>,
}

/// The MPI of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MpiRecord {
    /// What the library calls itself.
    pub library: String,
    /// Number of ranks.
    pub ranks: usize,
    /// What the library says of device memory, and how words cross.
    #[serde(default)]
    pub gpu: Option<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Hash of its content.
    pub sha256: String,
}

impl Input {
    /// Describes a file by reading it once.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(path: &Path) -> Result<Self, StudyError> {
        let read = |p: &Path| {
            Ok(Self {
                path: p.to_owned(),
                bytes: fs::metadata(p)?.len(),
                sha256: osteon_core::files::sha256_file(p)?,
            })
        };
        read(path).map_err(StudyError::io("read", path))
    }
}

/// A process that worked on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Seconds since the epoch, UTC.
    pub unix_time_s: u64,
    /// Host of rank 0.
    pub host: String,
    /// Slurm job, if any.
    pub slurm_job: Option<String>,
    /// Threads per rank.
    pub threads: usize,
    /// The command line.
    pub command: Vec<String>,
}

impl RunRecord {
    /// The record of a run that starts here and now on the CPU; the caller fills in the rest.
    pub fn now(config: Study, profile: &str, threads: usize) -> Self {
        let here = Provenance::now();
        Self {
            schema: osteon_report::records::SCHEMA,
            config,
            version: here.version.to_owned(),
            commit: here.commit.to_owned(),
            device: "cpu".to_owned(),
            profile: profile.to_owned(),
            mpi: None,
            mixed: false,
            inputs: Vec::new(),
            starts: vec![Start {
                unix_time_s: here.unix_time_s,
                host: here.host,
                slurm_job: here.slurm_job,
                threads,
                command: std::env::args().collect(),
            }],
        }
    }

    /// What would make the numbers of another run differ, and the first place where it does.
    fn difference(&self, other: &Self) -> Option<(&'static str, String)> {
        let json = |study: &Study| serde_json::to_value(study).unwrap_or_default();
        if let Some(text) = first_difference("", &json(&self.config), &json(&other.config)) {
            return Some(("configuration", text));
        }
        if let Some((was, is)) = self.inputs.iter().zip(&other.inputs).find(|(a, b)| a.sha256 != b.sha256) {
            let text = format!("{} has sha256 {}, had {}", is.path.display(), is.sha256, was.sha256);
            return Some(("input", text));
        }
        (self.profile != other.profile)
            .then(|| ("numeric profile", format!("was {}, is {}", self.profile, other.profile)))
    }
}

/// The first key in which two JSON values differ, as `key was A, is B`.
fn first_difference(key: &str, was: &Value, is: &Value) -> Option<String> {
    if let (Value::Object(a), Value::Object(b)) = (was, is) {
        return a.keys().chain(b.keys()).find_map(|name| {
            let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            first_difference(&below, a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null))
        });
    }
    let text = |v: &Value| if v.is_null() { "unset".to_owned() } else { v.to_string() };
    (was != is).then(|| format!("{key} was {}, is {}", text(was), text(is)))
}

/// A run directory this process may write to. The lock ends with it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
    locked: bool,
}

/// What a run directory holds.
#[derive(Debug)]
pub enum Opened {
    /// Nothing yet; `run.json` is written.
    Fresh(RunDir),
    /// A run of the same study that stopped early.
    Resumed(RunDir),
    /// A finished run of the same study.
    Finished(RunDir, Box<Summary>),
}

impl RunDir {
    /// Creates the directory where needed and locks it. Called by rank 0 alone, before any work,
    /// so that an output that cannot be written costs nothing.
    ///
    /// # Errors
    /// If it cannot be written or another process works in it.
    pub fn claim(path: &Path) -> Result<Self, StudyError> {
        fs::create_dir_all(path).map_err(StudyError::io("create", path))?;
        Self::lock(path)
    }

    /// Begins the run of `record`, or goes on with it.
    ///
    /// # Errors
    /// If the directory holds another study (unless `restart`, which discards the run in it) or
    /// files of another kind, or cannot be written.
    pub fn begin(self, record: &RunRecord, restart: bool) -> Result<Opened, StudyError> {
        let run = self.path.join(RUN);
        if !run.exists() || restart {
            if run.exists() {
                self.clear()?;
            } else {
                self.refuse_foreign()?;
            }
            self.create(record)?;
            return Ok(Opened::Fresh(self));
        }
        let mut old: RunRecord = record_of(&run)?;
        if let Some((what, difference)) = old.difference(record) {
            return Err(StudyError::Changed { path: self.path, what, difference });
        }
        let summary = self.path.join(SUMMARY);
        if summary.exists() {
            return Ok(Opened::Finished(self, Box::new(record_of(&summary)?)));
        }
        old.starts.extend(record.starts.iter().cloned());
        self.create(&old)?;
        Ok(Opened::Resumed(self))
    }

    fn lock(path: &Path) -> Result<Self, StudyError> {
        let name = path.join(LOCK);
        let file = File::create(&name).map_err(StudyError::io("create", &name))?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(StudyError::Busy { path: path.to_owned() }),
            // Some parallel file systems have no locks.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => false,
            Err(TryLockError::Error(e)) => return Err(StudyError::io("lock", &name)(e)),
        };
        Ok(Self { path: path.to_owned(), _lock: file, locked })
    }

    fn refuse_foreign(&self) -> Result<(), StudyError> {
        let list = fs::read_dir(&self.path).map_err(StudyError::io("read", &self.path))?;
        for entry in list {
            let entry = entry.map_err(StudyError::io("read", &self.path))?;
            // An interrupted start leaves its lock, an empty folder or a partial `run.json`.
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name != LOCK && name != CHECKPOINTS && !name.ends_with(".part") {
                return Err(StudyError::Foreign { path: self.path.clone() });
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), StudyError> {
        for name in FILES {
            let file = self.path.join(name);
            match fs::remove_file(&file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(StudyError::io("remove", file)(e));
                }
                _ => {}
            }
        }
        let folder = self.checkpoints();
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StudyError::io("remove", folder)(e)),
            _ => Ok(()),
        }
    }

    /// Takes back a run in which nothing was trained, so that a mended input is not refused as
    /// another one; a directory that is then empty goes too.
    pub fn abandon(&self) {
        let empty = |path: &Path| fs::read_dir(path).map_or(true, |mut list| list.next().is_none());
        let trained = fs::metadata(self.path.join(METRICS)).is_ok_and(|m| m.len() > 0);
        if trained || !empty(&self.checkpoints()) {
            return;
        }
        // What cannot be removed is no worse than the error that led here.
        let _ = self.clear();
        let _ = fs::remove_file(self.path.join(LOCK));
        let _ = fs::remove_dir(&self.path);
    }

    fn create(&self, record: &RunRecord) -> Result<(), StudyError> {
        let folder = self.checkpoints();
        fs::create_dir_all(&folder).map_err(StudyError::io("create", folder))?;
        Ok(json::write(&self.path.join(RUN), record)?)
    }

    /// Whether the file system has locks; without, two processes at once are not noticed.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// The tensors of the finished model.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Opens `metrics.jsonl` for more records, without those after `step`, the round or epoch
    /// that was resumed from (0 for a fresh run).
    ///
    /// # Errors
    /// If the file cannot be written, or holds something else.
    pub fn metrics(&self, step: u64) -> Result<Lines, StudyError> {
        Ok(Lines::resume::<Metric>(&self.path.join(METRICS), |m| m.step() <= step)?)
    }

    /// Writes a record beside the others, in one step.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write<T: Serialize>(&self, name: &str, record: &T) -> Result<(), StudyError> {
        Ok(json::write(&self.path.join(name), record)?)
    }

    /// Marks the run as finished: writes `summary.json`, then `report.html`, whose path it returns.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn finish(&self, summary: &Summary) -> Result<PathBuf, StudyError> {
        json::write(&self.path.join(SUMMARY), summary)?;
        Ok(osteon_report::html::write_report(&self.path)?)
    }
}

fn record_of<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    Ok(json::read(path)?)
}

#[cfg(test)]
mod tests {
    use osteon_core::{ExitCode, Failure};

    use super::*;

    fn record(epochs: u32) -> RunRecord {
        let mut study = Study::default();
        study.train.epochs = epochs;
        RunRecord::now(study, "cpu-v1", 2)
    }

    fn open(path: &Path, epochs: u32, restart: bool) -> Result<Opened, StudyError> {
        RunDir::claim(path)?.begin(&record(epochs), restart)
    }

    #[test]
    fn a_run_is_fresh_then_resumed_then_finished() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("a/b");
        let Opened::Fresh(run) = open(&path, 5, false).expect("fresh") else { panic!("not fresh") };
        assert!(run.checkpoints().is_dir() && run.is_locked());
        assert!(matches!(open(&path, 5, false), Err(StudyError::Busy { .. })));
        drop(run);
        let Opened::Resumed(run) = open(&path, 5, false).expect("resumed") else { panic!("not resumed") };
        let stored: RunRecord = json::read(&path.join(RUN)).expect("run.json");
        assert_eq!(stored.starts.len(), 2);
        run.metrics(0).expect("metrics");
        run.finish(&Summary { arm: "central".to_owned(), ..Summary::default() }).expect("finish");
        drop(run);
        let Opened::Finished(_, summary) = open(&path, 5, false).expect("finished") else {
            panic!("not finished")
        };
        assert_eq!(summary.arm, "central");
    }

    #[test]
    fn another_study_is_refused_until_restart() {
        let dir = tempfile::tempdir().expect("temporary directory");
        drop(open(dir.path(), 5, false).expect("fresh"));
        fs::write(dir.path().join("notes.txt"), "mine").expect("a file of the user");
        let error = open(dir.path(), 6, false).expect_err("a changed study");
        assert!(error.to_string().ends_with("another configuration: train.epochs was 5, is 6"), "{error}");
        assert_eq!(error.exit_code(), ExitCode::Usage);
        let mut other = record(5);
        other.profile = "cpu-v2".to_owned();
        let error =
            RunDir::claim(dir.path()).expect("claim").begin(&other, false).expect_err("another profile");
        assert!(error.to_string().contains("numeric profile: was cpu-v1, is cpu-v2"), "{error}");
        assert!(matches!(open(dir.path(), 6, true), Ok(Opened::Fresh(_))));
        assert!(dir.path().join("notes.txt").exists());
    }

    #[test]
    fn changed_inputs_are_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let table = dir.path().join("cohort.csv");
        let with_input = |text: &str| {
            fs::write(&table, text).expect("write");
            let mut record = record(5);
            record.inputs.push(Input::of(&table).expect("input"));
            record
        };
        let run = dir.path().join("run");
        drop(RunDir::claim(&run).expect("claim").begin(&with_input("a"), false).expect("fresh"));
        assert!(matches!(
            RunDir::claim(&run).expect("claim").begin(&with_input("a"), false),
            Ok(Opened::Resumed(_))
        ));
        let error =
            RunDir::claim(&run).expect("claim").begin(&with_input("b"), false).expect_err("a changed table");
        assert!(error.to_string().contains("another input"), "{error}");
    }

    #[test]
    fn what_is_no_run_is_left_alone() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("thesis.tex"), "text").expect("write");
        let error = open(dir.path(), 5, true).expect_err("a foreign directory");
        assert!(matches!(error, StudyError::Foreign { .. }), "{error}");
        assert!(dir.path().join("thesis.tex").exists());
        let below_a_file = dir.path().join("thesis.tex/run");
        assert_eq!(open(&below_a_file, 5, false).expect_err("no directory").exit_code(), ExitCode::Io);
    }
}
