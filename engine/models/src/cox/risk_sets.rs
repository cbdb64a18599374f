//! Who is at risk at which event time.

use super::{CoxError, Ties};

/// The outcome columns of a cohort, one entry per patient.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// Time of event or censoring.
    pub time: &'a [f64],
    /// Whether the event was seen.
    pub event: &'a [bool],
    /// At risk over `(entry, time]`.
    pub entry: Option<&'a [f64]>,
    /// Stratum.
    pub strata: Option<&'a [u32]>,
    /// Case weights.
    pub weights: Option<&'a [f64]>,
}

impl Outcome<'_> {
    /// Refuses what has no meaning.
    pub(crate) fn check(&self) -> Result<(), CoxError> {
        let n = self.time.len();
        let lengths = [
            ("event", self.event.len()),
            ("entry", self.entry.map_or(n, <[_]>::len)),
            ("strata", self.strata.map_or(n, <[_]>::len)),
            ("weights", self.weights.map_or(n, <[_]>::len)),
        ];
        for (what, found) in lengths {
            if found != n {
                return Err(CoxError::Length { what, found, expected: n });
            }
        }
        let bad = |what: &str, row: usize, value: f64| CoxError::Value { what: what.into(), row, value };
        for row in 0..n {
            let (time, weight) = (self.time[row], self.weight(row));
            if !time.is_finite() {
                return Err(bad("time", row, time));
            }
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(bad("weight", row, weight));
            }
            if let Some(entry) = self.entry.map(|e| e[row]) {
                if entry.is_nan() || entry == f64::INFINITY {
                    return Err(bad("entry", row, entry));
                }
                if entry >= time {
                    return Err(CoxError::Entry { row, entry, time });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    pub(crate) fn stratum(&self, row: usize) -> u32 {
        self.strata.map_or(0, |s| s[row])
    }
}

/// One distinct time with an event, within its stratum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventTime {
    /// Stratum.
    pub stratum: u32,
    /// Time.
    pub time: f64,
}

/// The event times `[K]`, by stratum and time, and for each row the range of them it is at risk of.
#[derive(Debug, Clone)]
pub struct RiskSets {
    /// Event times, ascending by stratum, then time.
    pub times: Vec<EventTime>,
    /// Whether event time `k` is the last of its stratum.
    pub last: Vec<bool>,
    /// Rows with positive weight that are at risk of some event, ascending by stratum and time: the
    /// order in which all sums are taken. The other arrays follow it.
    pub rows: Vec<u32>,
    /// The row is at risk at event times `from..to`.
    pub from: Vec<u32>,
    /// End of that range; for an event, `to - 1` is its own time.
    pub to: Vec<u32>,
    /// Whether the row is an event.
    pub event: Vec<bool>,
    /// Case weight.
    pub weight: Vec<f64>,
    /// Whether some row enters after the first event time of its stratum.
    pub truncated: bool,
}

/// The distinct event times of rows with positive weight.
pub fn event_times(outcome: &Outcome<'_>) -> Vec<EventTime> {
    let mut times: Vec<EventTime> = (0..outcome.time.len())
        .filter(|&row| outcome.event[row] && outcome.weight(row) > 0.0)
        .map(|row| EventTime { stratum: outcome.stratum(row), time: outcome.time[row] })
        .collect();
    times.sort_by(|a, b| a.stratum.cmp(&b.stratum).then(a.time.total_cmp(&b.time)));
    times.dedup();
    times
}

impl RiskSets {
    /// Places the rows among `times`, which hold all event times of the cohort; in a federation
    /// the union over the sites. Rows never at risk of an event are left out.
    pub fn new(outcome: &Outcome<'_>, times: Vec<EventTime>) -> Self {
        // Event times of the stratum that are not after `t`, as a place among all event times.
        let place = |stratum: u32, t: f64| {
            times.partition_point(|k| k.stratum < stratum || (k.stratum == stratum && k.time <= t)) as u32
        };
        let mut truncated = false;
        let mut rows = Vec::new();
        for row in (0..outcome.time.len()).filter(|&row| outcome.weight(row) > 0.0) {
            let stratum = outcome.stratum(row);
            let first = times.partition_point(|k| k.stratum < stratum) as u32;
            let from = outcome.entry.map_or(first, |entry| place(stratum, entry[row]));
            let to = place(stratum, outcome.time[row]);
            if from < to {
                truncated |= from > first;
                rows.push((from, to, row as u32));
            }
        }
        // Event times ascend by stratum and time, so `to` does as well.
        rows.sort_by_key(|&(_, to, _)| to);
        let row = |&(_, _, row): &(u32, u32, u32)| row as usize;
        let last = (0..times.len()).map(|k| times.get(k + 1).is_none_or(|n| n.stratum != times[k].stratum));
        Self {
            last: last.collect(),
            event: rows.iter().map(|r| outcome.event[row(r)]).collect(),
            weight: rows.iter().map(|r| outcome.weight(row(r))).collect(),
            rows: rows.iter().map(|r| r.2).collect(),
            from: rows.iter().map(|r| r.0).collect(),
            to: rows.iter().map(|r| r.1).collect(),
            times,
            truncated,
        }
    }

    /// Turns per-time contributions into risk-set sums: `values` is `[K, width]`, and row `k`
    /// becomes the sum of rows `k..` of its stratum.
    pub(crate) fn accumulate(&self, values: &mut [f64], width: usize) {
        for k in (0..self.times.len().saturating_sub(1)).rev().filter(|&k| !self.last[k]) {
            let (this, next) = values[k * width..].split_at_mut(width);
            for (a, b) in this.iter_mut().zip(next) {
                *a += *b;
            }
        }
    }

    /// Running sums of `values` `[K]` over ascending event times: entry `k` is the sum below `k`.
    /// A row at risk over `from..to` has `sums[to] - sums[from]`, across strata as well.
    pub(crate) fn running(values: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut sum = 0.0;
        let rest = values.map(|v| {
            sum += v;
            sum
        });
        std::iter::once(0.0).chain(rest).collect()
    }
}

/// The tied-event denominators `S0 - f E0`: for each of `d` tied events its fraction `f` of the
/// tied events that have left the risk set. Breslow: one denominator `S0`, `d` times.
pub(crate) fn fractions(ties: Ties, d: u32) -> impl Iterator<Item = f64> {
    let count = match ties {
        Ties::Breslow => 1,
        Ties::Efron => d,
    };
    (0..count).map(move |r| f64::from(r) / f64::from(d.max(1)))
}
