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

pub mod device;
mod op;

pub use op::GlszmOp;

use crate::ops::components::Forest;
use crate::voxels::{Extent, Extents, LevelGrid, Offset};

/// Counts the zones connected by `steps` and their opposites: level, size and how often, ascending.
pub fn zones(grid: &LevelGrid, steps: &[Offset]) -> Vec<Extent> {
    let strides: Vec<usize> = steps.iter().map(|&o| grid.stride(o).unsigned_abs()).collect();
    let forest = Forest::grow(&grid.cells, &grid.voxels, &strides);
    let mut zones = Extents::new(grid.levels.len());
    for (&cell, &size) in forest.first.iter().zip(&forest.sizes) {
        zones.add(grid.cells[cell as usize] - 1, size);
    }
    zones.sorted()
}
