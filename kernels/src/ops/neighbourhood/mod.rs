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

/// Cells of a row that are looked at side by side.
const LANES: usize = 8;

/// Looks at the neighbours of every voxel at `steps` and their opposites.
pub fn neighbourhoods(grid: &LevelGrid, steps: &[Offset], alpha: u32) -> Neighbourhood {
    let strides: Vec<isize> = steps.iter().map(|&o| grid.stride(o)).flat_map(|s| [s, -s]).collect();
    let width = strides.len() + 1;
    let size = grid.levels.len() * width;
    // Levels themselves, 0 outside; some more cells at the end for the lanes of the last voxels.
    let mut values = vec![0u32; grid.cells.len() + LANES];
    for &cell in &grid.voxels {
        values[cell as usize] = grid.levels[usize::from(grid.cells[cell as usize]) - 1];
    }
    let piece = |cells: &[u32]| {
        let mut tally = Tally { dependence: vec![0; size], apart: vec![0; size] };
        let mut rest = cells;
        while let Some(&first) = rest.first() {
            let beside = rest.iter().zip(first..).take(LANES).take_while(|(cell, next)| *cell == next);
            let (here, after) = rest.split_at(beside.count());
            rest = after;
            let around = Around::of(&values, first as usize, &strides, alpha);
            for (lane, &cell) in here.iter().enumerate() {
                let row = (usize::from(grid.cells[cell as usize]) - 1) * width;
                let count = around.count[lane];
                tally.dependence[row + around.dependent[lane] as usize] += 1;
                let alike = u64::from(count) * u64::from(values[cell as usize]);
                tally.apart[row + count as usize] += alike.abs_diff(around.sum[lane]);
            }
        }
        tally
    };
    let pieces = grid.voxels.par_chunks(PIECE).map(piece);
    let none = Tally { dependence: vec![], apart: vec![] };
    pieces.reduce_with(Tally::add).unwrap_or(none).finish(width)
}

/// What surrounds some cells of a row.
#[derive(Default)]
struct Around {
    /// Neighbours in the region.
    count: [u32; LANES],
    /// Sum of their levels.
    sum: [u64; LANES],
    /// Those whose level differs by at most `alpha`.
    dependent: [u32; LANES],
}

impl Around {
    fn of(values: &[u32], first: usize, strides: &[isize], alpha: u32) -> Self {
        let lanes = |at: usize| values[at..].first_chunk::<LANES>().copied().unwrap_or_default();
        let own = lanes(first);
        let mut found = Self::default();
        for &stride in strides {
            let other = lanes((first as isize + stride) as usize);
            for lane in 0..LANES {
                let inside = u32::from(other[lane] > 0);
                found.count[lane] += inside;
                found.sum[lane] += u64::from(other[lane]);
                found.dependent[lane] += inside & u32::from(other[lane].abs_diff(own[lane]) <= alpha);
            }
        }
        found
    }
}
