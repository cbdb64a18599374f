//! Features against PyRadiomics' own numbers, its baseline files and the IBSI-1 consensus.

#![expect(clippy::print_stdout, reason = "the largest difference of each class, shown with --nocapture")]

mod baseline;
mod data;
mod ibsi;
mod pyradiomics;
mod skeleton;
mod values;
