//! `[federation]`: who the sites are and how they work together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// `[federation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Federation {
    /// Simulated sites: the share of the training rows each one gets; sums to 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<f64>,
    /// Given sites: a column that names the site, or `[[federation.site]]` tables of files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteSource>,
    /// Rounds of training and aggregation.
    pub rounds: u32,
    /// Epochs each site trains between two aggregations.
    pub local_epochs: u32,
    /// How the sites' models become one.
    pub strategy: Strategy,
    /// Weight of the proximal term of `fedprox`.
    pub mu: f64,
    /// Step size of the server (`fedavgm`, `fedadam`, `fedyogi`, `fedadagrad`, `scaffold`); each has its own
    /// default, see `docs/strategies.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_learning_rate: Option<f64>,
    /// Momentum of the server: of `fedavgm`, and the first moment of the adaptive ones.
    pub server_momentum: f64,
    /// Decay of the second moment of `fedadam` and `fedyogi`.
    pub server_beta2: f64,
    /// Term that bounds the adaptive step of `fedadam`, `fedyogi` and `fedadagrad`.
    pub server_tau: f64,
    /// Share of the sites that `trimmed_mean` leaves out at either end, in `[0, 0.5)`.
    pub trim: f64,
    /// Weight of a site's model.
    pub weights: SiteWeights,
    /// Share of the sites drawn in each round, in `(0, 1]`.
    pub fraction: f64,
    /// What becomes of a site's optimiser state between rounds.
    pub local_state: LocalState,
    /// Sum risk sets over the sites: the pooled gradient, in place of averaged models.
    pub exact: bool,
    /// Bins of the event times that sites share (risk sets of the exact mode, baseline hazard, survival
    /// curves): a number of equally wide ones, or the list of their ends. Absent: the times themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_bins: Option<TimeBins>,
    /// Events that a bin must have over all sites: neighbouring bins are joined until they do. Also
    /// the fewest patients that a published summary of a column rests on. 0 asks for none.
    pub min_count: u32,
    /// Whether sites with files of their own may share risk sets by single event times.
    pub exact_reveals: Reveals,
    /// Binary digits behind the point of an aggregated parameter; chosen from the total weight when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_bits: Option<u32>,
    /// Seconds after which a round without an answer ends the job.
    pub round_deadline_s: f64,
    /// Rounds between checkpoints; 0 writes none.
    pub checkpoint_every: u32,
    /// What a fault at one site does to the run.
    pub on_site_failure: OnSiteFailure,
    /// Mask the sums pairwise, so that no rank sees what another one sends.
    pub secure: bool,
    /// `[federation.privacy]`: differential privacy of each patient's record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
}

/// `[federation.privacy]`: clipped and blurred steps in place of full or mini-batches (docs/privacy.md).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Deviation of the noise over the sensitivity.
    pub noise_multiplier: f64,
    /// Largest norm of the gradient of a block of patients; the sensitivity is twice that.
    pub clip: f64,
    /// Probability with which a step samples a patient, in `(0, 1]`.
    #[serde(default = "all")]
    pub sample_rate: f64,
    /// Blocks that a site's patients are dealt to.
    #[serde(default = "one")]
    pub blocks: u32,
    /// Probability in which the bound may fail, in `(0, 1)`.
    #[serde(default = "rarely")]
    pub delta: f64,
}

fn all() -> f64 {
    1.0
}

fn one() -> u32 {
    1
}

fn rarely() -> f64 {
    1e-5
}

impl Default for Federation {
    fn default() -> Self {
        Self {
            sites: Vec::new(),
            site: None,
            rounds: 40,
            local_epochs: 2,
            strategy: Strategy::Fedavg,
            mu: 0.01,
            server_learning_rate: None,
            server_momentum: 0.9,
            server_beta2: 0.99,
            server_tau: 1e-3,
            trim: 0.2,
            weights: SiteWeights::Patients,
            fraction: 1.0,
            local_state: LocalState::Reset,
            exact: false,
            time_bins: None,
            min_count: 0,
            exact_reveals: Reveals::Limited,
            scale_bits: None,
            round_deadline_s: 600.0,
            checkpoint_every: 1,
            on_site_failure: OnSiteFailure::Abort,
            secure: false,
            privacy: None,
        }
    }
}

/// Where given sites come from.
#[derive(Debug, Clone, PartialEq)]
pub enum SiteSource {
    /// A column of `data.path` that names the site of a row.
    Column(String),
    /// One file per site, opened only by the rank that holds the site.
    Files(Vec<SiteFile>),
}

/// One `[[federation.site]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteFile {
    /// Name of the site.
    pub name: String,
    /// Its table of patients.
    pub path: PathBuf,
    /// Its tables of modalities, by the name of the block; a site without one has no patient with the modality.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<String, PathBuf>,
}

impl SiteFile {
    /// All its tables.
    pub fn tables(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.path.as_path()).chain(self.blocks.values().map(PathBuf::as_path))
    }
}

impl Serialize for SiteSource {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Column(name) => name.serialize(s),
            Self::Files(files) => files.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for SiteSource {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = SiteSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a column, or [[federation.site]] tables")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<SiteSource, E> {
                Ok(SiteSource::Column(v.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<SiteSource, A::Error> {
                let mut files = Vec::new();
                while let Some(file) = seq.next_element()? {
                    files.push(file);
                }
                Ok(SiteSource::Files(files))
            }
        }
        d.deserialize_any(Seen)
    }
}

/// Bins of event times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of bins, or a list of their ends")]
pub enum TimeBins {
    /// So many of equal width.
    Number(u32),
    /// Their ends, ascending, in the time unit of the study.
    Ends(Vec<f64>),
}

/// What sites with files of their own may show each other (docs/exact_cox.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveals {
    /// Sums over bins of event times only.
    Limited,
    /// Event times, and sums that single patients can be read from, are accepted.
    Accepted,
}

/// How the sites' models become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Weighted mean (McMahan et al. 2017).
    Fedavg,
    /// Weighted mean; sites are held near the global model (Li et al. 2020).
    Fedprox,
    /// Weighted mean with server momentum (Hsu et al. 2019).
    Fedavgm,
    /// Adam on the server (Reddi et al. 2021).
    Fedadam,
    /// Yogi on the server (Reddi et al. 2021).
    Fedyogi,
    /// Adagrad on the server (Reddi et al. 2021).
    Fedadagrad,
    /// Gradients corrected by control variates (Karimireddy et al. 2020).
    Scaffold,
    /// Median of each coordinate (Yin et al. 2018).
    Median,
    /// Mean of each coordinate without its extremes (Yin et al. 2018).
    TrimmedMean,
}

impl Federation {
    /// The number of a strategy's option, if the study gives one.
    pub fn option(&self, key: &str) -> Option<f64> {
        match key {
            "mu" => Some(self.mu),
            "server_learning_rate" => self.server_learning_rate,
            "server_momentum" => Some(self.server_momentum),
            "server_beta2" => Some(self.server_beta2),
            "server_tau" => Some(self.server_tau),
            "trim" => Some(self.trim),
            _ => None,
        }
    }
}

impl Strategy {
    /// The word used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fedavg => "fedavg",
            Self::Fedprox => "fedprox",
            Self::Fedavgm => "fedavgm",
            Self::Fedadam => "fedadam",
            Self::Fedyogi => "fedyogi",
            Self::Fedadagrad => "fedadagrad",
            Self::Scaffold => "scaffold",
            Self::Median => "median",
            Self::TrimmedMean => "trimmed_mean",
        }
    }
}

/// Weight of a site's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteWeights {
    /// Its training patients.
    Patients,
    /// Its training events: aims at the site-stratified partial likelihood.
    Events,
    /// The same for every site with patients.
    Uniform,
}

/// What becomes of a site's optimiser state between rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalState {
    /// A site starts afresh each round.
    Reset,
    /// It stays at the site, and is never sent.
    Keep,
}

/// What a fault at one site does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnSiteFailure {
    /// Every rank stops with the same message.
    Abort,
    /// The run goes on without the site, and its records say so.
    Drop,
}
