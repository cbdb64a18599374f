//! Percentile bootstrap of the concordance.

use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::c_index::{Fenwick, Rank, Ranking};
use rayon::prelude::*;
use serde::Serialize;

use super::ConcordanceCounts;
use super::counts::undefined;
use crate::interval::{Interval, normal_quantile, quantile};
use crate::{MetricError, outcome};

/// Concordances of resampled cohorts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Percentile interval over the defined replicates (never a standard error of their mean).
    pub interval: Interval,
    /// Concordance of each defined replicate, in order of replicate.
    pub replicates: Vec<f64>,
    /// Replicates left out because they hold no comparable pair.
    pub undefined: usize,
}

/// Draws `replicates` cohorts of `n` patients with replacement and takes the percentiles of their
/// concordances (Efron and Tibshirani 1993, section 13.3).
///
/// A replicate is a multiplicity per patient over one shared sort. Replicate `r` reads the stream
/// `(seed, Bootstrap, r)`, so the result depends on neither threads nor scores, and two models
/// evaluated under one seed are compared on the same cohorts.
///
/// # Errors
/// As [`super::c_index()`]; a level outside (0, 1); no replicates; no replicate with a comparable pair.
pub fn bootstrap(
    time: &[f64],
    event: &[bool],
    score: &[f64],
    seed: u64,
    replicates: usize,
    level: f64,
) -> Result<Bootstrap, MetricError> {
    outcome::scored(time, event, score)?;
    normal_quantile(level)?;
    if replicates == 0 {
        return Err(MetricError::Setting { what: "bootstrap replicates", value: 0.0, range: "at least 1" });
    }
    let ranking = Ranking::new(time, event, score);
    let drawn: Vec<Option<f64>> = (0..replicates as u64)
        .into_par_iter()
        .map(|replicate| {
            let mut stream = Stream::new(seed, Purpose::Bootstrap, replicate);
            let mut copies = vec![0u32; time.len()];
            for _ in 0..copies.len() {
                copies[stream.below(time.len() as u64) as usize] += 1;
            }
            count_copies(&ranking, &copies).c().ok()
        })
        .collect();
    let replicates: Vec<f64> = drawn.iter().flatten().copied().collect();
    if replicates.is_empty() {
        return Err(undefined());
    }
    let mut sorted = replicates.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let interval = Interval {
        lower: quantile(&sorted, tail),
        upper: quantile(&sorted, 1.0 - tail),
        level,
        method: "bootstrap percentiles",
    };
    Ok(Bootstrap { interval, undefined: drawn.len() - replicates.len(), replicates })
}

/// Pairs of the cohort that holds `copies[row]` copies of each row.
fn count_copies(ranking: &Ranking, copies: &[u32]) -> ConcordanceCounts {
    let mut later = Fenwick::<u32>::new(copies.len());
    let mut size = 0;
    let mut counts = ConcordanceCounts::default();
    let present = |rank: &&Rank| copies[rank.row()] > 0;
    for tied_time in ranking.times().rev() {
        for rank in tied_time.censored().filter(present) {
            later.add(rank.lower(), copies[rank.row()]);
            size += u64::from(copies[rank.row()]);
        }
        let mut events = 0;
        for rank in tied_time.events().filter(present) {
            let w = u64::from(copies[rank.row()]);
            let below = u64::from(later.below(rank.lower()));
            let tied = if rank.is_tied() { u64::from(later.below(rank.up_to())) - below } else { 0 };
            counts.concordant += w * below;
            counts.tied_risk += w * tied;
            counts.discordant += w * (size - below - tied);
            events += w;
        }
        for rank in tied_time.events().filter(present) {
            later.add(rank.lower(), copies[rank.row()]);
        }
        counts.tied_time += events * events.saturating_sub(1) / 2;
        size += events;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_count_as_literal_copies() {
        let time = [1.0, 2.0, 2.0, 3.0, 3.0, 4.0];
        let event = [true, true, false, true, true, false];
        let score = [0.3, 0.3, 0.1, 0.9, 0.3, 0.2];
        let copies = [2u32, 0, 3, 1, 2, 1];
        let rows: Vec<usize> = (0..6).flat_map(|r| vec![r; copies[r] as usize]).collect();
        let take = |v: &[f64]| rows.iter().map(|&r| v[r]).collect::<Vec<_>>();
        let events: Vec<bool> = rows.iter().map(|&r| event[r]).collect();
        let literal = super::super::c_index(&take(&time), &events, &take(&score)).expect("valid");
        let ranking = Ranking::new(&time, &event, &score);
        assert_eq!(count_copies(&ranking, &copies), literal);
    }
}
