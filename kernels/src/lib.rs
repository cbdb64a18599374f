//! Floor 1: compute ops (f64 oracle, fast CPU, WGSL, CUDA) and device backends.

pub mod backend;
pub mod ops;
pub mod simd;
pub mod tiles;
