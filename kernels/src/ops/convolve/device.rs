//! The device versions: a thread per output, in f32.

use crate::backend::{Device, DeviceError, Launch, Source};
use crate::voxels::Volume;

pub(super) const SOURCE: Source =
    Source { op: "convolve", wgsl: include_str!("convolve.wgsl"), cuda: include_str!("convolve.cu") };

/// As [`convolve`](super::convolve); a volume that one binding cannot see is taken in parts.
///
/// # Errors
/// If a layer of the volume is more than the device can see at once, or it fails.
///
/// # Panics
/// If there are fewer places than taps, or one beyond the end of a line.
pub fn convolve<V: AsRef<[f32]>>(
    device: &dyn Device,
    volume: &Volume<V>,
    axis: usize,
    taps: &[f32],
    places: &[usize],
) -> Result<Volume<Vec<f32>>, DeviceError> {
    assert!(!taps.is_empty() && places.len() >= taps.len(), "{} taps, {} places", taps.len(), places.len());
    assert!(places.iter().all(|p| *p < volume.size[axis]), "places beyond {}", volume.size[axis]);
    let length = places.len() + 1 - taps.len();
    let tap = device.put("tap", taps)?;
    let place = device.put_words("place", &places.iter().map(|&p| p as u32).collect::<Vec<_>>())?;
    volume.along_on(device, axis, length, |part| {
        let inner: usize = part.size[..axis].iter().product();
        let n = part.values.len() / part.size[axis] * length;
        let (values, out) = (device.put("volume", &part.values)?, device.alloc("out", n)?);
        let params = [n, taps.len(), length, inner, part.size[axis]].map(|x| x as u32);
        let buffers = [&values, &tap, &place, &out];
        device.launch(&Launch::new(SOURCE, "convolve", &buffers, &params, device.elementwise(n)))?;
        device.get(&out)
    })
}
