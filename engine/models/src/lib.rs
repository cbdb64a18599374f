//! Floor 3: deepsurv and linear Cox.

pub mod cohort;
pub mod deepsurv;
pub mod graph;
pub mod baseline;
pub mod cox;
