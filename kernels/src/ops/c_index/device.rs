//! The device versions: every event is compared with every later patient, in tiles. Patients lie from the last time
//! to the first, so that those who are later than an event are a beginning of the list. `O(N^2)` integer comparisons,
//! meant for up to some 10^5 patients; counts are exact.

use super::Pairs;
use crate::backend::{Buffer, Device, DeviceError, GROUP, Launch, Source};
use crate::order::Order;

pub(super) const SOURCE: Source =
    Source { op: "c_index", wgsl: include_str!("c_index.wgsl"), cuda: include_str!("c_index.cu") };

/// Events of a thread.
pub(crate) const EACH: usize = 4;
/// Patients that a group of threads compares its events with: its counts fit 32 bits.
pub(crate) const CHUNK: usize = 4096;

/// Times and events of a cohort, sorted once for any number of scores.
pub struct Times {
    /// Rows from the last time to the first, at one time the censored before the events.
    rows: Vec<u32>,
    /// Places of the events in `rows`.
    events: Vec<u32>,
    /// Per event, how many rows are later: those before the first event of its time.
    until: Vec<u32>,
    tied_time: u64,
}

impl Times {
    /// Sorts finite times, columns of one length below 2^32.
    pub fn new(time: &[f64], event: &[bool]) -> Self {
        let by_time = Order::ascending(time);
        let mut rows = Vec::with_capacity(time.len());
        let (mut events, mut until, mut tied_time) = (Vec::new(), Vec::new(), 0);
        for run in by_time.runs().rev() {
            let of = |wanted: bool| {
                by_time.rows[run.clone()].iter().copied().filter(move |&row| event[row as usize] == wanted)
            };
            rows.extend(of(false));
            let first = rows.len() as u32;
            rows.extend(of(true));
            let end = rows.len() as u32;
            events.extend(first..end);
            until.resize(events.len(), first);
            let tied = u64::from(end - first);
            tied_time += tied * tied.saturating_sub(1) / 2;
        }
        Self { rows, events, until, tied_time }
    }

    /// Pairs of each problem of `score` `[B, N]`, which holds no NaN.
    ///
    /// # Errors
    /// What the device says.
    ///
    /// # Panics
    /// If `score` is not `[B, N]`.
    pub fn count(&self, device: &dyn Device, score: &[f32]) -> Result<Vec<Pairs>, DeviceError> {
        let (n, events) = (self.rows.len(), self.events.len());
        assert_eq!(score.len() % n.max(1), 0, "c_index: scores are [B, N]");
        let problems = score.len() / n.max(1);
        let comparable: u64 = self.until.iter().map(|&u| u64::from(u)).sum();
        let none = Pairs { discordant: comparable, tied_time: self.tied_time, ..Pairs::default() };
        let mut pairs = vec![none; problems];
        if comparable == 0 {
            return Ok(pairs);
        }
        let limits = device.limits();
        // Patients and events of a launch; several problems where all of both fit.
        let rows = n.min((limits.binding_words / CHUNK).clamp(1, limits.groups as usize) * CHUNK);
        let most = limits.binding_words / (2 * rows.div_ceil(CHUNK));
        let each = EACH * GROUP;
        let of_events = events.min(limits.binding_words).min(most.clamp(1, limits.groups as usize) * each);
        let words = n.max(events).max(2 * events.div_ceil(each) * n.div_ceil(CHUNK));
        let together = match (rows, of_events) == (n, events) {
            true => (limits.binding_words / words).clamp(1, limits.groups as usize),
            false => 1,
        };
        for first in (0..problems).step_by(together) {
            let here = first..problems.min(first + together);
            let key: Vec<Vec<u32>> = here
                .clone()
                .map(|k| self.rows.iter().map(|&row| ordered(score[k * n + row as usize])).collect())
                .collect();
            for from in (0..events).step_by(of_events) {
                let piece = from..events.min(from + of_events);
                let own: Vec<u32> = key
                    .iter()
                    .flat_map(|key| self.events[piece.clone()].iter().map(|&place| key[place as usize]))
                    .collect();
                let own = device.put_words("own", &own)?;
                let until = device.put_words("until", &self.until[piece.clone()])?;
                for from in (0..n).step_by(rows) {
                    let part = from..n.min(from + rows);
                    let key: Vec<u32> = key.iter().flat_map(|key| &key[part.clone()]).copied().collect();
                    let key = device.put_words("key", &key)?;
                    let params = [part.len() as u32, from as u32, piece.len() as u32];
                    let counts = counts(device, [&key, &own, &until], params, here.len())?;
                    for (pairs, [below, tied]) in pairs[here.clone()].iter_mut().zip(counts) {
                        pairs.concordant += below;
                        pairs.tied_risk += tied;
                        pairs.discordant -= below + tied;
                    }
                }
            }
        }
        Ok(pairs)
    }
}

/// Later patients with a lower and with the same risk, of all events of a launch, per problem.
fn counts(
    device: &dyn Device,
    [key, own, until]: [&Buffer; 3],
    params: [u32; 3],
    problems: usize,
) -> Result<Vec<[u64; 2]>, DeviceError> {
    let [rows, _, events] = params.map(|p| p as usize);
    let (groups, chunks) = (events.div_ceil(EACH * GROUP), rows.div_ceil(CHUNK));
    let count = device.alloc("count", 2 * groups * chunks * problems)?;
    let grid = [groups as u32, chunks as u32, problems as u32];
    device.launch(&Launch::new(SOURCE, "c_index", &[key, own, until, &count], &params, grid))?;
    let sum = |words: &[u32]| {
        words.chunks(2).fold([0, 0], |[below, tied], w| [below + u64::from(w[0]), tied + u64::from(w[1])])
    };
    Ok(device.download(&count)?.chunks(2 * groups * chunks).map(sum).collect())
}

/// An integer in the order of the number; -0 is 0.
fn ordered(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

const _: () = assert!(EACH == 4, "the WGSL keeps the events of a thread in a vector of four");
