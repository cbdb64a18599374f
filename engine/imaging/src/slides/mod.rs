//! Slides: from a folder or a table of embeddings to one vector per slide or patient.
//!
//! [`SlideCases`] say which files make up a case; [`SlideBatch`] reduces them in one pass each and gathers the sums of
//! products of the slides that a PCA is fitted to; [`fit`] fits models to them and [`write()`] writes. The sums are integers
//! ([`osteon_slides::Scatter`]): threads, shards, sites and interruptions change no bit.

mod batch;
mod cases;
mod clusters;
mod finish;
mod gathered;
mod output;
mod quality;

pub use batch::{SlideBatch, SlideEntry, SlideFault, SlideVectors};
pub use cases::{FitOn, SlideCase, SlideCases};
pub use finish::{Components, Finish, Models, fit, merge};
pub use gathered::{Gathered, gathered_of};
pub use output::{write, write_faults};
pub use quality::{Quality, quality};
