//! Voxels row by row: one division a row instead of one a voxel.

/// The voxels of a region in one row of x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Place of the row along y.
    pub y: usize,
    /// Place of the row along z.
    pub z: usize,
    /// Index of the first place of the row.
    pub start: u32,
    /// Indices of the region's voxels in it.
    pub voxels: &'a [u32],
}

impl Row<'_> {
    /// Places of the voxels along x.
    pub fn x(&self) -> impl Iterator<Item = usize> + '_ {
        self.voxels.iter().map(|v| (v - self.start) as usize)
    }
}

/// The rows that hold some of `voxels` (ascending indices in a box of `size`).
pub fn rows(size: [usize; 3], voxels: &[u32]) -> impl Iterator<Item = Row<'_>> {
    let (nx, ny) = (size[0] as u32, size[1] as u32);
    let mut rest = voxels;
    std::iter::from_fn(move || {
        let line = rest.first()? / nx;
        let start = line * nx;
        let many = rest.iter().position(|v| v - start >= nx).unwrap_or(rest.len());
        let (voxels, after) = rest.split_at(many);
        rest = after;
        Some(Row { y: (line % ny) as usize, z: (line / ny) as usize, start, voxels })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_their_place() {
        let found: Vec<_> =
            rows([4, 3, 2], &[1, 3, 8, 23]).map(|r| (r.y, r.z, r.x().collect::<Vec<_>>())).collect();
        assert_eq!(found, [(0, 0, vec![1, 3]), (2, 0, vec![0]), (2, 1, vec![3])]);
        assert_eq!(rows([4, 3, 2], &[]).count(), 0);
    }
}
