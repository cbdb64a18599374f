//! Co-occurrence: pairs of grey levels one offset apart.

use super::{LevelGrid, Offset};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roi::Region;

    #[test]
    fn dense_and_sorted_counts_agree() {
        let size = [5, 4, 3];
        let voxels: Vec<u32> = (0..60).filter(|v| v % 7 != 0).collect();
        let levels: Vec<u32> = voxels.iter().map(|v| 1 + v * v % 5).collect();
        let region = Region { label: "1".into(), corner: [0; 3], size, spacing: [1.0; 3], voxels };
        let grid = LevelGrid::new(&region, &levels, 1).expect("a grid");
        for offset in super::super::offsets(&[1], None) {
            let stride = grid.stride(offset);
            let other = sorted(&grid, |cell| grid.cells[(cell as isize + stride) as usize]);
            assert_eq!(pairs(&grid, offset), other, "{offset:?}");
            assert!(!other.entries.is_empty());
        }
    }
}
