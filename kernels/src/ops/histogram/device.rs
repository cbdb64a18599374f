//! The device versions. They search among the edges themselves, compared as f64 (in WGSL as integers
//! of the same order), so that levels are those of the processor.

use super::Edges;
use crate::backend::{ALIGNMENT, Device, DeviceError, Launch, Source};

pub(super) const SOURCE: Source =
    Source { op: "histogram", wgsl: include_str!("histogram.wgsl"), cuda: include_str!("histogram.cu") };

/// The edges at or below the highest value.
fn listed(edges: &Edges, values: &[f64]) -> Vec<f64> {
    match edges {
        Edges::Listed(edges) => edges.clone(),
        Edges::Regular { start, step } => {
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (0u32..).map(|i| start + f64::from(i) * step).take_while(|e| *e <= most).collect()
        }
    }
}

/// Level of each value, and how many values are in each level up to the highest.
///
/// # Errors
/// If there are more edges than the device can see at once, or it fails.
pub fn levels(
    device: &dyn Device,
    edges: &Edges,
    values: &[f64],
) -> Result<(Vec<u32>, Vec<u64>), DeviceError> {
    let edges = listed(edges, values);
    let edge = device.put_words("edge", bytemuck::cast_slice(&edges))?;
    let count = device.put_words("count", &vec![0; edges.len() + 1])?;
    let most = (device.limits().binding_words / 2 / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
    let mut levels = Vec::with_capacity(values.len());
    for part in values.chunks(most) {
        let value = device.put_words("value", bytemuck::cast_slice(part))?;
        let level = device.alloc("level", part.len())?;
        let params = [part.len() as u32, edges.len() as u32];
        let buffers = [&value, &edge, &level, &count];
        device.launch(&Launch::new(SOURCE, "histogram", &buffers, &params, device.counting(part.len())))?;
        levels.extend(device.download(&level)?);
    }
    let mut counts: Vec<u64> = device.download(&count)?.into_iter().map(u64::from).collect();
    counts.truncate(counts.iter().rposition(|n| *n > 0).map_or(0, |last| last + 1));
    Ok((levels, counts))
}
