//! The survival outcome, sorted once.

use osteon_core::{ExitCode, Failure};

use super::fast::BLOCK;
use crate::simd::LANES;

/// Why a survival outcome has no risk sets.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CoxInputError {
    /// A column is not as long as the times.
    #[error("{column} has {found} rows, time has {expected}")]
    Length {
        /// The column.
        column: &'static str,
        /// Rows of the times.
        expected: usize,
        /// Rows of the column.
        found: usize,
    },
    /// A time is NaN or infinite.
    #[error("time {time} of row {row} is not finite")]
    Time {
        /// Row, from 0.
        row: usize,
        /// Its time.
        time: f64,
    },
    /// An entry time is not before the time of exit.
    #[error("entry {entry} of row {row} is not before its time {time}")]
    Entry {
        /// Row, from 0.
        row: usize,
        /// Its entry time.
        entry: f64,
        /// Its time.
        time: f64,
    },
    /// Positions are 32 bits wide.
    #[error("{rows} rows are more than a risk order can hold (2^31)")]
    TooManyRows {
        /// Rows given.
        rows: usize,
    },
}

impl Failure for CoxInputError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Data
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Entry { .. } => {
                Some("a patient is at risk in (entry, time]; drop rows that never are".into())
            }
            _ => None,
        }
    }
}

/// The events of one time in one stratum: rows `first..end`, counted from the stratum's first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventGroup {
    pub first: u32,
    pub end: u32,
}

/// A stratum: ranges into the rows, groups and flag words of a [`RiskOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stratum {
    pub rows: std::ops::Range<usize>,
    pub groups: std::ops::Range<usize>,
    pub flags: std::ops::Range<usize>,
    /// Entries of [`RiskOrder::block_groups`], one more than the stratum has blocks.
    pub blocks: std::ops::Range<usize>,
    /// Whether some of its events share a time.
    pub tied: bool,
}

/// Left truncation, in ranks of time (see [`RiskOrder::time_rank`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Truncation {
    /// `[N]` first rank at which the row is no longer at risk: its time is not after the entry.
    leaves: Vec<u32>,
    /// `[N]` rows of the stratum, counted from its first, in the order in which they leave.
    pub by_leaving: Vec<u32>,
    /// Per group: how many rows of the stratum have left.
    pub left: Vec<u32>,
    /// `[N]` first group of the stratum, counted from its first, that the row is not at risk for.
    pub until: Vec<u32>,
}

/// A survival outcome in risk order: by stratum, then time descending, at one time censored rows
/// before events, then by original row. Sorting costs `O(N log N)` once; every loss afterwards is
/// `O(N)` and shares it, over epochs, bootstraps, folds and seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskOrder {
    order: Vec<u32>,
    event: Vec<bool>,
    /// `[N]` rank of (stratum, time): grows with the position, equal within ties.
    time_rank: Vec<u32>,
    stratum: Vec<u32>,
    pub(super) strata: Vec<Stratum>,
    pub(super) groups: Vec<EventGroup>,
    /// Event flags, 16 rows to a word; each stratum starts a word.
    pub(super) flags: Vec<u16>,
    /// Per block of rows, how many groups of the stratum end before it.
    pub(super) block_groups: Vec<u32>,
    pub(super) truncation: Option<Truncation>,
}

impl RiskOrder {
    /// Sorts an outcome. A row is at risk in `(entry, time]`, or from the beginning where there is
    /// no entry (or it is minus infinity). All arguments are `[N]`; strata are any labels.
    ///
    /// # Errors
    /// If lengths differ, a time is not finite, or an entry is NaN or not before its time.
    pub fn new(
        time: &[f64],
        event: &[bool],
        entry: Option<&[f64]>,
        strata: Option<&[u32]>,
    ) -> Result<Self, CoxInputError> {
        let n = time.len();
        if n > 1 << 31 {
            return Err(CoxInputError::TooManyRows { rows: n });
        }
        let lengths = [
            ("event", event.len()),
            ("entry", entry.map_or(n, <[f64]>::len)),
            ("strata", strata.map_or(n, <[u32]>::len)),
        ];
        for (column, found) in lengths {
            if found != n {
                return Err(CoxInputError::Length { column, expected: n, found });
            }
        }
        if let Some(row) = time.iter().position(|t| !t.is_finite()) {
            return Err(CoxInputError::Time { row, time: time[row] });
        }
        if let Some(entry) = entry {
            // Not `entry >= time`: NaN is refused too.
            if let Some(row) = (0..n).find(|&i| entry[i].is_nan() || entry[i] >= time[i]) {
                return Err(CoxInputError::Entry { row, entry: entry[row], time: time[row] });
            }
        }
        let label = |i: u32| strata.map_or(0, |s| s[i as usize]);
        // `+ 0.0` turns -0 into 0: the two are one time.
        let at = |i: u32| time[i as usize] + 0.0;
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_unstable_by(|&a, &b| {
            let stratum = label(a).cmp(&label(b)).then(at(b).total_cmp(&at(a)));
            stratum.then(event[a as usize].cmp(&event[b as usize])).then(a.cmp(&b))
        });

        let mut time_rank = Vec::with_capacity(n);
        let mut stratum = Vec::with_capacity(n);
        let (mut rank, mut ordinal) = (0, 0);
        for (p, &row) in order.iter().enumerate() {
            if p > 0 {
                let before = order[p - 1];
                ordinal += u32::from(label(row) != label(before));
                rank += u32::from(label(row) != label(before) || at(row) != at(before));
            }
            time_rank.push(rank);
            stratum.push(ordinal);
        }
        let leaves = entry.map(|entry| {
            let mut leaves = vec![0; n];
            for rows in stratum.chunk_by(|a, b| a == b).scan(0, |start, same| {
                *start += same.len();
                Some(*start - same.len()..*start)
            }) {
                for p in rows.clone() {
                    let entered = entry[order[p] as usize];
                    let after = order[rows.clone()].partition_point(|&row| at(row) > entered);
                    let next = rows.start + after;
                    leaves[p] = if next < rows.end { time_rank[next] } else { time_rank[rows.end - 1] + 1 };
                }
            }
            leaves
        });
        let event = order.iter().map(|&row| event[row as usize]).collect();
        Ok(Self::assemble(order, event, time_rank, stratum, leaves))
    }

    /// Patients `N`.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no patients.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// `[N]` position in risk order -> original row.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// `[N]` whether the row at each position had the event.
    pub fn event(&self) -> &[bool] {
        &self.event
    }

    /// The risk sets within some of the rows, such as a mini-batch; `O(len)` (with left truncation
    /// `O(len log len)`). `positions` ascend in this order; [`Self::order`] of the result still
    /// names original rows.
    ///
    /// # Panics
    /// If a position is out of range or they do not ascend.
    pub fn subset(&self, positions: &[u32]) -> Self {
        assert!(positions.is_sorted_by(|a, b| a < b), "positions of a subset must ascend");
        fn pick<T: Copy>(all: &[T], positions: &[u32]) -> Vec<T> {
            positions.iter().map(|&p| all[p as usize]).collect()
        }
        Self::assemble(
            pick(&self.order, positions),
            pick(&self.event, positions),
            pick(&self.time_rank, positions),
            pick(&self.stratum, positions),
            self.truncation.as_ref().map(|t| pick(&t.leaves, positions)),
        )
    }

    fn assemble(
        order: Vec<u32>,
        event: Vec<bool>,
        time_rank: Vec<u32>,
        stratum: Vec<u32>,
        leaves: Option<Vec<u32>>,
    ) -> Self {
        let mut strata = Vec::new();
        let mut groups: Vec<EventGroup> = Vec::new();
        let mut flags = Vec::new();
        let mut block_groups = Vec::new();
        let mut start = 0;
        for same in stratum.chunk_by(|a, b| a == b) {
            let rows = start..start + same.len();
            let (first_group, first_flag) = (groups.len(), flags.len());
            for p in rows.clone().filter(|&p| event[p]) {
                let local = (p - start) as u32;
                match groups[first_group..].last_mut() {
                    Some(group) if time_rank[start + group.first as usize] == time_rank[p] => group.end += 1,
                    _ => groups.push(EventGroup { first: local, end: local + 1 }),
                }
            }
            flags.extend(event[rows.clone()].chunks(LANES).map(|chunk| {
                chunk.iter().enumerate().fold(0u16, |word, (lane, &e)| word | (u16::from(e) << lane))
            }));
            let first_block = block_groups.len();
            block_groups.extend((0..=same.len().div_ceil(BLOCK)).map(|k| {
                groups[first_group..].partition_point(|group| group.end as usize <= k * BLOCK) as u32
            }));
            let tied = groups[first_group..].iter().any(|group| group.end - group.first > 1);
            strata.push(Stratum {
                rows,
                groups: first_group..groups.len(),
                flags: first_flag..flags.len(),
                blocks: first_block..block_groups.len(),
                tied,
            });
            start += same.len();
        }
        let truncation = leaves.map(|leaves| truncation(leaves, &time_rank, &strata, &groups));
        Self { order, event, time_rank, stratum, strata, groups, flags, block_groups, truncation }
    }
}

fn truncation(leaves: Vec<u32>, time_rank: &[u32], strata: &[Stratum], groups: &[EventGroup]) -> Truncation {
    let mut by_leaving = Vec::with_capacity(leaves.len());
    let mut left = Vec::with_capacity(groups.len());
    let mut until = vec![0; leaves.len()];
    for stratum in strata {
        let rows = stratum.rows.clone();
        let leave = &leaves[rows.clone()];
        let rank = |group: &EventGroup| time_rank[rows.start + group.first as usize];
        let mut sorted: Vec<u32> = (0..leave.len() as u32).collect();
        sorted.sort_by_key(|&i| leave[i as usize]);
        let groups = &groups[stratum.groups.clone()];
        left.extend(
            groups.iter().map(|group| sorted.partition_point(|&i| leave[i as usize] <= rank(group)) as u32),
        );
        for (until, leave) in until[rows.clone()].iter_mut().zip(leave) {
            *until = groups.partition_point(|group| rank(group) < *leave) as u32;
        }
        by_leaving.extend(sorted);
    }
    Truncation { leaves, by_leaving, left, until }
}
