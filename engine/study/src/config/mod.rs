//! The study file: one TOML table per concern, every key with a default.
//!
//! A study is read in three steps: the file is parsed (faults carry `file:line:column`),
//! overrides are laid over it, and the whole is checked. What comes out, [`Loaded::study`],
//! serialises to a complete file that is itself a valid input.

mod bags;
mod check;
mod data;
mod federation;
mod ignored;
mod model;
mod preprocess;
mod read;
mod split;
mod train;
mod values;

pub use bags::Bags;
pub use data::{Block, Column, ColumnKind, Data, TimeUnit, Transform, Unknown};
pub use federation::{
    Federation, LocalState, OnSiteFailure, Privacy, Reveals, SiteFile, SiteSource, SiteWeights, Strategy,
    TimeBins,
};
pub use model::{Activation, L2Scope, Model, ModelKind, Ties};
pub use preprocess::{Impute, Preprocess, Scale};
pub use read::Loaded;
use serde::{Deserialize, Serialize};
pub use split::{Evaluation, Interval, Split};
pub use train::{Arm, Optimizer, Train};
pub use values::{Batch, Features, Seeds, SiteChoice};

/// A whole study: the tables of `STUDY.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Study {
    /// `[data]`: the cohort and the meaning of its columns.
    pub data: Data,
    /// `[split]`: which patients are held out.
    pub split: Split,
    /// `[preprocess]`: what becomes of a column before the model sees it.
    pub preprocess: Preprocess,
    /// `[bags]`: the slides that attention pooling reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bags: Option<Bags>,
    /// `[model]`: what is fitted.
    pub model: Model,
    /// `[train]`: how it is fitted.
    pub train: Train,
    /// `[federation]`: who the sites are and how they work together.
    pub federation: Federation,
    /// `[evaluation]`: what is measured on the held-out patients.
    pub evaluation: Evaluation,
}

impl Study {
    /// Names of the blocks that have a table of their own.
    pub fn apart(&self) -> Vec<&str> {
        let files = match &self.federation.site {
            Some(SiteSource::Files(files)) => files.as_slice(),
            _ => &[],
        };
        let apart = |b: &&Block| b.file.is_some() || files.iter().any(|s| s.blocks.contains_key(&b.name));
        self.data.block.iter().filter(apart).map(|b| b.name.as_str()).collect()
    }

    /// Whether sites may share what depends on single event times: they are simulated, times are
    /// binned, or it is accepted.
    pub fn may_share_times(&self) -> bool {
        let fed = &self.federation;
        let real = matches!(fed.site, Some(SiteSource::Files(_)));
        let limited = fed.time_bins.is_some() || fed.min_count > 0;
        !real || limited || fed.exact_reveals == Reveals::Accepted
    }

    /// Whether a federation may publish exact sums besides its model: sites may share times, and the
    /// study does not ask for sums that are masked or blurred.
    pub fn may_publish(&self) -> bool {
        let fed = &self.federation;
        self.may_share_times() && !fed.secure && fed.privacy.is_none()
    }

    /// A digest of the resolved study, under which its checkpoints are kept.
    pub fn identity(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        osteon_core::files::sha256_hex(text.as_bytes())
    }
}
