//! Floor 1: compute ops (f64 oracle, fast CPU, WGSL, CUDA) and device backends.

/// The numeric profile of the CPU backend (decision 0002): equal profiles give equal bits.
pub const PROFILE: &str = "cpu-v1";

pub mod backend;
pub mod ops;
pub mod order;
mod panels;
pub mod simd;
pub mod tiles;
pub mod voxels;
