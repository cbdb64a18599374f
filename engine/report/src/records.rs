//! The records of a run directory. Times are in the unit of the cohort, wall times in seconds.
//!
//! A number that is undefined (a C-index without a comparable pair) is absent or `null`: JSON
//! has no NaN.

use serde::{Deserialize, Serialize};

/// The version of the records below.
pub const SCHEMA: u32 = 1;

/// `summary.json`: the result of a finished run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Version of this record, [`SCHEMA`].
    pub schema: u32,
    /// central, isolated or federated.
    pub arm: String,
    /// Kind of model: deepsurv or cox.
    pub model: String,
    /// Hash over all learnt numbers; equal hashes mean equal models.
    pub model_sha256: String,
    /// What is estimated, in one sentence.
    pub estimand: String,
    /// Training patients.
    pub n_train: u64,
    /// Held-out patients.
    pub n_test: u64,
    /// Events among the training patients.
    pub events_train: u64,
    /// Events among the held-out patients.
    pub events_test: u64,
    /// Seed of each model.
    pub seeds: Vec<u64>,
    /// Concordance on the held-out patients; absent without any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub c_index: Option<CIndex>,
    /// Coefficients of a linear model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub coefficients: Option<Vec<Coefficient>>,
    /// Log partial likelihood of a linear model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log_likelihood: Option<f64>,
    /// Rounds of a federation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rounds: Option<u64>,
    /// Bytes that one rank sends into the aggregation of one round.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes_per_round: Option<u64>,
    /// What is known of each site.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sites: Option<Vec<SiteResult>>,
    /// What the training costs each patient in privacy; absent without noise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub privacy: Option<PrivacyRecord>,
    /// Wall time of the process that finished the run.
    pub wall_s: f64,
    /// Wall time per phase.
    pub phases: Vec<Phase>,
    /// Peak resident memory of the largest rank.
    pub peak_memory_bytes: u64,
    /// Time, bytes and memory of each rank.
    #[serde(default)]
    pub ranks: Vec<RankTime>,
}

impl Summary {
    /// Largest over mean computing time of the ranks; 1 is balanced. `None` in one process.
    pub fn imbalance(&self) -> Option<f64> {
        let most = self.ranks.iter().map(|r| r.compute_s).fold(0.0, f64::max);
        let mean = self.ranks.iter().map(|r| r.compute_s).sum::<f64>() / self.ranks.len() as f64;
        (self.ranks.len() > 1 && mean > 0.0).then(|| most / mean)
    }
}

/// Where the wall time of a rank went: `compute_s + wait_s + communicate_s` is all of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RankTime {
    /// Rank, from 0.
    pub rank: usize,
    /// Its node.
    pub host: String,
    /// Outside collectives, in seconds.
    pub compute_s: f64,
    /// In collectives before the slowest rank arrived, in seconds; an estimate, since clocks of nodes differ.
    pub wait_s: f64,
    /// The rest of the time in collectives, in seconds.
    pub communicate_s: f64,
    /// Payload handed to collectives.
    pub bytes: u64,
    /// Peak resident memory.
    pub peak_memory_bytes: u64,
}

impl RankTime {
    /// Share of the rank's time inside collectives.
    pub fn mpi_share(&self) -> f64 {
        let inside = self.wait_s + self.communicate_s;
        inside / (inside + self.compute_s).max(f64::MIN_POSITIVE)
    }
}

impl Summary {
    /// Whether the run went on without some of its sites.
    pub fn lost_sites(&self) -> bool {
        self.sites.iter().flatten().any(|s| s.dropped.is_some())
    }
}

/// The guarantee of a differentially private run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrivacyRecord {
    /// Bound on the privacy loss, but for probability `delta`.
    pub epsilon: f64,
    /// Probability in which it may fail.
    pub delta: f64,
    /// Deviation of the noise over the sensitivity.
    pub noise_multiplier: f64,
    /// Largest norm of a block's gradient.
    pub clip: f64,
    /// Probability with which a step sampled a patient.
    pub sample_rate: f64,
    /// Blocks of a site's patients.
    pub blocks: u64,
    /// Noisy steps, over all models of the run.
    pub steps: u64,
    /// What is bounded, and what is not.
    pub covers: String,
}

/// Concordance over the seeds of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CIndex {
    /// Mean over the seeds.
    pub mean: Option<f64>,
    /// Standard deviation over the seeds; undefined for one seed.
    pub sd: Option<f64>,
    /// 95 % interval, lower and upper end.
    pub ci95: Option<[f64; 2]>,
    /// How the interval was made.
    pub ci_method: String,
    /// Concordance of each seed, in the order of `seeds`.
    pub per_seed: Vec<Option<f64>>,
    /// Which pairs count: `common` test set, or pairs `within_site`.
    pub scope: String,
}

/// A coefficient of a linear model, on the scale of its input column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coefficient {
    /// Column, with `=level` for an indicator.
    pub name: String,
    /// Log hazard ratio per unit of the column.
    pub coef: f64,
    /// Standard error of `coef`.
    pub se: Option<f64>,
}

/// What is known of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteResult {
    /// Name of the site.
    pub name: String,
    /// Training patients.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Concordance of the final model on the site's own held-out patients.
    pub c_index: Option<f64>,
    /// When and why the run went on without it; absent for a site that stayed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dropped: Option<Dropped>,
}

/// A site that failed and that the run went on without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The first round without it.
    pub round: u64,
    /// What happened there.
    pub reason: String,
}

/// Wall time of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Name of the phase.
    pub name: String,
    /// Mean wall time over the ranks.
    pub s: f64,
    /// Largest over mean wall time of the ranks; 1 is balanced.
    pub imbalance: Option<f64>,
}

/// A line of `metrics.jsonl`: the state after an epoch or a round, mean over the models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metric {
    /// Round of a federation, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub round: Option<u64>,
    /// Epoch of a central or isolated run, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<u64>,
    /// Seconds since the epoch, UTC.
    pub unix_time_s: u64,
    /// Wall time since the record before.
    pub wall_s: f64,
    /// Training loss.
    pub loss: Option<f64>,
    /// Concordance on the held-out patients.
    pub c_index: Option<f64>,
    /// Bytes that one rank sent in this round.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// The sites of this round.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sites: Vec<SiteMetric>,
}

impl Metric {
    /// The round or the epoch.
    pub fn step(&self) -> u64 {
        self.round.or(self.epoch).unwrap_or(0)
    }
}

/// A site after a round.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SiteMetric {
    /// Name of the site.
    pub name: String,
    /// Its loss after local training.
    pub loss: Option<f64>,
    /// Concordance of the global model on the site's own held-out patients.
    pub c_index: Option<f64>,
    /// Whether it took part in the round.
    pub took_part: bool,
}

/// A column of `columns.json`, over the training patients of all sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    /// Column.
    pub name: String,
    /// Values; absent, as all that rests on them, where they are fewer than `federation.min_count`.
    pub n: Option<u64>,
    /// Missing values; absent where there are some, but fewer than that.
    pub missing: Option<u64>,
    /// Mean of a column of numbers, or share of ones.
    pub mean: Option<f64>,
    /// Its standard deviation (divisor `n - 1`).
    pub sd: Option<f64>,
}

/// `kaplan_meier.json`: survival of the held-out patients by predicted risk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KaplanMeier {
    /// Unit of the times.
    pub time_unit: String,
    /// How the groups were formed.
    pub grouping: String,
    /// p-value of the log-rank test over the groups.
    pub log_rank_p: Option<f64>,
    /// One curve per group, lowest risk first.
    pub curves: Vec<Curve>,
}

/// A Kaplan-Meier curve.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curve {
    /// Name of the group.
    pub name: String,
    /// Times of the steps, increasing; the curve starts at (0, 1).
    pub time: Vec<f64>,
    /// Survival from each time on.
    pub survival: Vec<f64>,
    /// Number of patients in the group.
    pub n: u64,
    /// Follow-up time of every patient, increasing; from it the numbers at risk are counted.
    pub follow_up: Vec<f64>,
}

impl Curve {
    /// Patients still at risk just before time `t`.
    pub fn at_risk(&self, t: f64) -> usize {
        self.follow_up.len() - self.follow_up.partition_point(|&u| u < t)
    }
}
