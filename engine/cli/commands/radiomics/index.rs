//! `osteon radiomics index`.

use std::path::{Path, PathBuf};

use clap::Args;
use osteon_core::ExitCode;
use osteon_radiomics::{Choice, Index as Found, Key, Listing, Naming};
use osteon_study::watch::Watch;
use osteon_table::{Column, Table};
use serde_json::json;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Index {
    /// Folder of DICOM files in any layout
    pub dir: PathBuf,
    /// Table of cases to write (.csv); .series and .ambiguous tables lie beside it
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Take only PET series whose description holds this
    #[arg(long, value_name = "TEXT")]
    pub pet: Option<String>,
    /// Take only CT series whose description holds this
    #[arg(long, value_name = "TEXT")]
    pub ct: Option<String>,
    /// Replace names by hashes keyed with the secret in this file (16 bytes or more), and paths by links
    #[arg(long, value_name = "KEYFILE")]
    pub pseudonymise: Option<PathBuf>,
    #[command(flatten)]
    pub voice: Voice,
}

impl Index {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let key = self.pseudonymise.as_deref().map(Key::read).transpose()?;
        let found = Found::read(&self.dir, &Choice { pet: self.pet.clone(), ct: self.ct.clone() })?;
        let links = self.out.with_extension("links");
        let naming = match &key {
            Some(key) => Naming::Pseudonyms(key, &links),
            None => Naming::Plain,
        };
        found.link(&naming)?;
        let beside = |what: &str| self.out.with_extension(format!("{what}.csv"));
        write(&beside("series"), &found.series(&naming))?;
        write(&beside("ambiguous"), &found.doubts(&naming))?;
        write(&self.out, &found.cases(&naming))?;
        let [cases, doubts, unread] = found.counts();
        if doubts + unread > 0 {
            talk.warn(&format!(
                "{doubts} open questions and {unread} unreadable files, listed in {}",
                beside("ambiguous").display()
            ));
        }
        let record = json!({ "cases": cases, "ambiguous": doubts, "unreadable_files": unread });
        talk.result(&record, &format!("{}: {cases} cases\n", self.out.display()))?;
        Ok(ExitCode::Ok)
    }
}

fn write(path: &Path, listing: &Listing) -> Result<(), CommandError> {
    let column =
        |(k, name): (usize, &&'static str)| Column::texts(*name, listing.rows.iter().map(|row| &row[k]));
    let columns = listing.columns.iter().enumerate().map(column).collect();
    Ok(osteon_table::write(path, &Table::new(path, columns)?)?)
}
