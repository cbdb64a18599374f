//! The device versions: a thread per line. CUDA computes in f64 and rounds the two directions to f32; WGSL has no
//! f64 and computes in f32.

use std::ops::Range;

use super::Recursive;
use crate::backend::{Device, DeviceError, Launch, Source};
use crate::voxels::Volume;

pub(super) const SOURCE: Source =
    Source { op: "recursive", wgsl: include_str!("recursive.wgsl"), cuda: include_str!("recursive.cu") };

impl Recursive {
    /// As [`Recursive::along`]; a volume that one binding cannot see is taken in parts.
    ///
    /// # Errors
    /// If a layer of the volume is more than the device can see at once, or it fails.
    ///
    /// # Panics
    /// If `keep` is not within the lines.
    pub fn along_on<V: AsRef<[f32]>>(
        &self,
        device: &dyn Device,
        volume: &Volume<V>,
        axis: usize,
        keep: Range<usize>,
    ) -> Result<Volume<Vec<f32>>, DeviceError> {
        assert!(keep.start <= keep.end && keep.end <= volume.size[axis], "{keep:?} of {:?}", volume.size);
        let all = [self.n, self.m, self.d, self.border_n, self.border_m].concat();
        let high: Vec<f32> = all.iter().map(|c| *c as f32).collect();
        let low = all.iter().zip(&high).map(|(c, high)| (c - f64::from(*high)) as f32);
        let coefficient = device.put("coefficient", &high.iter().copied().chain(low).collect::<Vec<_>>())?;
        volume.along_on(device, axis, keep.len(), |part| {
            let inner: usize = part.size[..axis].iter().product();
            let (extent, lines) = (part.size[axis], part.values.len() / part.size[axis]);
            let (values, out) =
                (device.put("volume", &part.values)?, device.alloc("out", lines * keep.len())?);
            let params = [lines, extent, inner, keep.start, keep.end].map(|x| x as u32);
            let (buffers, groups) = ([&values, &coefficient, &out], device.elementwise(lines));
            device.launch(&Launch::new(SOURCE, "recursive", &buffers, &params, groups))?;
            device.get(&out)
        })
    }
}
