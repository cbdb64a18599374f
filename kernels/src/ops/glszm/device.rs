//! The device versions: sizes are counted at the roots of the components, then zones by level and size.

use crate::backend::{DeviceError, Launch, Source};
use crate::ops::components::device::{Roots, roots};
use crate::voxels::device::{Counter, Placed};
use crate::voxels::{Extent, Offset};

pub(super) const SOURCE: Source =
    Source { op: "glszm", wgsl: include_str!("glszm.wgsl"), cuda: include_str!("glszm.cu") };

/// As [`zones`](super::zones), to the bit.
///
/// # Errors
/// If the cells or the zones are more than the device can see at once, or it fails.
pub fn zones(placed: &Placed, steps: &[Offset]) -> Result<Vec<Extent>, DeviceError> {
    let Placed { device, grid, cells, voxel } = placed;
    let (levels, voxels) = (grid.levels.len(), grid.count());
    let Roots { root, by_cell: size } = roots(placed, steps)?;
    let counter = Counter::new(*device, levels, voxels, 1)?;
    let params = [voxels, levels, counter.tabled, counter.list].map(|n| n as u32);
    let launch = |entry, buffers: &[_], groups| Launch::new(SOURCE, entry, buffers, &params, groups);
    let (each, many) = (device.elementwise(voxels), device.counting(voxels));
    let counts = [&counter.table, &counter.found, &counter.large];
    device.run([
        launch("glszm_start", &[voxel, &size], each),
        launch("glszm_sizes", &[&root, &size], many),
        launch("glszm", &[&[voxel, &size, &root, cells], &counts[..]].concat(), each),
    ])?;
    Ok(counter.collect(*device)?.into_iter().flatten().collect())
}
