//! Sites that a federation goes on without (`on_site_failure = "drop"`).

use serde::{Deserialize, Serialize};

use crate::checkpoint::{StoredTensor, Values};
use crate::message::{Kind, text_to_words, words_to_text};
use crate::{Comm, FederateError};

/// What a fault at one site does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSiteFailure {
    /// All ranks end with it.
    Abort,
    /// The site takes part no more, from this round on.
    Drop,
}

/// A site that was dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lost {
    /// Index of the site.
    pub site: usize,
    /// The first round without it.
    pub round: u32,
    /// What happened there.
    pub reason: String,
}

/// Name of a dropped site's tensor in a checkpoint, before its index.
const PREFIX: &str = "dropped.";

/// Tells every rank the sites lost on any of them, in order of index.
pub(super) fn share(comm: &Comm, mine: &[Lost]) -> Result<Vec<Lost>, FederateError> {
    let mut count = [mine.len() as u64];
    comm.sum(Kind::Fault, &mut count)?;
    if count[0] == 0 {
        return Ok(Vec::new());
    }
    let text = serde_json::to_string(mine).unwrap_or_default();
    let mut all = Vec::new();
    for (rank, text) in comm.gather(Kind::Fault, &text)?.iter().enumerate() {
        let lost: Vec<Lost> = serde_json::from_str(text)
            .map_err(|e| FederateError::Lost(format!("sites dropped by rank {rank}: {e}")))?;
        all.extend(lost);
    }
    all.sort();
    Ok(all)
}

/// The dropped sites as tensors of a checkpoint.
pub(super) fn store(lost: &[Lost]) -> impl Iterator<Item = StoredTensor> + '_ {
    lost.iter().map(|l| {
        let mut words = vec![u64::from(l.round), l.reason.len() as u64];
        words.extend(text_to_words(&l.reason));
        StoredTensor::new(format!("{PREFIX}{}", l.site), vec![words.len()], Values::U64(words))
    })
}

/// Takes the dropped sites out of the server's part of a checkpoint.
pub(super) fn restore(server: &mut Vec<StoredTensor>) -> Vec<Lost> {
    let mut lost = Vec::new();
    server.retain(|tensor| {
        let site = tensor.name.strip_prefix(PREFIX).and_then(|site| site.parse().ok());
        let (Some(site), Values::U64(words)) = (site, &tensor.values) else { return true };
        let [round, length, text @ ..] = words.as_slice() else { return true };
        lost.push(Lost { site, round: *round as u32, reason: words_to_text(text, *length as usize) });
        false
    });
    lost.sort();
    lost
}
