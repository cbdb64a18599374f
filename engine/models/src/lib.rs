//! Floor 3: deepsurv and linear Cox.

pub mod baseline;
pub mod cox;
