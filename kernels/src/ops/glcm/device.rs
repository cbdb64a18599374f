//! The device versions: a dense matrix per direction, or the pairs themselves where there are too many levels.

use super::{DENSE, Pairs};
use crate::backend::{DeviceError, Launch, Source};
use crate::voxels::Offset;
use crate::voxels::device::Placed;

pub(super) const SOURCE: Source =
    Source { op: "glcm", wgsl: include_str!("glcm.wgsl"), cuda: include_str!("glcm.cu") };

/// Counts the pairs at each offset.
///
/// # Errors
/// If a matrix is more than the device can see at once, or it fails.
pub fn pairs(placed: &Placed, offsets: &[Offset]) -> Result<Vec<Pairs>, DeviceError> {
    let Placed { device, grid, cells, voxel } = placed;
    let levels = grid.levels.len();
    if levels > DENSE {
        return keyed(placed, offsets);
    }
    let size = levels * levels;
    let most = (device.limits().binding_words / size.max(1)).max(1);
    let mut all = Vec::with_capacity(offsets.len());
    for part in offsets.chunks(most) {
        let stride = device.put_words("stride", &placed.strides(part))?;
        let count = device.put_words("count", &vec![0; part.len() * size])?;
        for piece in device.pieces(voxel.words) {
            let [x, y, _] = device.counting(piece.len());
            let params = [piece.len() as u32, levels as u32];
            let voxel = voxel.slice(piece);
            let buffers = [cells, &voxel, &stride, &count];
            device.launch(&Launch::new(SOURCE, "glcm", &buffers, &params, [x, y, part.len() as u32]))?;
        }
        let counts = device.download(&count)?;
        all.extend((0..part.len()).map(|k| entries(&counts[k * size..][..size], levels)));
    }
    Ok(all)
}

/// The pairs of every voxel, sorted on the host.
fn keyed(placed: &Placed, offsets: &[Offset]) -> Result<Vec<Pairs>, DeviceError> {
    let Placed { device, cells, voxel, .. } = placed;
    let of = |stride: u32| {
        let mut keys = Vec::new();
        for piece in device.pieces(voxel.words) {
            let (n, key) = (piece.len(), device.alloc("key", piece.len())?);
            let buffers = [cells, &voxel.slice(piece), &key];
            let grid = device.elementwise(n);
            device.launch(&Launch::new(SOURCE, "glcm_keys", &buffers, &[n as u32, stride], grid))?;
            keys.extend(device.download(&key)?.into_iter().filter(|k| *k > 0));
        }
        keys.sort_unstable();
        let entry = |same: &[u32]| {
            let (low, high) = ((same[0] >> 16) as u16 - 1, same[0] as u16 - 1);
            (low, high, same.len() as u64 * if low == high { 2 } else { 1 })
        };
        Ok(Pairs { entries: keys.chunk_by(|a, b| a == b).map(entry).collect() })
    };
    placed.strides(offsets).into_iter().map(of).collect()
}

/// The symmetric matrix from its upper triangle: a pair of equal levels is seen from both ends.
fn entries(counts: &[u32], levels: usize) -> Pairs {
    let mut entries = Vec::new();
    for i in 0..levels {
        for j in i..levels {
            let n = u64::from(counts[i * levels + j]) * if i == j { 2 } else { 1 };
            if n > 0 {
                entries.push((i as u16, j as u16, n));
            }
        }
    }
    Pairs { entries }
}
