//! Boxes of voxels: the part of an image that is looked at.

use std::ops::Range;

/// A box of voxels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Index of its first voxel along x, y, z.
    pub corner: [usize; 3],
    /// Voxels along x, y, z.
    pub size: [usize; 3],
}

impl Window {
    /// A whole image.
    pub(crate) fn whole(size: [usize; 3]) -> Self {
        Self { corner: [0; 3], size }
    }

    /// The least box round both.
    pub(crate) fn join(self, other: Self) -> Self {
        let corner: [usize; 3] = std::array::from_fn(|k| self.corner[k].min(other.corner[k]));
        let end = |w: &Self, k: usize| w.corner[k] + w.size[k];
        Self { corner, size: std::array::from_fn(|k| end(&self, k).max(end(&other, k)) - corner[k]) }
    }

    /// The voxels along an axis.
    pub(crate) fn range(&self, axis: usize) -> Range<usize> {
        self.corner[axis]..self.corner[axis] + self.size[axis]
    }

    /// Places in memory of its rows of x, in an image of `size`.
    pub(crate) fn rows(&self, size: [usize; 3]) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { corner, size: own } = *self;
        let start = move |y: usize, z: usize| (z * size[1] + y) * size[0] + corner[0];
        let rows = self.range(2).flat_map(move |z| (corner[1]..corner[1] + own[1]).map(move |y| start(y, z)));
        rows.map(move |start| start..start + own[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_joined_box() {
        let a = Window { corner: [1, 0, 0], size: [1, 1, 1] };
        let b = Window { corner: [2, 1, 1], size: [2, 1, 1] };
        let both = a.join(b);
        assert_eq!(both, Window { corner: [1, 0, 0], size: [3, 2, 2] });
        assert_eq!(both.rows([5, 2, 2]).collect::<Vec<_>>(), [1..4, 6..9, 11..14, 16..19]);
    }
}
