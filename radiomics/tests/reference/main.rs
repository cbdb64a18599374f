//! Features against PyRadiomics' own numbers, its baseline files and the IBSI-1 consensus.

mod data;
mod pyradiomics;
