//! Floor 5: from archives of images and tables of slides to tables of features.
//!
//! [`Archive`] goes from DICOM to features: SUV, the skeleton, features, a picture and a row of
//! quality control per case. [`Cases`] names images and masks; [`Extraction`] computes their features as a
//! [`Batch`](osteon_pipeline::Batch), case by case; [`Results`] are written as a table with a row
//! per case and region, and a table of what failed. [`merge()`] joins the shards of a batch. The
//! bytes of the tables do not depend on threads, shards or interruptions. [`slides`] does the same for embeddings.

mod archive;
mod cases;
mod error;
mod extraction;
mod overview;
mod quality;
mod results;
pub mod slides;

pub use archive::{Archive, ArchiveCase, Source, conclude_archive};
pub use cases::{Case, Cases, Need};
pub use error::ImagingError;
pub use extraction::{CaseFeatures, Extraction, Fault, Grids, Loaded, RegionFeatures};
pub use overview::{Window, overview};
pub use quality::Quality;
pub use results::{Results, merge};
