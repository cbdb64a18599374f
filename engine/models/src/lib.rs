//! Floor 3: DeepSurv, attention pooling of slides, and linear Cox.

pub mod abmil;
pub mod baseline;
pub mod cohort;
pub mod cox;
pub mod deepsurv;
mod descent;
pub mod exact;
pub mod graph;
