//! The grey levels of a region in their places.

use crate::error::RadiomicsError;
use crate::roi::Region;

use super::Offset;

/// Grey levels of a region in its box, with a margin so wide that no neighbour lies outside.
#[derive(Debug, Clone)]
pub struct LevelGrid {
    /// Distinct grey levels, ascending.
    pub levels: Vec<u32>,
    /// 0 outside the region, else one more than the index of the level.
    pub(super) cells: Vec<u16>,
    /// Cell of each voxel of the region, ascending.
    pub(super) voxels: Vec<u32>,
    /// Cells along x, y, z, margins included.
    pub(super) size: [usize; 3],
}

impl LevelGrid {
    /// Puts the `levels` of the region's voxels in their places. `reach` is the largest distance
    /// at which neighbours will be sought.
    ///
    /// # Errors
    /// If there are more than 65535 distinct levels, or the padded box has more than 2^32 cells.
    pub fn new(region: &Region, levels: &[u32], reach: u32) -> Result<Self, RadiomicsError> {
        let refuse = |reason| RadiomicsError::Region { label: region.label.clone(), reason };
        let highest = levels.iter().copied().max().unwrap_or(0) as usize;
        let mut rank = vec![0u32; highest + 1];
        levels.iter().for_each(|&l| rank[l as usize] = 1);
        let distinct: Vec<u32> = (0..=highest).filter(|&l| rank[l] == 1).map(|l| l as u32).collect();
        if distinct.len() > usize::from(u16::MAX) {
            let many = distinct.len();
            return Err(refuse(format!("{many} distinct grey levels; use a larger binWidth, or binCount")));
        }
        distinct.iter().enumerate().for_each(|(k, &l)| rank[l as usize] = k as u32 + 1);
        let margin = reach as usize;
        let size = region.size.map(|n| n + 2 * margin);
        let total: usize = size.iter().product();
        if u32::try_from(total).is_err() {
            return Err(refuse(format!("its box of {size:?} cells is too large")));
        }
        let mut cells = vec![0u16; total];
        let mut voxels = Vec::with_capacity(levels.len());
        let [nx, ny, _] = region.size;
        // Places advance with the voxels, which are ascending: no division per voxel.
        let (mut row, mut row_start, mut cell_start) = (usize::MAX, 0, 0);
        for (&voxel, &level) in region.voxels.iter().zip(levels) {
            let voxel = voxel as usize;
            if row == usize::MAX || voxel >= row_start + nx {
                row = voxel / nx;
                row_start = row * nx;
                let (y, z) = (row % ny, row / ny);
                cell_start = ((z + margin) * size[1] + y + margin) * size[0] + margin;
            }
            let cell = cell_start + voxel - row_start;
            cells[cell] = rank[level as usize] as u16;
            voxels.push(cell as u32);
        }
        Ok(Self { levels: distinct, cells, voxels, size })
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
    pub(super) fn stride(&self, offset: Offset) -> isize {
        let [nx, ny, _] = self.size;
        let [x, y, z] = offset.map(|o| o as isize);
        (z * ny as isize + y) * nx as isize + x
    }
}
