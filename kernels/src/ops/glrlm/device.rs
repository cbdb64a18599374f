//! The device versions: a thread per voxel, which follows the run that begins there.

use super::has_two_in_line;
use crate::backend::{DeviceError, Launch, Source};
use crate::voxels::device::{Counter, Placed};
use crate::voxels::{Extent, Offset};

pub(super) const SOURCE: Source =
    Source { op: "glrlm", wgsl: include_str!("glrlm.wgsl"), cuda: include_str!("glrlm.cu") };

/// The runs along each offset (a step of one voxel), as [`runs`](super::runs) has them.
///
/// # Errors
/// If the runs of a direction are more than the device can see at once, or it fails.
pub fn runs(placed: &Placed, offsets: &[Offset]) -> Result<Vec<Vec<Extent>>, DeviceError> {
    let Placed { device, grid, cells, voxel } = placed;
    let (levels, voxels) = (grid.levels.len(), grid.count());
    let mut all = Vec::with_capacity(offsets.len());
    for part in offsets.chunks(Counter::most_parts(*device, levels, voxels)) {
        let stride = device.put_words("stride", &placed.strides(part))?;
        let counter = Counter::new(*device, levels, voxels, part.len())?;
        for piece in device.pieces(voxels) {
            let [x, y, _] = device.counting(piece.len());
            let params = [piece.len(), levels, counter.tabled, counter.list].map(|n| n as u32);
            let voxel = voxel.slice(piece);
            let buffers = [cells, &voxel, &stride, &counter.table, &counter.found, &counter.large];
            device.launch(&Launch::new(SOURCE, "glrlm", &buffers, &params, [x, y, part.len() as u32]))?;
        }
        for (runs, &offset) in counter.collect(*device)?.into_iter().zip(part) {
            let counts = runs.iter().any(|run| run.size > 1) || has_two_in_line(grid, offset);
            all.push(if counts { runs } else { Vec::new() });
        }
    }
    Ok(all)
}
