//! `glszm`: zones, connected voxels of one grey level.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | level | `[Z, Y, X]` | grey level; 0 outside the region |
//! | offset | `[A, 3]` | steps that connect voxels, in both directions |
//! | zone | `[E, 3]` | level, size in voxels, how often; ascending, no zeros |
//!
//! Thibault et al., IEEE Trans. Biomedical Engineering 61 (2014). Zones are the components of
//! [`components`](super::components); the matrix is sparse, as most of its sizes never occur.

mod op;

pub use op::GlszmOp;

use crate::ops::components::Forest;
use crate::voxels::{Extent, LevelGrid, Offset};

/// Counts the zones connected by `steps` and their opposites: level, size and how often, ascending.
pub fn zones(grid: &LevelGrid, steps: &[Offset]) -> Vec<Extent> {
    let strides: Vec<usize> = steps.iter().map(|&o| grid.stride(o).unsigned_abs()).collect();
    let forest = Forest::grow(&grid.cells, &grid.voxels, &strides);
    let mut found: Vec<(u16, u32)> = forest
        .first
        .iter()
        .zip(&forest.sizes)
        .map(|(&cell, &n)| (grid.cells[cell as usize] - 1, n))
        .collect();
    found.sort_unstable();
    let same = found.chunk_by(|a, b| a == b);
    same.map(|c| Extent { level: c[0].0, size: c[0].1, count: c.len() as u64 }).collect()
}
