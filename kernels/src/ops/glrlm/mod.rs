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

use crate::voxels::{Extent, Extents, LevelGrid, Offset, TABLE};

/// Counts the runs along `offset` (a step of one voxel): level, length and how often, ascending.
/// Empty when no line along `offset` holds two voxels of the region, as PyRadiomics drops such
/// a direction.
pub fn runs(grid: &LevelGrid, offset: Offset) -> Vec<Extent> {
    runs_in(grid, offset, &mut Vec::new())
}

/// The same with memory that one direction leaves to the next.
pub fn runs_in(grid: &LevelGrid, offset: Offset, so_far: &mut Vec<u8>) -> Vec<Extent> {
    let stride = grid.stride(offset).unsigned_abs();
    let cells = &grid.cells;
    let mut runs = Extents::new(grid.levels.len());
    // Length, up to a cell, of the run that it is in. Every length on the way is counted, which
    // needs no branch; runs are told apart by where they end afterwards. What another direction left
    // is overwritten before it counts.
    so_far.resize(cells.len(), 0);
    for &cell in &grid.voxels {
        let cell = cell as usize;
        let (level, before) = (cells[cell], cell - stride);
        let length = so_far[before] * u8::from(cells[before] == level) + 1;
        if usize::from(length) <= TABLE {
            runs.add(level - 1, u32::from(length));
            so_far[cell] = length;
            continue;
        }
        so_far[cell] = LONG;
        if length == LONG {
            let beyond = (cell + stride..cells.len()).step_by(stride).take_while(|&at| cells[at] == level);
            runs.add(level - 1, u32::from(LONG) + beyond.count() as u32);
        }
    }
    runs.ended();
    if !runs.beyond_one() && !has_two_in_line(grid, offset) {
        return Vec::new();
    }
    runs.sorted()
}

/// The first length beyond the table, which stands for all longer ones while a run grows.
const LONG: u8 = TABLE as u8 + 1;

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
