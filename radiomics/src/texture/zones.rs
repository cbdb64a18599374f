//! Zones: connected voxels of one grey level.

use super::{Extent, LevelGrid, Offset};

/// Counts the zones connected by `steps` and their opposites: level, size and how often, ascending.
pub fn zones(grid: &LevelGrid, steps: &[Offset]) -> Vec<Extent> {
    let strides: Vec<isize> = steps.iter().map(|&o| grid.stride(o)).flat_map(|s| [s, -s]).collect();
    let mut cells = grid.cells.clone();
    let mut found: Vec<(u16, u32)> = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    for &seed in &grid.voxels {
        let level = cells[seed as usize];
        if level == 0 {
            continue;
        }
        cells[seed as usize] = 0;
        open.push(seed);
        let mut size = 0;
        while let Some(cell) = open.pop() {
            size += 1;
            for &stride in &strides {
                let next = (cell as isize + stride) as usize;
                if cells[next] == level {
                    cells[next] = 0;
                    open.push(next as u32);
                }
            }
        }
        found.push((level - 1, size));
    }
    found.sort_unstable();
    let same = found.chunk_by(|a, b| a == b);
    same.map(|c| Extent { level: c[0].0, size: c[0].1, count: c.len() as u64 }).collect()
}
