//! The device versions.

use super::{Neighbourhood, Tally};
use crate::backend::{DeviceError, Launch, Source};
use crate::voxels::Offset;
use crate::voxels::device::Placed;

pub(super) const SOURCE: Source = Source {
    op: "neighbourhood",
    wgsl: include_str!("neighbourhood.wgsl"),
    cuda: include_str!("neighbourhood.cu"),
};

/// As [`super::neighbourhoods`], to the bit.
///
/// # Errors
/// [`DeviceError::Unsupported`] if a sum of neighbours' levels may not fit 32 bits, else what the
/// device says.
pub fn neighbourhoods(placed: &Placed, steps: &[Offset], alpha: u32) -> Result<Neighbourhood, DeviceError> {
    let Placed { device, grid, cells, voxel } = placed;
    let strides: Vec<u32> = placed.strides(steps).into_iter().flat_map(|s| [s, s.wrapping_neg()]).collect();
    let highest = grid.levels.last().map_or(0, |&l| u64::from(l));
    if highest * strides.len() as u64 > u64::from(u32::MAX) {
        let reason = format!("{} neighbours of grey level {highest} do not add up in 32 bits", strides.len());
        return Err(DeviceError::Unsupported { op: SOURCE.op, device: device.name(), reason });
    }
    let width = strides.len() + 1;
    let size = grid.levels.len() * width;
    let value: Vec<u32> = std::iter::once(0).chain(grid.levels.iter().copied()).collect();
    let stride = device.put_words("stride", &strides)?;
    let value = device.put_words("value", &value)?;
    let table = device.put_words("table", &vec![0; 3 * size])?;
    for piece in device.pieces(voxel.words) {
        let params = [piece.len(), grid.levels.len(), strides.len()].map(|x| x as u32);
        let params = [params.as_slice(), &[alpha]].concat();
        let grid = device.counting(piece.len());
        let buffers = [cells, &voxel.slice(piece), &stride, &value, &table];
        device.launch(&Launch::new(SOURCE, "neighbourhood", &buffers, &params, grid))?;
    }
    let words: Vec<u64> = device.download(&table)?.into_iter().map(u64::from).collect();
    let apart = (size..2 * size).map(|k| words[k] | words[size + k] << 32).collect();
    Ok(Tally { dependence: words[..size].to_vec(), apart }.finish(width))
}
