//! The cost of an aggregation round beside its physical limit.

mod allreduce;

pub use allreduce::{Line, Size, Spread, Sum, allreduce};

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::aggregate::{ParamScale, ParamSum};
use crate::{Comm, FederateError, TensorSpec};

/// Times of one rank in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Timing {
    /// Least.
    pub min_ms: f64,
    /// Median.
    pub median_ms: f64,
}

/// A round of aggregation beside the bare collective.
#[derive(Debug, Clone, Serialize)]
pub struct RoundTiming {
    /// Parameters per model.
    pub params: usize,
    /// Ranks.
    pub ranks: usize,
    /// Bytes of the vector that crosses.
    pub bytes: usize,
    /// The integer allreduce of these bytes alone.
    pub bare: Timing,
    /// Quantise, allreduce with weights and faults in the tail, check, divide.
    pub round: Timing,
}

/// Times `iters` rounds of one site per rank with `params` parameters, without training. Bare collectives
/// and rounds alternate, each started together, so that both see the same noise.
///
/// # Errors
/// If a rank is lost.
pub fn round(comm: &Comm, params: usize, iters: usize) -> Result<RoundTiming, FederateError> {
    let weight = 100 + comm.rank() as u64;
    let scale = ParamScale::choose((100 + comm.size() as u64) * comm.size() as u64);
    let mut sum = ParamSum::<f32>::new(scale, &TensorSpec::layout([("w", vec![params])]), 1);
    let local: Vec<f32> =
        (0..params).map(|i| ((i * 37 + comm.rank() * 11) % 1009) as f32 * 1e-3 - 0.5).collect();
    let mut global = vec![0f32; params];
    let (mine, mut total) = (vec![1u64; sum.words()], vec![0u64; sum.words()]);
    let (mut bare, mut round) = (Vec::with_capacity(iters), Vec::with_capacity(iters));
    for i in 0..iters + iters / 10 + 1 {
        let warm = i > iters / 10;
        let spent = together(comm, || comm.bare().sum(&mine, &mut total))?;
        bare.extend(warm.then_some(spent));
        let spent = together(comm, || {
            sum.clear();
            sum.add(0, "site", weight, &local);
            sum.finish(comm)?.write(&mut global);
            Ok(())
        })?;
        round.extend(warm.then_some(spent));
    }
    Ok(RoundTiming {
        params,
        ranks: comm.size(),
        bytes: 8 * sum.words(),
        bare: timing(bare),
        round: timing(round),
    })
}

/// Starts `work` on all ranks at about the same time and measures it on this one.
fn together(
    comm: &Comm,
    work: impl FnOnce() -> Result<(), FederateError>,
) -> Result<Duration, FederateError> {
    comm.bare().sum(&[0], &mut [0])?;
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn timing(mut spent: Vec<Duration>) -> Timing {
    spent.sort_unstable();
    let ms = |d: Option<&Duration>| d.map_or(f64::INFINITY, |d| d.as_secs_f64() * 1e3);
    Timing { min_ms: ms(spent.first()), median_ms: ms(spent.get(spent.len() / 2)) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_round_is_timed_beside_the_bare_sum() {
        let timing = super::round(&crate::Comm::solo(), 50, 5).expect("one process");
        assert_eq!((timing.ranks, timing.bytes), (1, 8 * 52));
        assert!(timing.round.median_ms >= timing.round.min_ms && timing.round.min_ms > 0.0);
    }
}
