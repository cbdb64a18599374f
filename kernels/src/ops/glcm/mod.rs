//! `glcm`: co-occurrence, the pairs of grey levels one offset apart.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | level | `[Z, Y, X]` | grey level; 0 outside the region |
//! | offset | `[A, 3]` | voxels along x, y, z; one of each pair of opposite ones |
//! | pair | `[E, 4]` | direction, lower level, higher level, and that element of the symmetric matrix: the number of pairs, twice that on the diagonal; ascending, no zeros |
//!
//! Haralick et al., IEEE Trans. Systems, Man, and Cybernetics 3 (1973). Counts are integers: the same
//! for any order of the voxels. Up to 2048 levels a dense matrix is counted per direction, beyond
//! that pairs are sorted.

pub mod device;
mod op;

pub use op::GlcmOp;

use crate::voxels::{LevelGrid, Offset};

/// Pairs of levels at one offset, counted in both directions (a symmetric matrix).
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Index of the lower level, index of the higher one, and the matrix element: the number of
    /// pairs, twice that on the diagonal. Ascending; no zeros.
    pub entries: Vec<(u16, u16, u64)>,
}

/// Most levels for which a dense matrix is counted; beyond, pairs are sorted.
const DENSE: usize = 2048;

/// Counts the pairs at `offset`.
pub fn pairs(grid: &LevelGrid, offset: Offset) -> Pairs {
    let stride = grid.stride(offset);
    let levels = grid.levels.len();
    let neighbour = |cell: u32| grid.cells[(cell as isize + stride) as usize];
    if levels > DENSE {
        return sorted(grid, neighbour);
    }
    // A row and a column for "outside" cost less than a branch.
    let side = levels + 1;
    let mut counts = vec![0u32; side * side];
    for &cell in &grid.voxels {
        counts[usize::from(grid.cells[cell as usize]) * side + usize::from(neighbour(cell))] += 1;
    }
    let mut entries = Vec::new();
    for i in 0..levels {
        for j in i..levels {
            let there = u64::from(counts[(i + 1) * side + j + 1]);
            let total = there + u64::from(counts[(j + 1) * side + i + 1]);
            if total > 0 {
                entries.push((i as u16, j as u16, total));
            }
        }
    }
    Pairs { entries }
}

/// The levels of each voxel and of its neighbour at `offset`, where both are in the region.
pub fn ordered_pairs(grid: &LevelGrid, offset: Offset) -> impl Iterator<Item = (u16, u16)> + '_ {
    let stride = grid.stride(offset);
    let pair = move |&cell: &u32| (grid.cells[cell as usize], grid.cells[(cell as isize + stride) as usize]);
    grid.voxels.iter().map(pair).filter(|(_, b)| *b > 0).map(|(a, b)| (a - 1, b - 1))
}

fn sorted(grid: &LevelGrid, neighbour: impl Fn(u32) -> u16) -> Pairs {
    let mut all: Vec<(u16, u16)> = Vec::new();
    for &cell in &grid.voxels {
        let (a, b) = (grid.cells[cell as usize], neighbour(cell));
        if b > 0 {
            all.push((a.min(b) - 1, a.max(b) - 1));
        }
    }
    all.sort_unstable();
    let entries = all
        .chunk_by(|a, b| a == b)
        .map(|c| (c[0].0, c[0].1, c.len() as u64 * if c[0].0 == c[0].1 { 2 } else { 1 }))
        .collect();
    Pairs { entries }
}
