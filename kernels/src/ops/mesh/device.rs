//! The device versions: cubes are counted there, and the mesh follows from the counts on the host.

use super::{Mesh, Solid, Tally};
use crate::backend::{Buffer, Device, DeviceError, GROUP, Launch, PER_THREAD, Source};
use crate::voxels::device::words;

pub(super) const SOURCE: Source =
    Source { op: "mesh", wgsl: include_str!("mesh.wgsl"), cuda: include_str!("mesh.cu") };

/// Cells along an axis for which a group's sums of places fit 32 bits.
const LONGEST: usize = u32::MAX as usize / (8 * GROUP * PER_THREAD);

/// A region on a device, brought there once for its mesh and its diameters.
pub struct Placed<'a> {
    pub(crate) device: &'a dyn Device,
    pub(crate) solid: &'a Solid,
    /// [`Solid::cells`], four to a word.
    pub(crate) cells: Buffer,
    /// [`Solid::voxels`].
    pub(crate) voxel: Buffer,
}

impl<'a> Placed<'a> {
    /// Brings the cells and voxels of a region to a device.
    ///
    /// # Errors
    /// As [`Device::alloc`] and [`Device::upload`].
    pub fn new(device: &'a dyn Device, solid: &'a Solid) -> Result<Self, DeviceError> {
        let cells = device.put_words("cells", &words(&solid.cells))?;
        let voxel = device.put_words("voxel", &solid.voxels)?;
        Ok(Self { device, solid, cells, voxel })
    }

    /// Cells from one row to the next, and from one slice to the next.
    pub(crate) fn strides(&self) -> [u32; 2] {
        let [nx, ny, _] = self.solid.size;
        [nx as u32, (nx * ny) as u32]
    }
}

/// As [`Mesh::of`], to the bit.
///
/// # Errors
/// [`DeviceError::Unsupported`] where the box is too long for 32-bit sums, else what the device says.
pub fn mesh(placed: &Placed) -> Result<Mesh, DeviceError> {
    let Placed { device, solid, cells, voxel } = placed;
    if let Some(cells) = solid.size.iter().find(|n| **n > LONGEST) {
        let reason = format!("{cells} cells along an axis are more than {LONGEST}");
        return Err(DeviceError::Unsupported { op: SOURCE.op, device: device.name(), reason });
    }
    let [width, layer] = placed.strides();
    let table = device.put_words("table", &[0; 2048])?;
    for piece in device.pieces(voxel.words) {
        let (params, groups) = ([piece.len() as u32, width, layer], device.counting(piece.len()));
        let buffers = [cells, &voxel.slice(piece), &table];
        device.launch(&Launch::new(SOURCE, "mesh", &buffers, &params, groups))?;
    }
    let words = device.download(&table)?;
    let wide = |k: usize| u64::from(words[k]) | u64::from(words[1024 + k]) << 32;
    let tally = |case: usize| Tally {
        cubes: wide(4 * case),
        places: [wide(4 * case + 1), wide(4 * case + 2), wide(4 * case + 3)],
    };
    Ok(Mesh::from_tallies(&(0..256).map(tally).collect::<Vec<_>>(), solid.spacing))
}
