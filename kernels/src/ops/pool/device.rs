//! The device versions: f32 over blocks of tiles and over blocks of blocks, f64 on the host across these.

use half::slice::HalfFloatSliceExt;

use super::{BLOCK, Pool, Precision, Rows};
use crate::backend::{Device, DeviceError, GROUP, Launch, Source};

pub(super) const SOURCE: Source =
    Source { op: "pool", wgsl: include_str!("pool.wgsl"), cuda: include_str!("pool.cu") };

/// Stored types, as the kernels know them.
pub(crate) const F16: u32 = 0;
pub(crate) const BF16: u32 = 1;
pub(crate) const F32: u32 = 2;

/// The words of some rows and their type; `None` for f64, which WGSL does not have.
pub(crate) fn words(rows: Rows) -> Option<(Vec<u32>, u32)> {
    Some(match rows {
        Rows::F16(v) => (bytemuck::pod_collect_to_vec(v.reinterpret_cast()), F16),
        Rows::Bf16(v) => (bytemuck::pod_collect_to_vec(v.reinterpret_cast()), BF16),
        Rows::F32(v) => (bytemuck::pod_collect_to_vec(v), F32),
        Rows::F64(_) => return None,
    })
}

/// Why there is no version in f64.
pub(crate) fn unsupported(op: &'static str, device: &dyn Device) -> DeviceError {
    let reason = "devices sum in f32; f64 is for the processor".to_owned();
    DeviceError::Unsupported { op, device: device.name(), reason }
}

impl Pool {
    /// Adds tiles on a device, as [`Pool::add`] does on the processor.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] for rows or sums in f64, else what the device says.
    ///
    /// # Panics
    /// If `rows` are not whole tiles.
    pub fn add_on(&mut self, device: &dyn Device, rows: Rows) -> Result<(), DeviceError> {
        let width = self.width;
        assert_eq!(rows.len() % width.max(1), 0, "pool: whole tiles");
        let tiles = rows.len() / width.max(1);
        if self.precision == Precision::Double {
            return Err(unsupported("pool", device));
        }
        if self.tiles == 0 {
            self.choose_shift(rows, tiles);
        }
        let limits = device.limits();
        // Whole blocks, as many as one binding and the grid take.
        let most = (limits.binding_words / width.max(1)).min(limits.groups as usize * BLOCK);
        let piece = (most / BLOCK * BLOCK).max(BLOCK);
        let shift = device.put("shift", &self.shift)?;
        for start in (0..tiles).step_by(piece) {
            let here = piece.min(tiles - start);
            let part = rows.part(start * width, (start + here) * width);
            let (words, stored) = words(part).ok_or_else(|| unsupported("pool", device))?;
            let (blocks, folds) = (here.div_ceil(BLOCK), here.div_ceil(BLOCK * BLOCK));
            let rows = device.put_words("rows", &words)?;
            let partial = device.alloc("partial", 4 * width * blocks)?;
            let folded = device.alloc("folded", 4 * width * folds)?;
            let launch = |entry, buffers: &[_], count: usize, groups: usize| {
                let params = [count as u32, width as u32, stored];
                let grid = [width.div_ceil(GROUP) as u32, groups as u32, 1];
                Launch::new(SOURCE, entry, buffers, &params, grid)
            };
            device.run([
                launch("pool_blocks", &[&rows, &shift, &partial], here, blocks),
                launch("pool_fold", &[&partial, &folded], blocks, folds),
            ])?;
            for sums in device.get(&folded)?.chunks(4 * width) {
                for (j, sum) in sums[..width].iter().enumerate() {
                    let of = |k: usize| f64::from(sums[k * width + j]);
                    self.sum[j] += f64::from(*sum);
                    self.square[j] += of(1);
                    self.max[j] = self.max[j].max(of(2));
                    self.min[j] = self.min[j].min(of(3));
                }
            }
        }
        self.tiles += tiles as u64;
        Ok(())
    }
}
