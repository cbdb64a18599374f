//! The list of what may cross a rank boundary, and the account of what did.
//!
//! Every collective names its [`Kind`]; there is no call that sends bytes without one. The ledger
//! counts messages and payload per kind, and a [`Recorder`] sees every word handed over (the tests
//! search it for a planted string).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What may cross a rank boundary. Nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// Weighted fixed-point sums of model parameters with their weights and the error counter.
    ParamSum,
    /// The same sums of what SCAFFOLD's control variates change by.
    ControlSum,
    /// Fixed-point parameters of every site, one by one (median, trimmed mean).
    SiteParams,
    /// Public halves of the keys that masks are drawn from.
    PublicKey,
    /// Exact sums of `f64` terms: moments, Gram matrices, risk sets.
    ExactSum,
    /// Counts of patients, events or pairs.
    Count,
    /// Maxima (ranges, stop flag, slowest rank).
    Max,
    /// Losses and pair counts per site.
    Metric,
    /// Number of ranks with a fault, and, if there is one, its description.
    Fault,
    /// Names and sizes of sites, sites that were dropped and why, SHA-256 of the tensors and of agreed texts, host names.
    Roster,
    /// A number decided by rank 0 (the checkpoint to resume from).
    Decision,
    /// Distinct values of all ranks (event times of an exact federation without time bins).
    Union,
}

impl Kind {
    /// All kinds, in the order of the enum.
    pub const ALL: [Self; 12] = [
        Self::ParamSum,
        Self::ControlSum,
        Self::SiteParams,
        Self::PublicKey,
        Self::ExactSum,
        Self::Count,
        Self::Max,
        Self::Metric,
        Self::Fault,
        Self::Roster,
        Self::Decision,
        Self::Union,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ParamSum => "parameter sum",
            Self::ControlSum => "sum of control variates",
            Self::SiteParams => "parameters of the sites",
            Self::PublicKey => "public keys",
            Self::ExactSum => "exact sum",
            Self::Count => "counts",
            Self::Max => "maximum",
            Self::Metric => "metrics",
            Self::Fault => "fault check",
            Self::Roster => "roster",
            Self::Decision => "decision of rank 0",
            Self::Union => "union of values",
        })
    }
}

/// Sees every message this rank hands over: its kind and its words.
pub type Recorder = Arc<dyn Fn(Kind, &[u64]) + Send + Sync>;

/// Messages and payload bytes of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Collectives entered.
    pub messages: u64,
    /// Payload this rank handed to them, in bytes. The same in one process, where it does not leave memory.
    pub bytes: u64,
}

/// Traffic of this rank per kind, and its time in collectives.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sent: [(AtomicU64, AtomicU64); Kind::ALL.len()],
    inside_ns: AtomicU64,
}

impl Ledger {
    pub(crate) fn book(&self, kind: Kind, words: usize) {
        let (messages, bytes) = &self.sent[kind as usize];
        messages.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(8 * words as u64, Ordering::Relaxed);
    }

    /// Runs a collective and books its time.
    pub(crate) fn time<T>(&self, collective: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = collective();
        self.inside_ns.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        out
    }

    pub(crate) fn inside(&self) -> Duration {
        Duration::from_nanos(self.inside_ns.load(Ordering::Relaxed))
    }

    pub(crate) fn traffic(&self, kind: Kind) -> Traffic {
        let (messages, bytes) = &self.sent[kind as usize];
        Traffic { messages: messages.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }
}

/// Packs a text into words, zero-padded.
pub(crate) fn text_to_words(text: &str) -> Vec<u64> {
    text.as_bytes()
        .chunks(8)
        .map(|c| {
            let mut word = [0; 8];
            word[..c.len()].copy_from_slice(c);
            u64::from_le_bytes(word)
        })
        .collect()
}

/// Reads back `bytes` bytes of what [`text_to_words`] packed.
pub(crate) fn words_to_text(words: &[u64], bytes: usize) -> String {
    let mut raw: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    raw.truncate(bytes);
    String::from_utf8_lossy(&raw).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_index_the_ledger() {
        for (i, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, i);
        }
    }

    #[test]
    fn text_survives_packing() {
        for text in ["", "Policlinico", "12345678", "Sant'Orsola, Bologna è"] {
            assert_eq!(words_to_text(&text_to_words(text), text.len()), text);
        }
    }
}
