//! The device versions: a dense matrix per direction.

use super::{DENSE, Pairs};
use crate::backend::{Device, DeviceError, Launch, Source};
use crate::voxels::{LevelGrid, Offset};

pub(super) const SOURCE: Source =
    Source { op: "glcm", wgsl: include_str!("glcm.wgsl"), cuda: include_str!("glcm.cu") };

/// Counts the pairs at each offset.
///
/// # Errors
/// [`DeviceError::Unsupported`] with more than 2048 levels, else what the device says.
pub fn pairs(device: &dyn Device, grid: &LevelGrid, offsets: &[Offset]) -> Result<Vec<Pairs>, DeviceError> {
    let levels = grid.levels.len();
    if levels > DENSE {
        let reason = format!("{levels} grey levels are more than {DENSE}, beyond which pairs are sorted");
        return Err(DeviceError::Unsupported { op: SOURCE.op, device: device.name(), reason });
    }
    let cells = device.put_words("cells", &bytemuck::pod_collect_to_vec::<u16, u32>(&grid.cells))?;
    let voxel = device.put_words("voxel", &grid.voxels)?;
    let size = levels * levels;
    let most = (device.limits().binding_words / size.max(1)).max(1);
    let mut all = Vec::with_capacity(offsets.len());
    for part in offsets.chunks(most) {
        // Steps back wrap round, as the sums in the kernels do.
        let strides: Vec<u32> = part.iter().map(|&o| grid.stride(o) as u32).collect();
        let stride = device.put_words("stride", &strides)?;
        let count = device.put_words("count", &vec![0; part.len() * size])?;
        for piece in device.pieces(voxel.words) {
            let [x, y, _] = device.counting(piece.len());
            let params = [piece.len() as u32, levels as u32];
            let voxel = voxel.slice(piece);
            let buffers = [&cells, &voxel, &stride, &count];
            device.launch(&Launch::new(SOURCE, "glcm", &buffers, &params, [x, y, part.len() as u32]))?;
        }
        let counts = device.download(&count)?;
        all.extend((0..part.len()).map(|k| entries(&counts[k * size..][..size], levels)));
    }
    Ok(all)
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
