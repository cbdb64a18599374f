//! A made-up cohort of three sites, its study, and what each of its three arms reaches.

use std::fs;
use std::path::{Path, PathBuf};

use osteon_core::files;
use osteon_data::synthetic::{self, Cohort};
use osteon_federate::{Comm, FederateError};
use osteon_report::Summary;
use serde::Serialize;

use crate::config::Arm;
use crate::stop::Stop;
use crate::train::{Outcome, Request, train};
use crate::watch::{Silent, Watch};
use crate::{Loaded, StudyError};

const COHORT: &str = "cohort.csv";
const SLIDES: &str = "slides.csv";
const STUDY: &str = "STUDY.toml";

/// The study of the demo, as a user would write it.
const STUDY_TEXT: &str = r#"# A study: three hospitals and one model. `osteon train STUDY.toml -o RUN` runs it.

[data]
path = "cohort.csv"           # a made-up cohort; relative to this file
id = "patient"
time = "time_days"
time_unit = "days"
event = "event"               # 1 death, 0 censored
features = "all"              # every column without another role

[[data.block]]                # a modality with a table of its own, joined by the patient
name = "wsi"
file = "slides.csv"           # slide vectors; patients without a row are masked

[data.columns.bm_blast]       # what is known of a column beyond its values
unit = "%"
transform = "log1p"

[data.columns.plt]
unit = "10^9/l"
transform = "log1p"

[split]
test = 0.2                    # held out before the sites are dealt; the same for every arm

[model]
kind = "deepsurv"             # a network whose output is the log hazard
hidden = [32]
activation = "selu"
dropout = 0.1

[train]
arm = "federated"             # or central (rows pooled), or isolated (one site alone)
epochs = 80                   # of central and isolated
learning_rate = 0.005
seeds = 3                     # models from 3 seeds, trained at once
site = "smallest"             # the one that trains when isolated

[federation]
site = "site"                 # the column that names the hospital of a row
rounds = 40
local_epochs = 2              # between two averages
strategy = "fedavg"
checkpoint_every = 10
"#;

/// What to demonstrate, and where.
#[derive(Debug)]
pub struct Demo {
    /// Directory of the cohort, the study and the runs.
    pub dir: PathBuf,
    /// Patients of the cohort.
    pub patients: usize,
    /// Discard what is there.
    pub restart: bool,
    /// Threads of this process.
    pub threads: usize,
}

/// What one arm reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmResult {
    /// Directory of the run.
    pub run: PathBuf,
    /// Its page.
    pub report: PathBuf,
    /// Its summary.
    pub summary: Summary,
}

/// How a demo ended.
#[derive(Debug)]
pub enum Shown {
    /// The arms: the smallest site alone, rows pooled, federated.
    Arms(Vec<ArmResult>),
    /// Stopped on request; the same call goes on.
    Stopped,
}

impl Demo {
    /// Writes the cohort, its slide vectors and the study; gives the path of the study.
    ///
    /// # Errors
    /// If a file cannot be written, or another one of its name is there and `restart` is not set.
    pub fn write(&self) -> Result<PathBuf, StudyError> {
        fs::create_dir_all(&self.dir).map_err(StudyError::io("create", &self.dir))?;
        let made = Cohort { patients: self.patients, ..Cohort::default() };
        let ((table, _), vectors) = (synthetic::cohort(&made)?, synthetic::slides(&made)?);
        let (cohort, slides) = (self.dir.join(COHORT), self.dir.join(SLIDES));
        let study = self.dir.join(STUDY);
        self.place(&study, "study", |path| {
            fs::write(path, STUDY_TEXT).map_err(StudyError::io("write", path))
        })?;
        self.place(&cohort, "cohort", |path| Ok(osteon_table::write(path, &table)?))?;
        self.place(&slides, "slides", |path| Ok(osteon_table::write(path, &vectors)?))?;
        Ok(study)
    }

    /// Puts a file in its place, unless the user has changed the one that is there.
    fn place(
        &self,
        path: &Path,
        what: &'static str,
        write: impl FnOnce(&Path) -> Result<(), StudyError>,
    ) -> Result<(), StudyError> {
        // Prepared in a folder of its own, under its own name: the extension tells the format.
        let folder = files::aside(path);
        fs::create_dir_all(&folder).map_err(StudyError::io("create", &folder))?;
        let new = folder.join(path.file_name().unwrap_or_default());
        let placed = write(&new).and_then(|()| self.replace(&new, path, what));
        let _ = fs::remove_dir_all(&folder);
        placed
    }

    fn replace(&self, new: &Path, path: &Path, what: &'static str) -> Result<(), StudyError> {
        let made = fs::read(new).map_err(StudyError::io("read", new))?;
        match fs::read(path) {
            Ok(old) if old == made => Ok(()),
            Ok(_) if !self.restart => {
                let difference = format!("{} is not the one this demo writes", path.display());
                Err(StudyError::Changed { path: self.dir.clone(), what, difference })
            }
            _ => files::commit(new, path).map_err(StudyError::io("write", path)),
        }
    }

    /// Writes cohort and study and trains the three arms. All ranks call it: the federation runs
    /// over them, the other arms on rank 0.
    ///
    /// # Errors
    /// As [`Self::write`] and [`train`].
    pub fn run(&self, comm: &Comm, stop: &Stop, watch: &dyn Watch) -> Result<Shown, StudyError> {
        let written = match comm.rank() {
            0 => self.write().map(|_| ()),
            _ => Ok(()),
        };
        comm.agree(written.map_err(|e| FederateError::local(&e)))?;
        // The federation first: the other ranks then have nothing left to wait for.
        let Some(federated) = self.arm(Arm::Federated, comm, stop, watch)? else {
            return Ok(Shown::Stopped);
        };
        let mut arms = Vec::new();
        if comm.rank() == 0 {
            for arm in [Arm::Isolated, Arm::Central] {
                watch.say(&format!("training the {} arm", arm.name()));
                match self.arm(arm, &Comm::solo(), stop, &Silent)? {
                    Some(result) => arms.push(result),
                    None => return Ok(Shown::Stopped),
                }
            }
        }
        arms.push(federated);
        Ok(Shown::Arms(arms))
    }

    fn arm(
        &self,
        arm: Arm,
        comm: &Comm,
        stop: &Stop,
        watch: &dyn Watch,
    ) -> Result<Option<ArmResult>, StudyError> {
        let set = format!("train.arm=\"{}\"", arm.name());
        let study = Loaded::read(&self.dir.join(STUDY), &[set])?.study;
        let run = self.dir.join(arm.name());
        let request = Request {
            study,
            output: run.clone(),
            threads: self.threads,
            restart: self.restart,
            stop: stop.clone(),
        };
        Ok(match train(&request, comm, watch)? {
            Outcome::Finished(summary) | Outcome::AlreadyFinished(summary) => {
                let report = run.join("report.html");
                Some(ArmResult { run, report, summary: *summary })
            }
            Outcome::Stopped(_) => None,
        })
    }
}
