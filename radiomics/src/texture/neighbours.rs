//! What surrounds each voxel: dependence counts (GLDM) and differences from the mean (NGTDM).

use super::{Extent, LevelGrid, Offset};

/// Sums over the neighbourhoods of all voxels.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood {
    /// Voxels by level and dependence: one (the voxel itself) and its neighbours in the region
    /// whose grey level differs by at most `alpha`. Ascending.
    pub dependence: Vec<Extent>,
    /// Voxels of each level.
    pub voxels: Vec<u64>,
    /// Summed difference of each level from the mean of its neighbours.
    pub difference: Vec<f64>,
}

/// Looks at the neighbours of every voxel at `steps` and their opposites.
pub fn neighbourhoods(grid: &LevelGrid, steps: &[Offset], alpha: u32) -> Neighbourhood {
    let strides: Vec<isize> = steps.iter().map(|&o| grid.stride(o)).flat_map(|s| [s, -s]).collect();
    let levels = grid.levels.len();
    let width = strides.len() + 1;
    // Index 0 stands for "outside": level 0, and no dependence.
    let value: Vec<i64> = std::iter::once(0).chain(grid.levels.iter().map(|&l| i64::from(l))).collect();
    let alpha = i64::from(alpha);
    let mut dependence = vec![0u64; levels * width];
    // |i n - sum| summed by level and number of neighbours n: integers, divided once at the end.
    let mut apart = vec![0u64; levels * width];
    let mut voxels = vec![0u64; levels];
    for &cell in &grid.voxels {
        let index = usize::from(grid.cells[cell as usize]);
        let own = value[index];
        let (mut count, mut sum, mut dependent) = (0i64, 0i64, 0usize);
        for &stride in &strides {
            let other = usize::from(grid.cells[(cell as isize + stride) as usize]);
            let inside = i64::from(other > 0);
            count += inside;
            sum += value[other];
            dependent += usize::from(other > 0 && (value[other] - own).abs() <= alpha);
        }
        let level = index - 1;
        dependence[level * width + dependent] += 1;
        apart[level * width + count as usize] += (own * count - sum).unsigned_abs();
        voxels[level] += 1;
    }
    let extents = dependence.iter().enumerate().filter(|(_, n)| **n > 0);
    let dependence = extents
        .map(|(k, &count)| Extent { level: (k / width) as u16, size: (k % width) as u32 + 1, count })
        .collect();
    let mean = |row: &[u64]| row.iter().enumerate().skip(1).map(|(n, &s)| s as f64 / n as f64).sum();
    Neighbourhood { dependence, voxels, difference: apart.chunks(width).map(mean).collect() }
}
