//! Features against PyRadiomics' own numbers, its baseline files and the IBSI-1 consensus.

mod baseline;
mod data;
mod ibsi;
mod pyradiomics;
