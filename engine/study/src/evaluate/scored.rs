//! A table with an outcome and scores.

use osteon_data::{
    ColumnSpec, DataError, Dataset, Fault, Features, Kind, Outcome, Role, Roles, Rules, Schema,
};
use osteon_table::{ReadOptions, read};

use super::{LeftOut, Request};
use crate::StudyError;

/// Patients with an outcome, a score and perhaps predicted survival.
pub(super) struct Scored {
    /// The patients: outcome and site.
    pub rows: Dataset,
    /// `[N]` scores.
    pub risk: Vec<f64>,
    /// `[N, T]` row-major predicted survival at the times asked for.
    pub survival: Vec<f64>,
    pub left_out: LeftOut,
}

/// Places of the outcome among the columns read; the score and the survival follow.
const TIME: usize = 0;
const EVENT: usize = 1;
const RISK: usize = 2;

impl Scored {
    pub fn read(request: &Request) -> Result<Self, StudyError> {
        let table =
            read(&request.data, &ReadOptions { group: request.group.clone(), ..ReadOptions::default() })?;
        let mut names = vec![request.time.clone(), request.event.clone(), request.risk.clone()];
        names.extend(request.survival.iter().cloned());
        // Outcome and score are read alike, as numbers that may be missing: here a row without
        // one can be left out.
        let roles = Roles { site: request.site.clone(), features: Features::Only(names), ..Roles::default() };
        let inferred = Schema::infer(&table, &roles)?;
        let column = |(k, c): (usize, ColumnSpec)| match c.role {
            Role::Feature if k == EVENT => ColumnSpec { kind: Kind::Binary, ..c },
            Role::Feature => ColumnSpec { kind: Kind::Continuous, ..c },
            _ => c,
        };
        let schema = Schema { columns: inferred.columns.into_iter().enumerate().map(column).collect() };
        let all = Dataset::from_table(&table, &schema, &Rules::default())?;
        let (kept, left_out) = complete(&all, request)?;
        check_values(&all, &kept)?;
        let mut rows = all.subset(&kept);
        let values = |k: usize| rows.features[k].values.clone();
        let survival_of = |row: usize| rows.features[RISK + 1..].iter().map(move |f| f.values[row]);
        let survival = (0..rows.n).flat_map(survival_of).collect();
        let risk = values(RISK);
        let outcome = Outcome {
            time: values(TIME),
            event: values(EVENT).into_iter().map(|e| e == 1.0).collect(),
            ..Outcome::default()
        };
        rows.outcome = Some(outcome);
        Ok(Self { rows, risk, survival, left_out })
    }

    pub fn time(&self) -> &[f64] {
        self.rows.outcome.as_ref().map_or(&[], |o| &o.time)
    }

    pub fn event(&self) -> &[bool] {
        self.rows.outcome.as_ref().map_or(&[], |o| &o.event)
    }
}

/// The rows that lack nothing, and how many lack what.
fn complete(all: &Dataset, request: &Request) -> Result<(Vec<usize>, LeftOut), StudyError> {
    let (mut kept, mut left_out, mut faults) = (Vec::new(), LeftOut::default(), Vec::new());
    for row in 0..all.n {
        match all.features.iter().position(|f| f.missing[row]) {
            None => kept.push(row),
            Some(k) if request.drop_missing => {
                *(if k < RISK { &mut left_out.outcome } else { &mut left_out.score }) += 1;
            }
            Some(k) => {
                let message = "missing; --drop-missing leaves such rows out";
                faults.push(Fault::error(all.locate(row, k), message));
            }
        }
    }
    if faults.is_empty() { Ok((kept, left_out)) } else { Err(DataError::Faults(faults).into()) }
}

/// Refuses negative times and survival that is no probability.
fn check_values(all: &Dataset, kept: &[usize]) -> Result<(), StudyError> {
    let mut faults = Vec::new();
    for &row in kept {
        let time = all.features[TIME].values[row];
        if time < 0.0 {
            faults.push(Fault::error(all.locate(row, TIME), format!("time {time} is negative")));
        }
        for k in RISK + 1..all.features.len() {
            let survival = all.features[k].values[row];
            if !(0.0..=1.0).contains(&survival) {
                let message = format!("{survival} is not a probability");
                faults.push(Fault::error(all.locate(row, k), message));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(DataError::Faults(faults).into()) }
}
