//! The device versions: sums about a centre, in f32 over blocks of rows and in f64 on the host across these.

use super::Statistics;
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::linear::BLOCK_ROWS;

pub(super) const SOURCE: Source =
    Source { op: "moments", wgsl: include_str!("moments.wgsl"), cuda: include_str!("moments.cu") };

/// Columns of a group of threads.
const TILE: usize = 16;

/// Rows that one binding can see.
struct Piece {
    z: Buffer,
    weight: Buffer,
    rows: usize,
}

/// Moments of `z` `[N, H]` under case weights `[N]`, in two passes as [`super::statistics`].
///
/// # Errors
/// If a block of rows is more than the device can see at once, or it fails.
///
/// # Panics
/// If `z` is not `[N, H]`.
pub fn statistics(
    device: &dyn Device,
    width: usize,
    z: &[f32],
    weight: &[f32],
) -> Result<Statistics, DeviceError> {
    assert_eq!(z.len(), weight.len() * width, "moments: z is [N, H]");
    let limits = device.limits();
    let blocks = (limits.binding_words / (width.max(1) * BLOCK_ROWS)).clamp(1, limits.groups as usize);
    let pieces = weight.chunks(blocks * BLOCK_ROWS).zip(z.chunks((blocks * BLOCK_ROWS * width).max(1)));
    let pieces: Vec<Piece> = pieces
        .map(|(w, z)| Ok(Piece { z: device.put("z", z)?, weight: device.put("weight", w)?, rows: w.len() }))
        .collect::<Result<_, DeviceError>>()?;
    let total: f64 = weight.iter().map(|&w| f64::from(w)).sum();
    let total = if total > 0.0 { total } else { 1.0 };
    // About zero first; then about the mean, which was rounded to f32 and is set right by the sums.
    let (first, _) = sums(device, &pieces, &vec![0.0; width])?;
    let centre: Vec<f32> = first.iter().map(|s| (s / total) as f32).collect();
    let (sum, square) = sums(device, &pieces, &centre)?;
    let off: Vec<f64> = sum.iter().map(|s| s / total).collect();
    Ok(Statistics {
        mean: centre.iter().zip(&off).map(|(&c, off)| f64::from(c) + off).collect(),
        var: square.iter().zip(&off).map(|(s, off)| (s / total - off * off).max(0.0)).collect(),
    })
}

/// Per column, the weighted sums of what is off the centre, and of its squares.
fn sums(device: &dyn Device, pieces: &[Piece], centre: &[f32]) -> Result<(Vec<f64>, Vec<f64>), DeviceError> {
    let width = centre.len();
    let (mut sum, mut square) = (vec![0.0; width], vec![0.0; width]);
    let centre = device.put("centre", centre)?;
    for Piece { z, weight, rows } in pieces {
        let blocks = rows.div_ceil(BLOCK_ROWS);
        let partial = device.alloc("partial", 2 * width * blocks)?;
        let grid = [width.div_ceil(TILE).max(1) as u32, blocks as u32, 1];
        let params = [*rows as u32, width as u32];
        device.launch(&Launch::new(SOURCE, "moments", &[z, weight, &centre, &partial], &params, grid))?;
        for block in device.get(&partial)?.chunks(2 * width.max(1)) {
            for j in 0..width {
                sum[j] += f64::from(block[j]);
                square[j] += f64::from(block[width + j]);
            }
        }
    }
    Ok((sum, square))
}
