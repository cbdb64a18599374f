//! What a study will do, as far as its file tells: the text of `--dry-run`.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Study;
use crate::config::{Arm, ModelKind, SiteFile, SiteSource};
use crate::modality::files;

/// The work a study asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// central, isolated or federated.
    pub arm: &'static str,
    /// Kind of model.
    pub model: ModelKind,
    /// Tables that will be read.
    pub inputs: Vec<PathBuf>,
    /// Sites, where the file tells their number.
    pub sites: Option<usize>,
    /// Models trained at once, `B`: seeds x (1 + bootstraps) x folds.
    pub problems: usize,
    /// Epochs, or rounds of a federation.
    pub steps: u32,
    /// Where the result goes, if it was said.
    pub output: Option<PathBuf>,
}

impl Plan {
    /// The plan of a study; opens no file and no device.
    pub fn of(study: &Study, output: Option<&Path>) -> Self {
        let fed = &study.federation;
        let one_table = || study.data.path.iter().cloned().chain(files(study, None).into_values()).collect();
        let (inputs, sites): (Vec<PathBuf>, Option<usize>) = match &fed.site {
            Some(SiteSource::Files(files)) => {
                (files.iter().flat_map(SiteFile::tables).map(Path::to_owned).collect(), Some(files.len()))
            }
            Some(SiteSource::Column(_)) => (one_table(), None),
            None => (one_table(), Some(fed.sites.len()).filter(|&n| n > 0)),
        };
        let slides = study.bags.iter().flat_map(|b| b.table.iter().chain([&b.folder])).cloned();
        let inputs: Vec<PathBuf> = inputs.into_iter().chain(slides).collect();
        let replicates = 1 + study.train.bootstraps as usize;
        // A linear model has no initial weights to draw.
        let seeds = match study.model.kind {
            ModelKind::Cox => 1,
            _ => study.train.seeds.list(study.train.seed).len(),
        };
        Self {
            arm: study.train.arm.name(),
            model: study.model.kind,
            inputs,
            sites,
            problems: seeds * replicates * study.split.folds.max(1) as usize,
            steps: if study.train.arm == Arm::Federated { fed.rounds } else { study.train.epochs },
            output: output.map(Path::to_owned),
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let model = self.model.name();
        writeln!(f, "arm       {}", self.arm)?;
        writeln!(f, "model     {model}, {} problems", self.problems)?;
        match self.model {
            ModelKind::Cox => writeln!(f, "steps     Newton, until converged")?,
            _ if self.arm == "federated" => writeln!(f, "steps     {} rounds", self.steps)?,
            _ => writeln!(f, "steps     {} epochs", self.steps)?,
        }
        if let Some(sites) = self.sites {
            writeln!(f, "sites     {sites}")?;
        }
        for input in &self.inputs {
            writeln!(f, "reads     {}", input.display())?;
        }
        if let Some(output) = &self.output {
            writeln!(f, "writes    {}", output.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Seeds;

    #[test]
    fn problems_multiply() {
        let mut study = Study::default();
        study.train.seeds = Seeds::List(vec![4, 7]);
        study.train.bootstraps = 9;
        study.split.folds = 5;
        assert_eq!(Plan::of(&study, None).problems, 2 * 10 * 5);
        study.model.kind = ModelKind::Cox;
        assert_eq!(Plan::of(&study, None).problems, 10 * 5);
    }
}
