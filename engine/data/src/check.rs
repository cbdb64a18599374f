//! Every fault of a cohort, each with its place.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use osteon_core::names::nearest;
use osteon_table::{Fault, Location, ReadOptions, Severity, Table};
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, Feature, Labels, Outcome};
use crate::error::DataError;
use crate::infer::Roles;
use crate::reading;
use crate::schema::{ColumnSpec, Kind, Role, Schema};

/// What is tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Post-baseline columns may be features. They leak the future into a baseline model: a
    /// patient must survive to be transplanted.
    pub allow_post_baseline: bool,
    /// Rows whose time and event are both missing are left out and counted, instead of refused.
    pub drop_missing_outcome: bool,
    /// The table is one site of several: without any event it is a warning, not an error.
    pub one_site: bool,
}

/// Where the meaning of the columns comes from.
#[derive(Debug, Clone, Copy)]
pub enum Typing<'a> {
    /// From the rows.
    Infer(&'a Roles),
    /// From a schema.
    Schema(&'a Schema),
}

/// Every fault of a file: of its format and of its content, in order of the lines.
///
/// # Errors
/// If the file cannot be opened or decoded at all, or a role or the schema is wrong.
pub fn file(
    path: &Path,
    options: &ReadOptions,
    typing: Typing<'_>,
    rules: &Rules,
) -> Result<Vec<Fault>, DataError> {
    let (table, mut faults) = osteon_table::examine(path, options)?;
    let Some(table) = table.filter(|t| t.rows() > 0) else { return Ok(faults) };
    match typing {
        Typing::Infer(roles) => faults.extend(check(&table, &Schema::infer(&table, roles)?, rules)),
        Typing::Schema(schema) => {
            schema.validate()?;
            faults.extend(check(&table, schema, rules));
        }
    }
    faults.sort_by_key(|f| f.at.line.unwrap_or(0));
    Ok(faults)
}

/// Every fault of a table read by a schema: errors, and warnings for what is merely odd
/// (constant or wholly missing features, a site without events, free text).
pub fn check(table: &Table, schema: &Schema, rules: &Rules) -> Vec<Fault> {
    interpret(table, schema, rules).1
}

/// The cohort as far as it can be read, and every fault. The cohort is whole only without errors.
pub(crate) fn interpret(table: &Table, schema: &Schema, rules: &Rules) -> (Dataset, Vec<Fault>) {
    let columns = table.columns().iter().enumerate().map(|(k, c)| (c.name.as_str(), k)).collect();
    let mut reader = Reader { table, columns, faults: Vec::new(), rows: (0..table.rows()).collect() };
    let found: Vec<(&ColumnSpec, usize)> =
        schema.columns.iter().filter_map(|spec| Some((spec, reader.find(spec)?))).collect();
    let with_role = |role| found.iter().find(|(spec, _)| spec.role == role).copied();
    let (time, event) = (with_role(Role::Time), with_role(Role::Event));
    let mut dropped = 0;
    if let (true, Some((time, t)), Some((event, e))) = (rules.drop_missing_outcome, time, event) {
        let missing = |row, spec: &ColumnSpec, column| {
            reading::is_missing(table.cell(row, column), spec.missing_codes.as_deref())
        };
        reader.rows.retain(|&row| !(missing(row, time, t) && missing(row, event, e)));
        dropped = table.rows() - reader.rows.len();
        if dropped > 0 {
            let message = format!("{dropped} rows without time and event are left out");
            reader.faults.push(Fault::warning(Location::file(table.source()), message));
        }
    }
    let ids = match with_role(Role::Id) {
        Some((spec, column)) => reader.ids(spec, column),
        None => reader.rows.iter().map(|&row| table.line(row).to_string()).collect(),
    };
    let sites = with_role(Role::Site).map(|(spec, column)| reader.labels(spec, column));
    let outcome = time.zip(event).map(|((time, t), (event, e))| {
        let outcome = Outcome {
            time: reader.times(time, t),
            event: reader.events(event, e),
            entry: None,
            strata: with_role(Role::Strata).map(|(spec, column)| reader.labels(spec, column)),
            weights: with_role(Role::Weight).map(|(spec, column)| reader.weights(spec, column)),
            unit: time.unit.clone(),
        };
        let entry = with_role(Role::Entry).map(|(spec, column)| reader.entries(spec, column, &outcome.time));
        reader.event_counts(&outcome.event, sites.as_ref(), e, rules);
        Outcome { entry, ..outcome }
    });
    let mut features = Vec::new();
    for &(spec, column) in found.iter().filter(|(spec, _)| spec.role == Role::Feature) {
        if spec.post_baseline && !rules.allow_post_baseline {
            let message = "known only after baseline, so it cannot predict from baseline; leave it out, \
                           or allow it with allow_post_baseline = true";
            reader.faults.push(Fault::error(table.locate_column(column), message));
        }
        features.push(reader.feature(spec, column));
    }
    let lines = reader.rows.iter().map(|&row| table.line(row)).collect();
    let n = reader.rows.len();
    let source = table.source().to_owned();
    let dataset = Dataset { n, ids, features, outcome, sites, source, lines, dropped, warnings: Vec::new() };
    (dataset, reader.faults)
}

/// Reads columns of the kept rows and notes what is wrong. Where a cell is, its stand-in is never
/// used: a table with an error gives no dataset.
struct Reader<'a> {
    table: &'a Table,
    /// Column of each name.
    columns: HashMap<&'a str, usize>,
    faults: Vec<Fault>,
    rows: Vec<usize>,
}

impl Reader<'_> {
    fn find(&mut self, spec: &ColumnSpec) -> Option<usize> {
        let column = self.columns.get(spec.name.as_str()).copied();
        if column.is_none() && spec.role != Role::Ignore {
            let names = self.table.columns().iter().map(|c| c.name.as_str());
            let meant = nearest(&spec.name, names).map_or(String::new(), |n| format!(" (nearest: \"{n}\")"));
            let message = format!("there is no column \"{}\"{meant}", spec.name);
            self.faults.push(Fault::error(Location::file(self.table.source()), message));
        }
        column
    }

    fn error(&mut self, row: usize, column: usize, message: impl Into<String>) {
        self.faults.push(Fault::error(self.table.locate(row, column), message));
    }

    /// The numbers of a column in which each row must have one that `valid` accepts.
    fn required(
        &mut self,
        spec: &ColumnSpec,
        column: usize,
        valid: impl Fn(usize, f64) -> Result<(), String>,
    ) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.rows.len());
        for (k, row) in self.rows.clone().into_iter().enumerate() {
            let cell = self.table.cell(row, column);
            let value = match reading::finite(cell, spec) {
                Ok(None) => Err("missing".to_owned()),
                Ok(Some(x)) => valid(k, x).map(|()| x),
                Err(why) => Err(why),
            };
            values.push(value.unwrap_or_else(|why| {
                self.error(row, column, why);
                f64::NAN
            }));
        }
        values
    }

    fn times(&mut self, spec: &ColumnSpec, column: usize) -> Vec<f64> {
        self.required(
            spec,
            column,
            |_, t| {
                if t < 0.0 { Err(format!("time {t} is negative")) } else { Ok(()) }
            },
        )
    }

    fn entries(&mut self, spec: &ColumnSpec, column: usize, time: &[f64]) -> Vec<f64> {
        self.required(spec, column, |k, entry| {
            let late = entry >= time[k];
            if late { Err(format!("entry {entry} is not before time {}", time[k])) } else { Ok(()) }
        })
    }

    fn weights(&mut self, spec: &ColumnSpec, column: usize) -> Vec<f64> {
        self.required(
            spec,
            column,
            |_, w| {
                if w < 0.0 { Err(format!("weight {w} is negative")) } else { Ok(()) }
            },
        )
    }

    fn events(&mut self, spec: &ColumnSpec, column: usize) -> Vec<bool> {
        let mut events = Vec::with_capacity(self.rows.len());
        for row in self.rows.clone() {
            let read = reading::truth(self.table.cell(row, column), spec);
            let read = read.and_then(|e| e.ok_or_else(|| "missing".to_owned()));
            events.push(read.unwrap_or_else(|why| {
                self.error(row, column, format!("{why}; an event is 1, a censored time 0"));
                false
            }));
        }
        events
    }

    /// Whether there are events at all, and in each site.
    fn event_counts(&mut self, event: &[bool], sites: Option<&Labels>, column: usize, rules: &Rules) {
        let at = self.table.locate_column(column);
        if !event.contains(&true) {
            let message = "no event in any row: nothing can be learnt from censored times alone";
            let fault = Fault::error(at, message);
            self.faults.push(if rules.one_site {
                Fault { severity: Severity::Warning, ..fault }
            } else {
                fault
            });
            return;
        }
        let Some(sites) = sites else { return };
        for (code, name) in sites.names.iter().enumerate() {
            if !sites.codes.iter().zip(event).any(|(&c, &e)| e && c as usize == code) {
                let message = format!("site \"{name}\" has no event");
                self.faults.push(Fault::warning(at.clone(), message));
            }
        }
    }

    /// Whether a cell has a name; a fault if not.
    fn named(&mut self, row: usize, spec: &ColumnSpec, column: usize) -> Option<String> {
        let cell = self.table.cell(row, column);
        if reading::is_missing(cell, spec.missing_codes.as_deref()) {
            self.error(row, column, "missing");
            return None;
        }
        Some(reading::name(cell).into_owned())
    }

    fn ids(&mut self, spec: &ColumnSpec, column: usize) -> Vec<String> {
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut ids = Vec::with_capacity(self.rows.len());
        for row in self.rows.clone() {
            let id = self.named(row, spec, column).unwrap_or_default();
            if !id.is_empty() {
                if let Some(&other) = first.get(&id) {
                    let line = self.table.line(other);
                    self.error(row, column, format!("id \"{id}\" is used already in row {line}"));
                } else {
                    first.insert(id.clone(), row);
                }
            }
            ids.push(id);
        }
        ids
    }

    fn labels(&mut self, spec: &ColumnSpec, column: usize) -> Labels {
        let rows = self.rows.clone();
        let names: Vec<String> =
            rows.into_iter().map(|row| self.named(row, spec, column).unwrap_or_default()).collect();
        let levels: Vec<String> = names.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let code = |name: &String| levels.partition_point(|l| l < name) as u32;
        Labels { codes: names.iter().map(code).collect(), names: levels }
    }

    fn feature(&mut self, spec: &ColumnSpec, column: usize) -> Feature {
        let codes: HashMap<&str, usize> =
            spec.kind.levels().iter().enumerate().map(|(code, level)| (level.as_str(), code)).collect();
        let mut values = Vec::with_capacity(self.rows.len());
        for row in self.rows.clone() {
            let cell = self.table.cell(row, column);
            let value = match &spec.kind {
                Kind::Continuous => reading::finite(cell, spec),
                Kind::Binary => reading::truth(cell, spec).map(|v| v.map(|b| f64::from(u8::from(b)))),
                Kind::Categorical { .. } | Kind::Ordinal { .. } => {
                    if reading::is_missing(cell, spec.missing_codes.as_deref()) {
                        Ok(None)
                    } else {
                        let name = reading::name(cell);
                        codes.get(name.as_ref()).map(|&code| Some(code as f64)).ok_or_else(|| {
                            let meant = nearest(&name, codes.keys().copied());
                            let meant = meant.map_or(String::new(), |n| format!(" (nearest: \"{n}\")"));
                            format!("\"{name}\" is not a level of this column{meant}")
                        })
                    }
                }
            };
            values.push(value.unwrap_or_else(|why| {
                self.error(row, column, why);
                None
            }));
        }
        self.oddities(spec, column, &values);
        Feature {
            spec: spec.clone(),
            missing: values.iter().map(Option::is_none).collect(),
            values: values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
            place: self.table.locate_column(column),
        }
    }

    fn oddities(&mut self, spec: &ColumnSpec, column: usize, values: &[Option<f64>]) {
        // Who lacks a modality is told once, not for each of its columns.
        if spec.masked {
            return;
        }
        let mut present = values.iter().flatten();
        let message = match present.next() {
            None if values.is_empty() => return,
            None => "missing in every row".to_owned(),
            Some(first) if values.len() > 1 && present.all(|x| x == first) => {
                let level = spec.kind.levels().get(*first as usize);
                format!("constant ({})", level.cloned().unwrap_or_else(|| first.to_string()))
            }
            Some(_) => {
                let levels = spec.kind.levels().len();
                if levels < 30 {
                    return;
                }
                format!("{levels} levels in {} rows; free text?", values.len())
            }
        };
        self.faults.push(Fault::warning(self.table.locate_column(column), message));
    }
}
