//! `[bags]`: the slides that attention pooling reads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[bags]`: which tile embeddings belong to which patient of `[data]`. Needed by `model.kind = "abmil"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bags {
    /// Folder of the files. Without a table a patient's file is the one named by the id.
    pub folder: PathBuf,
    /// Table with the columns `slide` and `patient`, a row per slide; the slides of a patient are one bag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<PathBuf>,
    /// Data set of HDF5 files; by default `features`, `feats`, `patch_embeddings` or `embeddings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Megabytes for tiles and activations that are kept, of each process; by default half of what it was granted. What
    /// does not fit is read and computed again; the result is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
}
