//! `[train]`: how a model is fitted.

use serde::{Deserialize, Serialize};

use super::{Batch, Seeds, SiteChoice};

/// `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// Who trains on what.
    pub arm: Arm,
    /// Passes over the training rows (central and isolated; a federation has rounds).
    pub epochs: u32,
    /// Update rule.
    pub optimizer: Optimizer,
    /// Momentum of `sgd`, in `[0, 1)`.
    pub momentum: f64,
    /// Nesterov's form of the momentum of `sgd`.
    pub nesterov: bool,
    /// Step size.
    pub learning_rate: f64,
    /// Step size in epoch `t` is `learning_rate / (1 + lr_decay * t)`.
    pub lr_decay: f64,
    /// Rows per step: `"full"` or a number. Risk sets are formed within a batch.
    pub batch: Batch,
    /// Independently initialised models: a number, or a list of seeds.
    pub seeds: Seeds,
    /// Bootstrap replicates per seed, besides the model on the rows as they are.
    pub bootstraps: u32,
    /// First seed when `seeds` is a number; also the seed of bootstraps and client sampling.
    pub seed: u64,
    /// Which site trains when `arm = "isolated"`: `"smallest"`, `"largest"`, `"all"` or a name.
    pub site: SiteChoice,
    /// Epochs between checkpoints (central and isolated); 0 writes none.
    pub checkpoint_every: u32,
    /// Epochs between records in `metrics.jsonl` (central and isolated).
    pub record_every: u32,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            arm: Arm::Central,
            epochs: 500,
            optimizer: Optimizer::Adam,
            momentum: 0.0,
            nesterov: false,
            learning_rate: 0.01,
            lr_decay: 0.0,
            batch: Batch::Full,
            seeds: Seeds::Count(5),
            bootstraps: 0,
            seed: 0,
            site: SiteChoice::Smallest,
            checkpoint_every: 100,
            record_every: 10,
        }
    }
}

/// Who trains on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// One model on the pooled rows of all sites.
    Central,
    /// A model on the rows of one site alone.
    Isolated,
    /// A model that the sites train together without pooling rows.
    Federated,
}

impl Arm {
    /// The word used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Central => "central",
            Self::Isolated => "isolated",
            Self::Federated => "federated",
        }
    }
}

/// Update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015), beta 0.9 and 0.999.
    Adam,
    /// Stochastic gradient descent, with momentum on request.
    Sgd,
}
