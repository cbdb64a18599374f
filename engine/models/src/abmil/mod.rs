//! Attention pooling of tile embeddings for the log hazard: gated ABMIL with a Cox head.
//!
//! Ilse, Tomczak and Welling, "Attention-based deep multiple instance learning", ICML 2018. A patient is a bag of tiles,
//! all slides of the patient one after the other. [`osteon_kernels::ops::attention_pool`] makes one vector `z` of it,
//! and the log hazard is `output . z`; a bias would move no ratio of risks.
//!
//! A step needs the log hazards of all its patients before any gradient, as a risk set spans all bags. So it passes over
//! the bags twice: forwards, which leaves `z` and two numbers of the softmax per patient, and backwards. What lies
//! between is kept for as many blocks of tiles as a budget allows and computed again for the others; the bits do not
//! depend on it.

mod batch;
mod layout;

pub use batch::{Batch, attention, predict};
pub use layout::{Layout, Spec};

use osteon_kernels::ops::pool::Rows;

/// Where the tiles of patients come from.
pub trait Bags: Sync {
    /// Why tiles cannot be read.
    type Error: From<EmptyBag>;

    /// Calls `visit` for all tiles of a bag, in order, in the same pieces each time: at most
    /// [`osteon_kernels::ops::attention_pool::BLOCK`] tiles each.
    ///
    /// # Errors
    /// If a file cannot be read.
    fn visit(&self, bag: usize, visit: &mut dyn FnMut(Rows)) -> Result<(), Self::Error>;
}

/// A patient without tiles, who has no log hazard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bag {bag} has no tiles")]
pub struct EmptyBag {
    /// The number of the bag.
    pub bag: usize,
}
