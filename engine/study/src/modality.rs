//! Tables of modalities, joined to the table of patients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use osteon_data::join::{Modality, join};
use osteon_data::{DataError, Schema};
use osteon_table::{Cells, Column, ReadOptions, Table, read};

use crate::config::{Block, SiteFile, Unknown};
use crate::{Study, StudyError};

/// A table of patients with the columns of its modalities.
#[derive(Debug, Clone)]
pub struct Joined {
    /// All columns; those of modalities with tables of their own come last.
    pub table: Table,
    /// Columns of the table of patients itself.
    pub own: usize,
    /// Name and columns of each modality that has a table of its own here.
    pub apart: Vec<(String, Vec<String>)>,
    /// Modalities that only other sites have.
    pub absent: Vec<String>,
}

/// The tables of the modalities of a study, or of one of its sites that has files of its own.
pub fn files(study: &Study, site: Option<&SiteFile>) -> BTreeMap<String, PathBuf> {
    match site {
        Some(site) => site.blocks.clone(),
        None => study.data.block.iter().filter_map(|b| Some((b.name.clone(), b.file.clone()?))).collect(),
    }
}

impl Joined {
    /// Reads the tables of the modalities of `study`, at a site that has files of its own those of the site, and joins
    /// them to `table` by `data.id`.
    ///
    /// # Errors
    /// If a table cannot be read, or as [`join`].
    pub fn new(table: Table, study: &Study, site: Option<&SiteFile>) -> Result<Self, StudyError> {
        let mut joined = Self { own: table.columns().len(), table, apart: Vec::new(), absent: Vec::new() };
        let files = files(study, site);
        let apart = study.apart();
        for block in study.data.block.iter().filter(|b| apart.contains(&b.name.as_str())) {
            match files.get(&block.name) {
                Some(file) => joined.add(study, block, file, block.unknown == Unknown::Ignore)?,
                None => joined.absent.push(block.name.clone()),
            }
        }
        Ok(joined)
    }

    /// Joins one table.
    pub(crate) fn add(
        &mut self,
        study: &Study,
        block: &Block,
        file: &Path,
        ignore_unknown: bool,
    ) -> Result<(), StudyError> {
        // The checks of a study have seen that there is an id.
        let id = study.data.id.as_deref().unwrap_or_default();
        let key = block.key.as_deref().unwrap_or(id);
        let modality = Modality { name: &block.name, key, features: &block.features, ignore_unknown };
        let other = read(file, &ReadOptions::default())?;
        let (table, names) = join(&self.table, id, &other, &modality)?;
        self.table = table;
        self.apart.push((block.name.clone(), names));
        Ok(())
    }
}

/// A table with empty columns for the masked features of a schema that it lacks: none of its patients has these.
///
/// # Errors
/// If a name is used twice.
pub fn completed(table: &Table, schema: &Schema) -> Result<Table, StudyError> {
    let lacking = schema.features().filter(|c| c.masked && table.find(&c.name).is_none());
    let columns: Vec<Column> =
        lacking.map(|c| Column { name: c.name.clone(), cells: Cells::Float(Vec::new()) }).collect();
    let names = columns.iter().enumerate().map(|(k, c)| (k, c.name.clone())).collect();
    let none = Table::new(table.source(), columns)?;
    Ok(table.joined(&none, &vec![None; table.rows()], names)?)
}

/// The schema of two sites: a modality that one of them has no table of is described as at the other.
///
/// # Errors
/// If they differ in anything else.
pub fn agreed(first: &Schema, second: &Schema) -> Result<Schema, DataError> {
    let first_whole = with_blocks_of(first, second);
    first_whole.agree(&with_blocks_of(second, first))?;
    Ok(first_whole)
}

/// A schema with the masked blocks of another that it lacks, in order of their names behind its features.
fn with_blocks_of(schema: &Schema, other: &Schema) -> Schema {
    let lacks = |block: &str| !schema.columns.iter().any(|c| c.masked && c.block == block);
    let others = other.columns.iter().filter(|c| c.masked && lacks(&c.block));
    let (mut masked, rest): (Vec<_>, Vec<_>) =
        schema.columns.iter().chain(others).cloned().partition(|c| c.masked);
    masked.sort_by(|a, b| a.block.cmp(&b.block));
    Schema { columns: rest.into_iter().chain(masked).collect() }
}
