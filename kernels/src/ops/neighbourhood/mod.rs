//! `neighbourhood`: what surrounds each voxel. Dependence counts (GLDM) and differences from the mean
//! (NGTDM) in one walk.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | level | `[Z, Y, X]` | grey level; 0 outside the region |
//! | offset | `[A, 3]` | voxels along x, y, z; each is looked at in both directions |
//! | dependence | `[E, 3]` | level, 1 + neighbours whose level differs by at most `alpha`, voxels; ascending, no zeros |
//! | voxels | `[G]` | voxels of each level present |
//! | apart | `[G, 2 A + 1]` | by level and number of neighbours `n`: sum of `abs(n level - sum of the neighbours)` |
//!
//! Sun and Wee, Computer Vision, Graphics, and Image Processing 23 (1983); Amadasun and King, IEEE
//! Trans. Systems, Man, and Cybernetics 19 (1989). `apart` holds integers; the mean over `n` neighbours
//! is divided out at the end.

pub mod device;
mod op;

pub use op::NeighbourhoodOp;

use rayon::prelude::*;

use crate::voxels::{Extent, LevelGrid, Offset};

/// Sums over the neighbourhoods of all voxels.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood {
    /// Voxels by level and dependence: one (the voxel itself) and its neighbours in the region
    /// whose grey level differs by at most `alpha`. Ascending.
    pub dependence: Vec<Extent>,
    /// Voxels of each level.
    pub voxels: Vec<u64>,
    /// Summed `|n level - sum of the n neighbours|` by level and `n`.
    pub apart: Vec<u64>,
    /// Numbers of neighbours that there may be, 0 among them.
    pub width: usize,
}

impl Neighbourhood {
    /// Summed difference of each level from the mean of its neighbours.
    pub fn difference(&self) -> Vec<f64> {
        let mean = |row: &[u64]| row.iter().enumerate().skip(1).map(|(n, &s)| s as f64 / n as f64).sum();
        self.apart.chunks(self.width).map(mean).collect()
    }
}

/// Voxels that are looked at in one piece.
const PIECE: usize = 1 << 16;

/// Sums over some voxels, by level and number of neighbours.
struct Tally {
    dependence: Vec<u64>,
    apart: Vec<u64>,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        let sum = |a: &mut [u64], b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        sum(&mut self.dependence, &other.dependence);
        sum(&mut self.apart, &other.apart);
        self
    }

    fn finish(self, width: usize) -> Neighbourhood {
        let voxels = self.dependence.chunks(width).map(|row| row.iter().sum()).collect();
        let extents = self.dependence.iter().enumerate().filter(|(_, n)| **n > 0);
        let dependence = extents
            .map(|(k, &count)| Extent { level: (k / width) as u16, size: (k % width) as u32 + 1, count })
            .collect();
        Neighbourhood { dependence, voxels, apart: self.apart, width }
    }
}

/// Looks at the neighbours of every voxel at `steps` and their opposites.
pub fn neighbourhoods(grid: &LevelGrid, steps: &[Offset], alpha: u32) -> Neighbourhood {
    let strides: Vec<isize> = steps.iter().map(|&o| grid.stride(o)).flat_map(|s| [s, -s]).collect();
    let width = strides.len() + 1;
    let size = grid.levels.len() * width;
    // Index 0 stands for "outside": level 0, and no dependence.
    let value: Vec<i64> = std::iter::once(0).chain(grid.levels.iter().map(|&l| i64::from(l))).collect();
    let alpha = i64::from(alpha);
    let piece = |cells: &[u32]| {
        let mut tally = Tally { dependence: vec![0; size], apart: vec![0; size] };
        for &cell in cells {
            let index = usize::from(grid.cells[cell as usize]);
            let own = value[index];
            let (mut count, mut sum, mut dependent) = (0i64, 0i64, 0usize);
            for &stride in &strides {
                let other = usize::from(grid.cells[(cell as isize + stride) as usize]);
                count += i64::from(other > 0);
                sum += value[other];
                dependent += usize::from(other > 0 && (value[other] - own).abs() <= alpha);
            }
            let row = (index - 1) * width;
            tally.dependence[row + dependent] += 1;
            tally.apart[row + count as usize] += (own * count - sum).unsigned_abs();
        }
        tally
    };
    let pieces = grid.voxels.par_chunks(PIECE).map(piece);
    let none = Tally { dependence: vec![], apart: vec![] };
    pieces.reduce_with(Tally::add).unwrap_or(none).finish(width)
}
