//! Studies whose work is known, to measure how their time changes with ranks and sites.

use std::fs;
use std::path::{Path, PathBuf};

use osteon_data::synthetic::{self, Cohort};
use osteon_report::scaling::Work;

use crate::StudyError;

/// The work of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Patients of one rank's work.
    pub patients: usize,
    /// Sites of one rank's work.
    pub sites: usize,
    /// Rounds.
    pub rounds: u32,
}

impl Load {
    /// Writes the study that `ranks` ranks are to train into a folder, and its cohort: the same for all numbers
    /// of ranks, or in proportion to them. Gives the path of the study.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, ranks: usize, work: Work) -> Result<PathBuf, StudyError> {
        let times = if work == Work::Weak { ranks } else { 1 };
        let (patients, sites) = (self.patients * times, self.sites * times);
        fs::create_dir_all(folder).map_err(StudyError::io("create", folder))?;
        let (table, _) = synthetic::cohort(&Cohort { patients, ..Cohort::default() })?;
        osteon_table::write(&folder.join("cohort.csv"), &table)?;
        let shares = vec![(1.0 / sites as f64).to_string(); sites].join(", ");
        let study = folder.join("STUDY.toml");
        fs::write(&study, text(&shares, self.rounds)).map_err(StudyError::io("write", &study))?;
        Ok(study)
    }
}

/// Equal sites, each with the same work. The common test set is small: every rank evaluates all of it.
fn text(shares: &str, rounds: u32) -> String {
    format!(
        "[data]\npath = \"cohort.csv\"\nid = \"patient\"\ntime = \"time_days\"\ntime_unit = \"days\"\n\
         event = \"event\"\nfeatures = [\"age\", \"bm_blast\", \"hb\", \"plt\", \"wbc\", \"anc\", \"sex_male\", \"mut_*\"]\n\
         [split]\ntest = 0.02\n[model]\nhidden = [64, 64]\n[train]\narm = \"federated\"\nseeds = 1\n\
         [federation]\nsites = [{shares}]\nrounds = {rounds}\nlocal_epochs = 2\ncheckpoint_every = 0\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loaded;

    #[test]
    fn weak_work_grows_with_the_ranks() {
        let dir = tempfile::tempdir().expect("a folder");
        let load = Load { patients: 120, sites: 3, rounds: 2 };
        for (work, sites, rows) in [(Work::Strong, 3, 120), (Work::Weak, 12, 480)] {
            let study = load.write(dir.path(), 4, work).expect("a study");
            assert_eq!(Loaded::read(&study, &[]).expect("valid").study.federation.sites.len(), sites);
            let cohort = fs::read_to_string(dir.path().join("cohort.csv")).expect("a cohort");
            assert_eq!(cohort.lines().count(), rows + 1);
        }
    }
}
