//! A cohort in typed columns.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use osteon_table::{Fault, Location, Table};

use crate::check::{self, Rules};
use crate::error::DataError;
use crate::schema::{ColumnSpec, Role, Schema};

/// One feature over `N` patients.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Name, kind, unit, block and transform.
    pub spec: ColumnSpec,
    /// `[N]` values in the unit of the file: numbers, 0/1, or level codes; NaN where missing.
    pub values: Vec<f64>,
    /// `[N]` whether the value is missing.
    pub missing: Vec<bool>,
    /// The column in its file, for messages.
    pub place: Location,
}

/// A name per patient, coded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// `[N]` index into `names`.
    pub codes: Vec<u32>,
    /// The names, sorted; a subset keeps them all, so that codes stay comparable.
    pub names: Vec<String>,
}

impl Labels {
    /// One after the other, coded by the sorted names of all.
    fn concat<'l>(parts: impl Iterator<Item = &'l Self> + Clone) -> Self {
        let names: BTreeSet<&String> = parts.clone().flat_map(|p| &p.names).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let code = |name: &String| names.partition_point(|n| n < name) as u32;
        let codes = parts.flat_map(|p| p.codes.iter().map(|&c| code(&p.names[c as usize]))).collect();
        Self { codes, names }
    }

    /// The names of these rows. Shared by all subsets.
    fn subset(&self, rows: &[usize]) -> Self {
        Self { codes: rows.iter().map(|&r| self.codes[r]).collect(), names: self.names.clone() }
    }
}

/// Survival outcome of `N` patients.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// `[N]` follow-up time, finite, at least 0, in `unit`. 0 is legal.
    pub time: Vec<f64>,
    /// `[N]` whether the event happened at that time.
    pub event: Vec<bool>,
    /// `[N]` time of entry, below `time`.
    pub entry: Option<Vec<f64>>,
    /// `[N]` stratum of the baseline hazard.
    pub strata: Option<Labels>,
    /// `[N]` case weights, finite, at least 0.
    pub weights: Option<Vec<f64>>,
    /// Unit of the times, if the schema says.
    pub unit: Option<String>,
}

/// A cohort of `N` patients.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Number of patients.
    pub n: usize,
    /// `[N]` identifiers; the line or row number in the file where there is no id column.
    pub ids: Vec<String>,
    /// The features in order of the schema.
    pub features: Vec<Feature>,
    /// The outcome; `None` for a cohort that is only predicted on.
    pub outcome: Option<Outcome>,
    /// `[N]` sites, if a column names them.
    pub sites: Option<Labels>,
    /// The file.
    pub source: PathBuf,
    /// `[N]` line (CSV) or row number in the file, from 1.
    pub lines: Vec<u64>,
    /// Rows that were left out because their outcome is missing ([`Rules::drop_missing_outcome`]).
    pub dropped: usize,
    /// What is worth knowing about the data.
    pub warnings: Vec<Fault>,
}

impl Dataset {
    /// Reads a table by a schema.
    ///
    /// # Errors
    /// [`DataError::Roles`] if the schema contradicts itself; [`DataError::Faults`] with every fault
    /// that [`check::check`] finds.
    pub fn from_table(table: &Table, schema: &Schema, rules: &Rules) -> Result<Self, DataError> {
        schema.validate()?;
        let (dataset, faults) = check::interpret(table, schema, rules);
        let (errors, warnings): (Vec<_>, Vec<_>) = faults.into_iter().partition(Fault::is_error);
        if errors.is_empty() { Ok(Self { warnings, ..dataset }) } else { Err(DataError::Faults(errors)) }
    }

    /// The outcome.
    ///
    /// # Errors
    /// If the cohort has none.
    pub fn survival(&self) -> Result<&Outcome, DataError> {
        self.outcome.as_ref().ok_or_else(|| {
            DataError::Roles(format!("{}: no time and event columns are named", self.source.display()))
        })
    }

    /// Number of events; 0 without an outcome.
    pub fn events(&self) -> usize {
        self.outcome.as_ref().map_or(0, |o| o.event.iter().filter(|&&e| e).count())
    }

    /// The patients of several cohorts of one schema, one after the other; none of them is an empty
    /// cohort. Codes of sites and strata are those of the joined names.
    ///
    /// # Panics
    /// If a part was read by another schema.
    pub fn concat<'d>(schema: &Schema, parts: impl IntoIterator<Item = &'d Self>) -> Self {
        let parts: Vec<&Self> = parts.into_iter().collect();
        let feature = |(k, spec): (usize, &ColumnSpec)| Feature {
            spec: spec.clone(),
            values: parts.iter().flat_map(|p| p.features[k].values.iter().copied()).collect(),
            missing: parts.iter().flat_map(|p| p.features[k].missing.iter().copied()).collect(),
            place: parts
                .first()
                .map_or_else(|| Location::file(Path::new("")), |p| p.features[k].place.clone()),
        };
        let outcomes: Vec<&Outcome> = parts.iter().filter_map(|p| p.outcome.as_ref()).collect();
        let column = |of: fn(&Outcome) -> Option<&Vec<f64>>, role: Role| {
            schema.with_role(role).map(|_| outcomes.iter().filter_map(|o| of(o)).flatten().copied().collect())
        };
        let outcome = schema.with_role(Role::Time).map(|time| Outcome {
            time: outcomes.iter().flat_map(|o| o.time.iter().copied()).collect(),
            event: outcomes.iter().flat_map(|o| o.event.iter().copied()).collect(),
            entry: column(|o| o.entry.as_ref(), Role::Entry),
            strata: schema
                .with_role(Role::Strata)
                .map(|_| Labels::concat(outcomes.iter().filter_map(|o| o.strata.as_ref()))),
            weights: column(|o| o.weights.as_ref(), Role::Weight),
            unit: time.unit.clone(),
        });
        Self {
            n: parts.iter().map(|p| p.n).sum(),
            ids: parts.iter().flat_map(|p| p.ids.iter().cloned()).collect(),
            features: schema.features().enumerate().map(feature).collect(),
            outcome,
            sites: schema
                .with_role(Role::Site)
                .map(|_| Labels::concat(parts.iter().filter_map(|p| p.sites.as_ref()))),
            source: parts.first().map(|p| p.source.clone()).unwrap_or_default(),
            lines: parts.iter().flat_map(|p| p.lines.iter().copied()).collect(),
            dropped: parts.iter().map(|p| p.dropped).sum(),
            warnings: parts.iter().flat_map(|p| p.warnings.iter().cloned()).collect(),
        }
    }

    /// These rows in this order; a row may occur more than once.
    ///
    /// # Panics
    /// If a row is not below `n`.
    pub fn subset(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(all: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&r| all[r].clone()).collect()
        }
        Self {
            n: rows.len(),
            ids: pick(&self.ids, rows),
            features: self
                .features
                .iter()
                .map(|f| Feature {
                    spec: f.spec.clone(),
                    values: pick(&f.values, rows),
                    missing: pick(&f.missing, rows),
                    place: f.place.clone(),
                })
                .collect(),
            outcome: self.outcome.as_ref().map(|o| Outcome {
                time: pick(&o.time, rows),
                event: pick(&o.event, rows),
                entry: o.entry.as_ref().map(|e| pick(e, rows)),
                strata: o.strata.as_ref().map(|s| s.subset(rows)),
                weights: o.weights.as_ref().map(|w| pick(w, rows)),
                unit: o.unit.clone(),
            }),
            sites: self.sites.as_ref().map(|s| s.subset(rows)),
            source: self.source.clone(),
            lines: pick(&self.lines, rows),
            dropped: self.dropped,
            warnings: self.warnings.clone(),
        }
    }

    /// The modality blocks in order of first use, each with the indices of its features.
    pub fn blocks(&self) -> Vec<(&str, Vec<usize>)> {
        let mut blocks: Vec<(&str, Vec<usize>)> = Vec::new();
        for (k, feature) in self.features.iter().enumerate() {
            let name = feature.spec.block.as_str();
            match blocks.iter_mut().find(|(block, _)| *block == name) {
                Some((_, members)) => members.push(k),
                None => blocks.push((name, vec![k])),
            }
        }
        blocks
    }

    /// Patients without any value of each masked block, in order of first use ([`ColumnSpec::masked`]).
    pub fn without(&self) -> Vec<(&str, usize)> {
        let mut blocks: Vec<(&str, usize)> = Vec::new();
        for feature in self.features.iter().filter(|f| f.spec.masked) {
            if !blocks.iter().any(|(block, _)| *block == feature.spec.block) {
                blocks.push((&feature.spec.block, feature.missing.iter().filter(|&&m| m).count()));
            }
        }
        blocks
    }

    /// Where a feature of a patient stands in the file.
    pub fn locate(&self, row: usize, feature: usize) -> Location {
        let place = self.features[feature].place.clone();
        // The rows of a joined file are not known here; its column is.
        let line = Some(self.lines[row]).filter(|_| place.file == self.source);
        Location { line, ..place }
    }
}
