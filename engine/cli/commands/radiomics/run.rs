//! `osteon radiomics run`.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use osteon_core::ExitCode;
use osteon_imaging::{Archive, Cases, Need, Source, conclude_archive};
use osteon_radiomics::Selection;
use osteon_radiomics::skeleton::{Group, Settings};
use osteon_study::watch::Watch;

use super::extract::{Many, work};
use super::wanted::Wanted;
use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Run {
    /// Table of cases, as `radiomics index` writes it: columns Image (PET), CT or Mask, and, if wanted,
    /// ID and Label; other columns are kept
    #[arg(value_name = "CASES")]
    pub cases: PathBuf,
    /// The column Mask names TotalSegmentator maps (task "total", version 2)
    #[arg(long)]
    pub label_maps: bool,
    /// Bones of the maps to take [default: all]: spine, ribs, pelvis, skull, sternum, girdle, limbs
    #[arg(long, value_name = "GROUPS", value_delimiter = ',', requires = "label_maps")]
    pub groups: Vec<Group>,
    #[arg(help = "Set a parameter of the skeleton, such as closing=8; may be repeated")]
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub skeleton: Vec<String>,
    /// Labels of the masks: all, or a list such as 1,5-9
    #[arg(long, value_name = "LABELS", default_value = "all")]
    pub labels: Selection,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Folder to write: features.csv, qc.csv, cohort.html, and folders suv, masks and pictures
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub many: Many,
    /// Threads of this process [default: what Slurm, the affinity mask or the cgroup grants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub voice: Voice,
}

impl Run {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let params = self.wanted.params()?;
        let mut settings = Settings::default();
        self.skeleton.iter().try_for_each(|text| settings.assign(text))?;
        let source = match self.label_maps {
            true => Source::LabelMap(self.groups.clone()),
            false => Source::MaskOrThresholds(settings),
        };
        let selection = Selection { whole: self.wanted.whole, ..self.labels.clone() };
        let need = if self.label_maps { Need::Mask } else { Need::MaskOrCt };
        let cases = Cases::read(&self.cases, &selection, need)?;
        let shard = self.many.shard()?;
        let out = if shard.is_part() { self.out.join(shard.file_part()) } else { self.out.clone() };
        let cannot =
            |e| CommandError::Plain(format!("cannot make {}: {e}", out.display()), ExitCode::Io, None);
        std::fs::create_dir_all(&out).map_err(cannot)?;

        let archive = Archive { cases, params, source, out };
        let threads = self.threads.map_or_else(|| osteon_core::threads::allotment().threads, |n| n as usize);
        let finished = work(&archive, &archive.out.join("cases.journal"), &self.many, threads, talk)?;
        let results = conclude_archive(&archive, finished.entries)?;
        let failures = archive.out.join("failures.csv");
        if results.faults.is_empty() {
            // That of an earlier run would now be wrong.
            let _ = std::fs::remove_file(&failures);
            return Ok(ExitCode::Ok);
        }
        results.write_faults(&failures)?;
        talk.warn(&format!("{} without features, listed in {}", results.faults.len(), failures.display()));
        Ok(if results.rows() == 0 { ExitCode::Data } else { ExitCode::Partial })
    }
}
