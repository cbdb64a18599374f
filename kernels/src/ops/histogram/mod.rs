//! `histogram`: puts values in bins.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | value | `[V]` | any, finite |
//! | edge | `[E]` | that of `value`, ascending; or `start + i step` for every `i` from 0 |
//! | level | `[V]` | number of edges at or below the value: bins are half open, counted from 1; 0 below all |
//! | count | `[G]` | values of each level, `G` one more than the highest; exact integers |
//!
//! Levels are decided by comparing with the edges themselves, not by a quotient that rounding could
//! carry across one (`numpy.digitize`).

pub mod device;
mod op;

pub use op::HistogramOp;

/// Lower edges of bins.
#[derive(Debug, Clone, PartialEq)]
pub enum Edges {
    /// `start + i step` for every `i` from 0. No value lies below `start`.
    Regular {
        /// First edge.
        start: f64,
        /// Above 0.
        step: f64,
    },
    /// Any, ascending.
    Listed(Vec<f64>),
}

impl Edges {
    /// The level of a value.
    #[inline]
    pub fn level(&self, value: f64) -> u32 {
        match self {
            Self::Regular { start, step } => {
                let edge = |i: i64| start + i as f64 * step;
                let mut i = ((value - start) / step) as i64;
                while edge(i) > value {
                    i -= 1;
                }
                while edge(i + 1) <= value {
                    i += 1;
                }
                (i + 1) as u32
            }
            Self::Listed(edges) => edges.partition_point(|e| *e <= value) as u32,
        }
    }

    /// The level of each value.
    pub fn levels(&self, values: &[f64]) -> Vec<u32> {
        values.iter().map(|&v| self.level(v)).collect()
    }
}

/// How many values are in each level.
pub fn counts(levels: &[u32]) -> Vec<u64> {
    let mut counts = vec![0; levels.iter().max().map_or(0, |&l| l as usize + 1)];
    levels.iter().for_each(|&l| counts[l as usize] += 1);
    counts
}
