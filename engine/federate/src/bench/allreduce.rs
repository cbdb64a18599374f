//! The exact aggregation beside the bare collectives, over a sweep of sizes.

use std::time::Duration;

use serde::Serialize;

use super::together;
use crate::aggregate::{ParamScale, ParamSum};
use crate::message::Kind;
use crate::{Comm, FederateError, TensorSpec};

/// Times of a collective over its repetitions, each that of the slowest rank, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub avg_us: f64,
    /// Least.
    pub min_us: f64,
    /// Median.
    pub median_us: f64,
    /// Largest.
    pub max_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
}

/// What was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sum {
    /// The aggregation: quantise, one integer allreduce with weights and faults in its tail, check, divide.
    Exact,
    /// `MPI_Allreduce` of the same bytes as 64-bit integers.
    I64,
    /// `MPI_Allreduce` of the parameters as 32-bit floats: half the bytes, other bits for every number of ranks.
    F32,
}

impl Sum {
    /// As the table and the record have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::I64 => "i64",
            Self::F32 => "f32",
        }
    }
}

/// One collective at one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Line {
    /// What was added.
    pub sum: Sum,
    /// Bytes of the vector of a rank.
    pub bytes: usize,
    /// Its elements.
    pub count: usize,
    /// The times.
    #[serde(flatten)]
    pub spread: Spread,
    /// Bytes over the mean time, in 1e9 bytes per second.
    pub algbw_gb_s: f64,
    /// `algbw * 2 (n - 1) / n` for `n` ranks: what a ring moves per link, comparable over numbers of ranks.
    pub busbw_gb_s: f64,
    /// The result is right to the last bit.
    pub check: bool,
}

/// The lines of one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Size {
    /// Parameters of the model.
    pub params: usize,
    /// Repetitions.
    pub iters: usize,
    /// Exact, i64 and f32.
    pub lines: [Line; 3],
    /// Median time of the exact sum over that of the bare i64 sum of the same bytes.
    pub exact_over_i64: f64,
}

/// Parameter `i` of `rank`, between -0.5 and 0.509.
fn parameter(rank: usize, i: usize) -> f32 {
    ((i * 37 + rank * 11) % 1009) as f32 * 1e-3 - 0.5
}

fn weight(rank: usize) -> u64 {
    100 + rank as u64
}

/// Times the three sums of `params` parameters with one site per rank; they take turns, so that all see the
/// same noise.
///
/// # Errors
/// If a rank is lost.
pub fn allreduce(comm: &Comm, params: usize, iters: usize) -> Result<Size, FederateError> {
    let (ranks, iters) = (comm.size(), iters.max(1));
    let total_weight: u64 = (0..ranks).map(weight).sum();
    let scale = ParamScale::choose(total_weight);
    let mut sum = ParamSum::<f32>::new(scale, &TensorSpec::layout([("w", vec![params])]), 1);
    let local: Vec<f32> = (0..params).map(|i| parameter(comm.rank(), i)).collect();
    let words: Vec<u64> = (0..sum.words()).map(|i| (i * 31 + comm.rank() * 7) as u64).collect();
    let floats: Vec<f32> = (0..params).map(|i| (i % 97 + comm.rank()) as f32).collect();
    let mut mean = vec![0f32; params];
    let (mut total, mut float_total) = (vec![0u64; words.len()], vec![0f32; params]);
    let mut spent: [Vec<Duration>; 3] = Default::default();
    let warm_up = iters / 10 + 1;
    for i in 0..iters + warm_up {
        let times = [
            together(comm, || {
                sum.clear();
                sum.add(0, "site", weight(comm.rank()), &local);
                sum.finish(comm)?.write(&mut mean);
                Ok(())
            })?,
            together(comm, || comm.bare().sum(&words, &mut total))?,
            together(comm, || comm.bare().sum_f32(&floats, &mut float_total))?,
        ];
        if i >= warm_up {
            spent.iter_mut().zip(times).for_each(|(all, one)| all.push(one));
        }
    }
    let denominator = total_weight as f64 * 2f64.powi(scale.bits());
    let fixed = |rank: usize, i: usize| {
        let x = f64::from(parameter(rank, i)) * 2f64.powi(scale.bits());
        i128::from(weight(rank)) * x.round_ties_even() as i128
    };
    let expected = |i: usize| {
        let sum: i128 = (0..ranks).map(|rank| fixed(rank, i)).sum();
        (sum as f64 / denominator) as f32
    };
    let pairs = ranks * (ranks - 1) / 2;
    let mut right = [
        mean.iter().enumerate().all(|(i, m)| m.to_bits() == expected(i).to_bits()),
        total.iter().enumerate().all(|(i, &t)| t == (i * 31 * ranks + 7 * pairs) as u64),
        // Small whole numbers: exact in f32 in any order.
        float_total.iter().enumerate().all(|(i, &t)| t == (i % 97 * ranks + pairs) as f32),
    ];
    let mut wrong = right.map(|r| u64::from(!r));
    comm.max(Kind::Max, &mut wrong)?;
    right = wrong.map(|w| w == 0);
    let sizes = [(8 * words.len(), params), (8 * words.len(), words.len()), (4 * params, params)];
    let mut lines = Vec::with_capacity(3);
    for (k, kind) in [Sum::Exact, Sum::I64, Sum::F32].into_iter().enumerate() {
        let spread = slowest(comm, &spent[k])?;
        let (bytes, count) = sizes[k];
        let algbw_gb_s = bytes as f64 / (spread.avg_us * 1e3);
        let busbw_gb_s = algbw_gb_s * 2.0 * (ranks - 1) as f64 / ranks as f64;
        lines.push(Line { sum: kind, bytes, count, spread, algbw_gb_s, busbw_gb_s, check: right[k] });
    }
    let lines: [Line; 3] = [lines[0], lines[1], lines[2]];
    let exact_over_i64 = lines[0].spread.median_us / lines[1].spread.median_us;
    Ok(Size { params, iters, lines, exact_over_i64 })
}

/// The spread of the slowest rank's time of each repetition.
fn slowest(comm: &Comm, spent: &[Duration]) -> Result<Spread, FederateError> {
    let mut ns: Vec<u64> = spent.iter().map(|d| d.as_nanos() as u64).collect();
    comm.max(Kind::Max, &mut ns)?;
    ns.sort_unstable();
    let us = |ns: u64| ns as f64 * 1e-3;
    let at = |share: f64| us(ns[((share * ns.len() as f64).ceil() as usize).clamp(1, ns.len()) - 1]);
    Ok(Spread {
        avg_us: us(ns.iter().sum::<u64>()) / ns.len() as f64,
        min_us: us(ns[0]),
        median_us: at(0.5),
        max_us: us(ns[ns.len() - 1]),
        p99_us: at(0.99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::threads;

    #[test]
    fn sums_are_checked_and_timed_over_ranks() {
        let sizes = threads::spawn(3, |comm| allreduce(&comm, 40, 7).expect("three ranks"));
        for size in &sizes {
            assert_eq!((size.iters, size.lines[0].bytes, size.lines[2].bytes), (7, 8 * 42, 160));
            for line in size.lines {
                assert!(line.check, "{line:?}");
                let s = line.spread;
                assert!(0.0 < s.min_us && s.min_us <= s.avg_us && s.avg_us <= s.max_us, "{s:?}");
                assert!(s.min_us <= s.median_us && s.median_us <= s.p99_us && s.p99_us <= s.max_us, "{s:?}");
                assert!((line.busbw_gb_s / line.algbw_gb_s - 4.0 / 3.0).abs() < 1e-12);
            }
            let [exact, bare, _] = size.lines.map(|l| l.spread.median_us);
            assert_eq!(size.exact_over_i64, exact / bare);
            // All ranks tell the times of the slowest.
            assert_eq!(size, &sizes[0]);
        }
    }
}
