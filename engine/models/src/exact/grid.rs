//! The event times that all sites share: as they are, or grouped.

use osteon_core::Reduce;
use osteon_core::reduce::{key, number};

use crate::cox::CoxError;
use crate::cox::risk_sets::{EventTime, Outcome, event_times};

/// Cells of the time axis before cells with few events are joined.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cells {
    /// The event times themselves: every site learns the event times of all.
    #[default]
    Times,
    /// So many cells of equal width, from 0 to the latest event time rounded up to two digits.
    Equal(u32),
    /// Cells that end at these times, ascending; one more follows if an event is later.
    Edges(Vec<f64>),
}

/// How event times are grouped.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grouping {
    /// The cells.
    pub cells: Cells,
    /// Neighbouring cells are joined until each has this many events; 0 joins none.
    pub min_count: u64,
    /// All strata have the same bins, each with the minimum of events of every stratum, so that they
    /// can be compared time by time. Otherwise each stratum has its own.
    pub common: bool,
}

/// Cells of equal width where only a minimum count was asked for.
const CELLS: u32 = 100;

/// The event times, the same at all sites.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedTimes {
    /// Event times, ascending by stratum, then time: the ends of the bins that hold events.
    pub times: Vec<EventTime>,
    /// Ends of the bins of each stratum, ascending; `None` where times are not grouped.
    bins: Option<Vec<Vec<f64>>>,
}

impl SharedTimes {
    /// Agrees on the event times of all participants. `outcome` are the patients held here, already
    /// checked; strata have the same codes everywhere.
    ///
    /// # Errors
    /// On all participants: nobody had the event; a stratum has fewer events than
    /// [`Grouping::min_count`]; a participant is lost.
    pub fn agree(outcome: &Outcome<'_>, grouping: &Grouping, reduce: &dyn Reduce) -> Result<Self, CoxError> {
        let mine = event_times(outcome);
        let mut most = [
            mine.iter().map(|t| key(t.time)).max().unwrap_or(0),
            (0..outcome.time.len()).map(|i| u64::from(outcome.stratum(i)) + 1).max().unwrap_or(0),
        ];
        reduce.max(&mut most)?;
        if most[0] == 0 {
            return Err(CoxError::NoEvents);
        }
        let strata = most[1] as usize;
        let edges = match (&grouping.cells, grouping.min_count) {
            (Cells::Times, 0) => return Self::union(&mine, strata, grouping.common, reduce),
            (Cells::Times, _) => equal_cells(CELLS, number(most[0])),
            (Cells::Equal(cells), _) => equal_cells(*cells, number(most[0])),
            (Cells::Edges(edges), _) => with_last(edges, number(most[0])),
        };
        // Events per stratum and cell, over all participants.
        let mut events = vec![0u64; strata * edges.len()];
        for row in (0..outcome.time.len()).filter(|&i| outcome.event[i] && outcome.weight(i) > 0.0) {
            let cell = edges.partition_point(|&e| e < outcome.time[row]);
            events[outcome.stratum(row) as usize * edges.len() + cell] += 1;
        }
        reduce.count(&mut events)?;
        let mut shared = Self { times: Vec::new(), bins: None };
        let mut bins = Vec::with_capacity(strata);
        let rows: Vec<&[u64]> = events.chunks_exact(edges.len()).collect();
        for stratum in 0..strata {
            let joint = if grouping.common { rows.as_slice() } else { &rows[stratum..=stratum] };
            let joined = join(&edges, joint, grouping.min_count).ok_or_else(|| CoxError::FewEvents {
                stratum: stratum as u32,
                events: rows[stratum].iter().sum(),
                least: grouping.min_count,
            })?;
            let holding = joined.iter().filter(|bin| bin.1 > 0);
            shared.times.extend(holding.map(|bin| EventTime { stratum: stratum as u32, time: bin.0 }));
            bins.push(joined.into_iter().map(|bin| bin.0).collect());
        }
        shared.bins = Some(bins);
        Ok(shared)
    }

    fn union(mine: &[EventTime], strata: usize, common: bool, reduce: &dyn Reduce) -> Result<Self, CoxError> {
        let mut times = Vec::new();
        let mut keys: Vec<u64> = Vec::new();
        for stratum in 0..strata as u32 {
            if !common || stratum == 0 {
                let here = mine.iter().filter(|t| common || t.stratum == stratum);
                keys = here.map(|t| key(t.time)).collect();
                reduce.union(&mut keys)?;
            }
            times.extend(keys.iter().map(|&k| EventTime { stratum, time: number(k) }));
        }
        Ok(Self { times, bins: None })
    }

    /// Number of event times `K`.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none; never after [`Self::agree`].
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether times are grouped.
    pub fn grouped(&self) -> bool {
        self.bins.is_some()
    }

    /// A follow-up time as the risk sets see it: the end of its bin, so that whoever leaves within a
    /// bin is at risk for the events of that bin. Unchanged beyond the last bin.
    pub fn exit(&self, stratum: u32, time: f64) -> f64 {
        let Some(bins) = self.bins.as_ref().and_then(|b| b.get(stratum as usize)) else { return time };
        bins.get(bins.partition_point(|&e| e < time)).copied().unwrap_or(time)
    }

    /// A time of entry as the risk sets see it: the start of its bin; minus infinity in the first.
    pub fn entry(&self, stratum: u32, entry: f64) -> f64 {
        let Some(bins) = self.bins.as_ref().and_then(|b| b.get(stratum as usize)) else { return entry };
        bins.partition_point(|&e| e <= entry).checked_sub(1).map_or(f64::NEG_INFINITY, |at| bins[at])
    }

    /// Times and entries of an outcome as the risk sets see them.
    pub fn group(&self, outcome: &Outcome<'_>) -> (Vec<f64>, Option<Vec<f64>>) {
        let exit = |row: usize| self.exit(outcome.stratum(row), outcome.time[row]);
        let entry =
            |e: &[f64]| e.iter().enumerate().map(|(row, &e)| self.entry(outcome.stratum(row), e)).collect();
        ((0..outcome.time.len()).map(exit).collect(), outcome.entry.map(entry))
    }
}

fn equal_cells(cells: u32, latest: f64) -> Vec<f64> {
    if latest <= 0.0 {
        return vec![latest];
    }
    let end = rounded_up(latest);
    (1..=cells.max(1)).map(|i| if i == cells { end } else { end * f64::from(i) / f64::from(cells) }).collect()
}

fn with_last(edges: &[f64], latest: f64) -> Vec<f64> {
    let mut edges = edges.to_vec();
    if edges.last().is_none_or(|&last| last < latest) {
        edges.push(rounded_up(latest));
    }
    edges
}

/// The least number of two significant digits that is not below `x`; it tells less than `x` does.
fn rounded_up(x: f64) -> f64 {
    if x <= 0.0 {
        return x;
    }
    let unit = libm::exp10(libm::floor(libm::log10(x)) - 1.0);
    let up = libm::ceil(x / unit) * unit;
    // A unit below 1 is itself rounded.
    if up < x { x } else { up }
}

/// Joins neighbouring cells until each bin has `least` events of every row of `events`; gives ends
/// and events of the bins. A remainder joins the last bin. `None` if there are events, but too few.
fn join(edges: &[f64], events: &[&[u64]], least: u64) -> Option<Vec<(f64, u64)>> {
    let mut bins: Vec<(f64, u64)> = Vec::new();
    let mut open = vec![0; events.len()];
    for (cell, &edge) in edges.iter().enumerate() {
        open.iter_mut().zip(events).for_each(|(open, row)| *open += row[cell]);
        if open.iter().all(|&n| n >= least) {
            bins.push((edge, open.iter().sum()));
            open.fill(0);
        }
    }
    let rest: u64 = open.iter().sum();
    match bins.last_mut() {
        Some(last) if rest > 0 => *last = (edges[edges.len() - 1], last.1 + rest),
        None if rest > 0 => return None,
        _ => {}
    }
    Some(bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use osteon_core::Here;

    const TIME: [f64; 8] = [1.0, 2.5, 2.5, 4.0, 7.0, 9.9, 12.0, 12.3];
    const EVENT: [bool; 8] = [true, true, false, true, false, true, true, false];

    fn outcome() -> Outcome<'static> {
        Outcome { time: &TIME, event: &EVENT, entry: None, strata: None, weights: None }
    }

    fn agreed(cells: Cells, min_count: u64) -> SharedTimes {
        SharedTimes::agree(&outcome(), &Grouping { cells, min_count, common: false }, &Here).expect("events")
    }

    fn ends(times: &SharedTimes) -> Vec<f64> {
        times.times.iter().map(|t| t.time).collect()
    }

    #[test]
    fn without_grouping_the_event_times_are_themselves() {
        let times = agreed(Cells::Times, 0);
        assert_eq!(ends(&times), [1.0, 2.5, 4.0, 9.9, 12.0]);
        // A patient censored between two events is not at risk for the second.
        assert_eq!((times.exit(0, 7.0), times.entry(0, 3.0)), (7.0, 3.0));
    }

    #[test]
    fn cells_end_at_round_times() {
        let times = agreed(Cells::Equal(4), 0);
        assert_eq!(ends(&times), [3.0, 6.0, 12.0]);
        // The third cell has no event; who leaves within it is not at risk for the fourth.
        assert_eq!((times.exit(0, 7.0), times.exit(0, 9.9), times.exit(0, 12.3)), (9.0, 12.0, 12.3));
        assert_eq!(
            (times.entry(0, 2.0), times.entry(0, 3.0), times.entry(0, 8.0)),
            (f64::NEG_INFINITY, 3.0, 6.0)
        );
        let times = agreed(Cells::Edges(vec![2.0, 5.0]), 0);
        assert_eq!(ends(&times), [2.0, 5.0, 12.0]);
        for (x, up) in [(1234.5, 1300.0), (0.0123, 0.013), (99.1, 100.0), (7.0, 7.0)] {
            assert!((rounded_up(x) - up).abs() < 1e-12 && rounded_up(x) >= x, "{x}: {}", rounded_up(x));
        }
    }

    #[test]
    fn bins_have_the_minimum_of_events() {
        let times = agreed(Cells::Equal(4), 2);
        assert_eq!(ends(&times), [3.0, 12.0]);
        assert_eq!(times.exit(0, 4.0), 12.0);
        // A remainder joins the last bin.
        assert_eq!(ends(&agreed(Cells::Equal(4), 4)), [12.0]);
        assert_eq!(ends(&agreed(Cells::Times, 5)), [12.0]);
        let grouping = Grouping { min_count: 6, ..Grouping::default() };
        let few = SharedTimes::agree(&outcome(), &grouping, &Here);
        assert_eq!(few, Err(CoxError::FewEvents { stratum: 0, events: 5, least: 6 }));
    }

    #[test]
    fn common_bins_have_the_minimum_of_every_stratum() {
        let strata = [0, 0, 0, 1, 1, 0, 1, 1];
        let outcome = Outcome { strata: Some(&strata), ..outcome() };
        let ends = |cells, min_count, common| {
            let grouping = Grouping { cells, min_count, common };
            let times = SharedTimes::agree(&outcome, &grouping, &Here).expect("events");
            times.times.iter().map(|t| (t.stratum, t.time)).collect::<Vec<_>>()
        };
        assert_eq!(ends(Cells::Equal(4), 1, false), [(0, 3.0), (0, 12.0), (1, 6.0), (1, 12.0)]);
        assert_eq!(ends(Cells::Equal(4), 1, true), [(0, 6.0), (0, 12.0), (1, 6.0), (1, 12.0)]);
        assert_eq!(ends(Cells::Times, 0, true).len(), 2 * 5);
        assert_eq!(ends(Cells::Times, 0, false).len(), 5);
    }

    #[test]
    fn no_event_is_an_error() {
        let none = Outcome { event: &[false; 8], ..outcome() };
        assert_eq!(SharedTimes::agree(&none, &Grouping::default(), &Here), Err(CoxError::NoEvents));
    }
}
