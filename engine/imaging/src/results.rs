//! The tables that come of a batch.

use std::path::{Path, PathBuf};

use osteon_pipeline::{Entry, Journal, Outcome, journal_of};
use osteon_table::{Column, Table};

use crate::error::ImagingError;
use crate::extraction::{CaseFeatures, Fault};

/// Cases with features and what failed, in the order of the cases.
#[derive(Debug, Default)]
pub struct Results {
    /// Cases with features.
    pub cases: Vec<CaseFeatures>,
    /// Cases and regions without.
    pub faults: Vec<Fault>,
}

impl FromIterator<Entry<CaseFeatures, Fault>> for Results {
    fn from_iter<I: IntoIterator<Item = Entry<CaseFeatures, Fault>>>(entries: I) -> Self {
        let mut results = Self::default();
        for entry in entries {
            match entry.outcome {
                Outcome::Failed(fault) => results.faults.push(fault),
                Outcome::Done(mut case) => {
                    results.faults.append(&mut case.faults);
                    results.cases.push(case);
                }
            }
        }
        results
    }
}

impl Results {
    /// Regions with features.
    pub fn rows(&self) -> usize {
        self.cases.iter().map(|c| c.regions.len()).sum()
    }

    /// Writes a row per region: ID where there is one, Image, Mask, Label, Region where
    /// masks name their labels, how it was acquired, Profile, diagnostics where they were asked for, then the features.
    ///
    /// # Errors
    /// If the table cannot be written, or cases differ in their features.
    pub fn write(&self, out: &Path) -> Result<(), ImagingError> {
        let rows = || self.cases.iter().flat_map(|c| c.regions.iter().map(move |region| (c, region)));
        let mut columns = Vec::new();
        if self.cases.iter().any(|c| c.id.is_some()) {
            columns.push(Column::texts("ID", rows().map(|(c, _)| c.id.as_deref().unwrap_or_default())));
        }
        columns.push(Column::texts("Image", rows().map(|(c, _)| &c.image)));
        columns.push(Column::texts("Mask", rows().map(|(c, _)| &c.mask)));
        columns.push(Column::texts("Label", rows().map(|(_, region)| &region.label)));
        if rows().any(|(_, region)| !region.name.is_empty()) {
            columns.push(Column::texts("Region", rows().map(|(_, region)| &region.name)));
        }
        let others = self.cases.first().map(|c| c.others.as_slice()).unwrap_or_default();
        for (k, (name, _)) in others.iter().enumerate() {
            columns.push(Column::texts(name, rows().map(|(c, _)| &c.others[k].1)));
        }
        columns.push(Column::texts("Profile", rows().map(|(c, _)| &c.profile)));
        let told = self.cases.iter().find(|c| !c.regions.is_empty()).map(|c| c.told.as_slice());
        for (k, name) in told.unwrap_or_default().iter().enumerate() {
            let texts = rows().map(|(_, region)| &region.told[k]);
            columns.push(Column::texts(format!("diagnostics_{name}"), texts));
        }
        let names = self.cases.iter().find(|c| !c.regions.is_empty()).map(|c| c.names.as_slice());
        for (k, name) in names.unwrap_or_default().iter().enumerate() {
            columns.push(Column::floats(name, rows().map(|(_, region)| region.values[k])));
        }
        Ok(osteon_table::write(out, &Table::new(out, columns)?)?)
    }

    /// Writes a row per case or region without features.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn write_faults(&self, out: &Path) -> Result<(), ImagingError> {
        let column = |name: &str, of: fn(&Fault) -> &String| Column::texts(name, self.faults.iter().map(of));
        let columns = vec![
            column("Image", |f| &f.image),
            column("Mask", |f| &f.mask),
            column("Label", |f| &f.label),
            column("Error", |f| &f.error),
            column("Hint", |f| &f.hint),
        ];
        Ok(osteon_table::write(out, &Table::new(out, columns)?)?)
    }
}

/// Joins the shards of a batch, each named by its table or its journal.
///
/// # Errors
/// If a journal cannot be read, they are not of one batch, or a case is in none or in two.
pub fn merge(parts: &[PathBuf]) -> Result<Results, ImagingError> {
    let journal = |part: &PathBuf| match part.extension().is_some_and(|e| e == "journal") {
        true => part.clone(),
        false => journal_of(part),
    };
    let journals: Vec<PathBuf> = parts.iter().map(journal).collect();
    Ok(Journal::<CaseFeatures, Fault>::merge(&journals)?.into_iter().collect())
}
