//! What a round and a run leave behind.

use serde::Serialize;

use super::Lost;
use crate::metrics::SiteMetrics;
use crate::sites::Roster;

/// One round, the same on every rank but for the times of this rank.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoundRecord {
    /// Round, from 1.
    pub round: u32,
    /// Indices of the sites that took part.
    pub taking_part: Vec<usize>,
    /// Sites that were dropped in this round.
    pub lost: Vec<Lost>,
    /// Metrics of the new global model at all sites; empty if this round was not evaluated.
    pub sites: Vec<SiteMetrics>,
    /// Payload each rank handed to the collectives of this round, in bytes; independent of ranks and patients.
    pub bytes: u64,
    /// Time of local training on this rank, in seconds.
    pub local_s: f64,
    /// Time of local training on the slowest rank, in seconds.
    pub local_max_s: f64,
    /// Mean over ranks of the time of local training, in seconds; with the maximum, the imbalance.
    pub local_mean_s: f64,
    /// Time of the parameter sum on this rank, waiting included, in seconds.
    pub aggregate_s: f64,
    /// Time of evaluation on this rank, in seconds.
    pub evaluate_s: f64,
    /// Time of the round on this rank, in seconds.
    pub round_s: f64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All rounds are done.
    Finished,
    /// Stopped on request after a complete round; the same call resumes.
    Stopped,
}

/// What a run leaves, the same on every rank.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Global parameters, `[G, P]`.
    pub global: Vec<f32>,
    /// Rounds done.
    pub rounds: u32,
    /// How it ended.
    pub ended: Ended,
    /// The round of the checkpoint it started from.
    pub resumed_from: Option<u32>,
    /// The sites.
    pub roster: Roster,
    /// Sites that were dropped on the way.
    pub lost: Vec<Lost>,
    /// Checkpoints passed over, and why (on rank 0).
    pub warnings: Vec<String>,
}
