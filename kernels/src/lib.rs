//! Floor 1: compute ops (f64 oracle, fast CPU, WGSL, CUDA) and device backends.
