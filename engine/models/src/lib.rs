//! Floor 3: deepsurv and linear Cox.

pub mod baseline;
pub mod cohort;
pub mod cox;
pub mod deepsurv;
pub mod exact;
pub mod graph;
