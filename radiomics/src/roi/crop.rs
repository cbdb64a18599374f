//! An image without what lies far from a region (PyRadiomics `cropToTumorMask`, `preCrop`).

use super::Region;
use crate::image::{Geometry, Image, Samples};

/// The image in the box of the region with up to `pad` voxels round it, and the region there.
pub(crate) fn cropped(image: &Image, region: &Region, pad: usize) -> (Image, Region) {
    let old = &image.geometry;
    let low: [usize; 3] = std::array::from_fn(|k| region.corner[k].saturating_sub(pad));
    let size = std::array::from_fn(|k| (region.corner[k] + region.size[k] + pad).min(old.size[k]) - low[k]);
    let step = |row: usize, k: usize| old.direction[k][row] * old.spacing[k] * low[k] as f64;
    let origin = std::array::from_fn(|row| old.origin[row] + (0..3).map(|k| step(row, k)).sum::<f64>());
    let rows = (0..size[2]).flat_map(|z| (0..size[1]).map(move |y| (y, z)));
    let starts = rows.map(|(y, z)| old.index([low[0], y + low[1], z + low[2]]));
    let samples = match &image.samples {
        Samples::I16(v) => Samples::I16(starts.flat_map(|k| &v[k..k + size[0]]).copied().collect()),
        Samples::F32(v) => Samples::F32(starts.flat_map(|k| &v[k..k + size[0]]).copied().collect()),
        Samples::F64(v) => Samples::F64(starts.flat_map(|k| &v[k..k + size[0]]).copied().collect()),
    };
    let geometry = Geometry { size, origin, ..old.clone() };
    let corner = std::array::from_fn(|k| region.corner[k] - low[k]);
    (Image { geometry, samples }, Region { corner, ..region.clone() })
}
