//! Grey levels in their places.

use super::{Offset, rows};

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

/// Sizes counted in a table; larger ones are rare and kept in a list.
pub(crate) const TABLE: usize = 32;

/// Counts extents: a table for the small, a list for the large, so that memory grows with what there
/// is and not with the largest size.
#[derive(Debug)]
pub(crate) struct Extents {
    levels: usize,
    /// Sizes in the table.
    short: usize,
    /// How often, by level and size.
    table: Vec<u32>,
    /// Level and size of each of the others.
    large: Vec<(u16, u32)>,
}

impl Extents {
    /// Nothing counted yet.
    pub(crate) fn new(levels: usize) -> Self {
        Self::counted(levels, TABLE, vec![0; levels * TABLE], Vec::new())
    }

    /// What was counted elsewhere: sizes up to `short` in a table `[levels, short]`, others in a list in any order.
    pub(crate) fn counted(levels: usize, short: usize, table: Vec<u32>, large: Vec<(u16, u32)>) -> Self {
        Self { levels, short, table, large }
    }

    /// Counts an extent of `size` voxels, at least 1.
    #[inline]
    pub(crate) fn add(&mut self, level: u16, size: u32) {
        if size as usize <= self.short {
            self.table[usize::from(level) * self.short + size as usize - 1] += 1;
        } else {
            self.large.push((level, size));
        }
    }

    /// What was counted, ascending.
    pub(crate) fn sorted(mut self) -> Vec<Extent> {
        self.large.sort_unstable();
        let mut large = self.large.chunk_by(|a, b| a == b).peekable();
        let mut all = Vec::new();
        for k in 0..self.levels {
            let (level, row) = (k as u16, &self.table[k * self.short..][..self.short]);
            let small = row.iter().enumerate().filter(|(_, n)| **n > 0);
            all.extend(small.map(|(j, &n)| Extent { level, size: j as u32 + 1, count: u64::from(n) }));
            while let Some(same) = large.next_if(|c| c[0].0 == level) {
                all.push(Extent { level, size: same[0].1, count: same.len() as u64 });
            }
        }
        all
    }
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
        let inner = size;
        let size = inner.map(|n| n + 2 * margin);
        let total: usize = size.iter().product();
        if u32::try_from(total).is_err() {
            return Err(LevelError::Cells(size));
        }
        let mut cells = vec![0u16; total];
        let mut places = Vec::with_capacity(levels.len());
        let mut levels = levels.iter();
        for row in rows(inner, voxels) {
            let first = ((row.z + margin) * size[1] + row.y + margin) * size[0] + margin;
            for (x, &level) in row.x().zip(&mut levels) {
                cells[first + x] = rank[level as usize] as u16;
                places.push((first + x) as u32);
            }
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
