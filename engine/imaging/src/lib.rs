//! Floor 5: from a table of images to a table of features.
//!
//! [`Cases`] names images and masks; [`Extraction`] computes their features as a
//! [`Batch`](osteon_pipeline::Batch), case by case; [`Results`] are written as a table with a row
//! per case and region, and a table of what failed. [`merge()`] joins the shards of a batch. The
//! bytes of the tables do not depend on threads, shards or interruptions.

mod cases;
mod error;
mod extraction;
mod overview;
mod results;

pub use cases::{Case, Cases};
pub use error::ImagingError;
pub use extraction::{CaseFeatures, Extraction, Fault, RegionFeatures};
pub use overview::{Window, overview};
pub use results::{Results, merge};
