//! Grey levels in their places.

use super::Offset;

/// Why grey levels cannot be put in their places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// Ranks of levels are 16 bits wide.
    #[error("{0} distinct grey levels are more than 65535")]
    Levels(usize),
    /// Cells are numbered by 32 bits.
    #[error("a box of {0:?} cells has more than 2^32")]
    Cells([usize; 3]),
}

/// How often a grey level comes in one extent: a run's length, a zone's size, a dependence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Index of the grey level in [`LevelGrid::levels`].
    pub level: u16,
    /// Voxels.
    pub size: u32,
    /// How often.
    pub count: u64,
}

/// Grey levels of a region in its box, with a margin so wide that no neighbour lies outside.
#[derive(Debug, Clone)]
pub struct LevelGrid {
    /// Distinct grey levels, ascending.
    pub levels: Vec<u32>,
    /// 0 outside the region, else one more than the index of the level.
    pub(crate) cells: Vec<u16>,
    /// Cell of each voxel of the region, ascending.
    pub(crate) voxels: Vec<u32>,
    /// Cells along x, y, z, margins included.
    pub(crate) size: [usize; 3],
}

impl LevelGrid {
    /// Puts the `levels` of `voxels` (ascending indices in a box of `size`) in their places.
    /// `reach` is the largest distance at which neighbours will be sought.
    ///
    /// # Errors
    /// If there are more than 65535 distinct levels, or the padded box has more than 2^32 cells.
    pub fn new(size: [usize; 3], voxels: &[u32], levels: &[u32], reach: u32) -> Result<Self, LevelError> {
        let highest = levels.iter().copied().max().unwrap_or(0) as usize;
        let mut rank = vec![0u32; highest + 1];
        levels.iter().for_each(|&l| rank[l as usize] = 1);
        let distinct: Vec<u32> = (0..=highest).filter(|&l| rank[l] == 1).map(|l| l as u32).collect();
        if distinct.len() > usize::from(u16::MAX) {
            return Err(LevelError::Levels(distinct.len()));
        }
        distinct.iter().enumerate().for_each(|(k, &l)| rank[l as usize] = k as u32 + 1);
        let margin = reach as usize;
        let [nx, ny, _] = size;
        let size = size.map(|n| n + 2 * margin);
        let total: usize = size.iter().product();
        if u32::try_from(total).is_err() {
            return Err(LevelError::Cells(size));
        }
        let mut cells = vec![0u16; total];
        let mut places = Vec::with_capacity(levels.len());
        // Places advance with the voxels, which are ascending: no division per voxel.
        let (mut row, mut row_start, mut cell_start) = (usize::MAX, 0, 0);
        for (&voxel, &level) in voxels.iter().zip(levels) {
            let voxel = voxel as usize;
            if row == usize::MAX || voxel >= row_start + nx {
                row = voxel / nx;
                row_start = row * nx;
                let (y, z) = (row % ny, row / ny);
                cell_start = ((z + margin) * size[1] + y + margin) * size[0] + margin;
            }
            let cell = cell_start + voxel - row_start;
            cells[cell] = rank[level as usize] as u16;
            places.push(cell as u32);
        }
        Ok(Self { levels: distinct, cells, voxels: places, size })
    }

    /// Number of voxels of the region.
    pub fn count(&self) -> usize {
        self.voxels.len()
    }

    /// Voxels of each level.
    pub fn level_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.levels.len()];
        self.voxels.iter().for_each(|&v| counts[usize::from(self.cells[v as usize]) - 1] += 1);
        counts
    }

    /// Distance in memory to the cell at `offset`.
    pub(crate) fn stride(&self, offset: Offset) -> isize {
        let [nx, ny, _] = self.size;
        let [x, y, z] = offset.map(|o| o as isize);
        (z * ny as isize + y) * nx as isize + x
    }
}
