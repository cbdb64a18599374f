//! `glrlm`: runs, voxels of one grey level in a row.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | level | `[Z, Y, X]` | grey level; 0 outside the region |
//! | offset | `[A, 3]` | a step of one voxel along x, y, z |
//! | run | `[E, 4]` | direction, level, length in voxels, how often; ascending, no zeros |
//!
//! Galloway, Computer Graphics and Image Processing 4 (1975). A run ends at another level and where the
//! region ends.

pub mod device;
mod op;

pub use op::GlrlmOp;

use crate::voxels::{Extent, Extents, LevelGrid, Offset};

/// Counts the runs along `offset` (a step of one voxel): level, length and how often, ascending.
/// Empty when no line along `offset` holds two voxels of the region, as PyRadiomics drops such
/// a direction.
pub fn runs(grid: &LevelGrid, offset: Offset) -> Vec<Extent> {
    let stride = grid.stride(offset);
    let cells = &grid.cells;
    let mut runs = Extents::new(grid.levels.len());
    let mut longest = 1;
    for &cell in &grid.voxels {
        let level = cells[cell as usize];
        if cells[(cell as isize - stride) as usize] == level {
            continue;
        }
        let mut at = cell as isize + stride;
        let mut length = 1;
        while cells[at as usize] == level {
            at += stride;
            length += 1;
        }
        longest = longest.max(length);
        runs.add(level - 1, length);
    }
    if longest == 1 && !has_two_in_line(grid, offset) {
        return Vec::new();
    }
    runs.sorted()
}

/// Whether some line along `offset` holds two voxels of the region.
fn has_two_in_line(grid: &LevelGrid, offset: Offset) -> bool {
    let [nx, ny, nz] = grid.size.map(|n| n as i64);
    grid.voxels.iter().any(|&cell| {
        let cell = i64::from(cell);
        let mut at = [cell % nx, cell / nx % ny, cell / (nx * ny)];
        loop {
            for k in 0..3 {
                at[k] += i64::from(offset[k]);
            }
            let inside = (0..nx).contains(&at[0]) && (0..ny).contains(&at[1]) && (0..nz).contains(&at[2]);
            if !inside {
                return false;
            }
            if grid.cells[((at[2] * ny + at[1]) * nx + at[0]) as usize] > 0 {
                return true;
            }
        }
    })
}
