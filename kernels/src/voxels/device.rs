//! Voxels on a device.

use std::borrow::Cow;

use bytemuck::NoUninit;

use super::{Extent, Extents, LevelGrid, Offset, Real, TABLE, Volume};
use crate::backend::{ALIGNMENT, Buffer, Device, DeviceError, TABLE_WORDS};

/// Grey levels of a region on a device, brought there once for all matrices of it.
pub struct Placed<'a> {
    pub(crate) device: &'a dyn Device,
    pub(crate) grid: &'a LevelGrid,
    /// [`LevelGrid::cells`], two to a word.
    pub(crate) cells: Buffer,
    /// [`LevelGrid::voxels`].
    pub(crate) voxel: Buffer,
}

impl<'a> Placed<'a> {
    /// Brings the cells and voxels of a grid to a device.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Device::upload`].
    pub fn new(device: &'a dyn Device, grid: &'a LevelGrid) -> Result<Self, DeviceError> {
        let cells = device.put_words("cells", &words(&grid.cells))?;
        let voxel = device.put_words("voxel", &grid.voxels)?;
        Ok(Self { device, grid, cells, voxel })
    }

    /// Distances in memory; steps back wrap round, as the sums in the kernels do.
    pub(crate) fn strides(&self, offsets: &[Offset]) -> Vec<u32> {
        offsets.iter().map(|&o| self.grid.stride(o) as u32).collect()
    }
}

/// Small numbers as words, the last filled up with zeros; copied only where they cannot be seen as words in place.
pub(crate) fn words<T: NoUninit>(numbers: &[T]) -> Cow<'_, [u32]> {
    bytemuck::try_cast_slice(numbers)
        .map_or_else(|_| Cow::Owned(bytemuck::pod_collect_to_vec(numbers)), Cow::Borrowed)
}

/// Extents that a kernel counts, in several parts: small ones in a table, the others in a list.
pub(crate) struct Counter {
    levels: usize,
    parts: usize,
    /// Sizes in the table; none where there are so many levels that a list of all extents is shorter.
    pub tabled: usize,
    /// Words of a part's list.
    pub list: usize,
    /// `[parts, levels, tabled]`.
    pub table: Buffer,
    /// `[parts]`: extents in the lists.
    pub found: Buffer,
    /// `[parts, list]`: level and size, in any order.
    pub large: Buffer,
}

impl Counter {
    /// For the extents of `voxels` voxels.
    pub fn new(device: &dyn Device, levels: usize, voxels: usize, parts: usize) -> Result<Self, DeviceError> {
        let tabled = tabled(levels, voxels);
        let list = list_words(tabled, voxels);
        let table = device.put_words("table", &vec![0; parts * levels * tabled])?;
        let found = device.put_words("found", &vec![0; parts])?;
        let large = device.alloc("large", parts * list)?;
        Ok(Self { levels, parts, tabled, list, table, found, large })
    }

    /// Parts that one binding can see at once, at least one.
    pub fn most_parts(device: &dyn Device, levels: usize, voxels: usize) -> usize {
        let tabled = tabled(levels, voxels);
        let words = (levels * tabled).max(list_words(tabled, voxels));
        (device.limits().binding_words / words.max(1)).max(1)
    }

    /// The parts one after the other.
    pub fn collect(self, device: &dyn Device) -> Result<Vec<Vec<Extent>>, DeviceError> {
        let (table, found) = (device.download(&self.table)?, device.download(&self.found)?);
        let size = self.levels * self.tabled;
        let part = |k: usize| {
            let start = k * self.list;
            let words = device.download(&self.large.slice(start..start + 2 * found[k] as usize))?;
            let large = words.chunks_exact(2).map(|e| (e[0] as u16, e[1])).collect();
            let table = table[k * size..][..size].to_vec();
            Ok(Extents::counted(self.levels, self.tabled, table, large).sorted())
        };
        (0..self.parts).map(part).collect()
    }
}

/// Sizes in a table, which should be no longer than a list would be, or fit a group's own memory.
fn tabled(levels: usize, voxels: usize) -> usize {
    let words = levels * TABLE;
    if words <= TABLE_WORDS.max(2 * voxels) { TABLE } else { 0 }
}

/// Words of a list of all extents of more than `tabled` voxels.
fn list_words(tabled: usize, voxels: usize) -> usize {
    (2 * (voxels / (tabled + 1))).next_multiple_of(ALIGNMENT)
}

impl<V> Volume<V> {
    /// As [`Volume::along`] on a device, in parts that one binding can see: `filter` computes a part's lines.
    pub(crate) fn along_on<T: Real + bytemuck::Pod>(
        &self,
        device: &dyn Device,
        axis: usize,
        length: usize,
        filter: impl Fn(&Volume<Vec<T>>) -> Result<Vec<T>, DeviceError>,
    ) -> Result<Volume<Vec<T>>, DeviceError>
    where
        V: AsRef<[T]>,
    {
        let mut size = self.size;
        size[axis] = length;
        let mut out = vec![T::default(); size.iter().product()];
        // Cut across the lines: slices, or where these are the lines' places, rows.
        let cut = if axis == 2 { 1 } else { 2 };
        let layer = out.len().max(self.values.as_ref().len()).div_ceil(size[cut].max(1));
        let step = (device.limits().binding_words / layer.max(1)).max(1);
        for start in (0..size[cut]).step_by(step) {
            let (mut corner, mut part) = ([0; 3], self.size);
            corner[cut] = start;
            part[cut] = step.min(size[cut] - start);
            let values = filter(&self.cropped(corner, part))?;
            // Whole runs of a slice: rows of x that follow each other.
            let [nx, ny, nz] = size;
            let (rows, at) = if cut == 1 { (part[1], start) } else { (ny, 0) };
            let slices = if cut == 2 { start..start + part[2] } else { 0..nz };
            for (z, run) in slices.zip(values.chunks((nx * rows).max(1))) {
                out[(z * ny + at) * nx..][..run.len()].copy_from_slice(run);
            }
        }
        Ok(Volume { size, values: out })
    }
}
