//! The edge of the field of view. Where a body goes on beyond the circle that a scanner reconstructs,
//! its inner side is bright: values rise towards the circle, from some 30 mm inside on, far into
//! those of bone.
//!
//! Beyond the circle images are padded with one value, lower than all others. Where voxels like bone touch
//! the padding there is such a rim, as no bone lies bare: within `edgeLost` of these places
//! nothing is taken for bone, within `edgeDepth` only voxels from `edgeHU` on.

use super::bits::Bits;
use super::settings::Settings;
use crate::image::Image;

/// Distance in mm at which a voxel touches the padding.
const TOUCH: f64 = 2.0;

/// Voxels that may have the values of bone without being bone.
pub(super) fn rim(ct: &Image, settings: &Settings) -> Bits {
    let grid = &ct.geometry;
    let (plane, none) = (grid.size[0] * grid.size[1], Bits::empty(grid.size));
    let depth = settings.get("edgeDepth");
    if depth == 0.0 {
        return none;
    }
    let value = |i: usize| ct.samples.get(i);
    let lowest = (0..ct.samples.len()).map(value).fold(f64::INFINITY, f64::min);
    // A cylinder: the same in all slices, which air with its noise is not, and round the rest.
    let same = (0..plane).map(|k| (k..ct.samples.len()).step_by(plane).all(|i| value(i) == lowest));
    let padded = from_border(same.collect(), grid.size[0]);
    if !padded.contains(&true) {
        return none;
    }
    let least = settings.get("boneHU");
    let bright = Bits::of(grid.size, |i| value(i) >= least);
    let padding = Bits::of(grid.size, |i| padded[i % plane]);
    let touched = bright.dilate(TOUCH, grid.spacing).and(&padding);
    if touched.count() == 0 {
        return none;
    }
    let sure = settings.get("edgeHU");
    let doubtful = touched.dilate(depth, grid.spacing).and(&Bits::of(grid.size, |i| value(i) < sure));
    doubtful.or(&touched.dilate(settings.get("edgeLost"), grid.spacing))
}

/// The places of a plane, in rows of `nx`, that are connected with its border.
fn from_border(mut open: Vec<bool>, nx: usize) -> Vec<bool> {
    let rows = open.len() / nx;
    let mut reached = vec![false; open.len()];
    let border =
        (0..open.len()).filter(|k| k % nx == 0 || k % nx == nx - 1 || k / nx == 0 || k / nx == rows - 1);
    let mut next: Vec<usize> = border.collect();
    while let Some(k) = next.pop() {
        if std::mem::take(&mut open[k]) {
            reached[k] = true;
            let (x, y) = (k % nx, k / nx);
            let beside = [(x > 0, k.wrapping_sub(1)), (x + 1 < nx, k + 1)];
            let above = [(y > 0, k.wrapping_sub(nx)), (y + 1 < rows, k + nx)];
            next.extend(beside.into_iter().chain(above).filter(|(there, _)| *there).map(|(_, k)| k));
        }
    }
    reached
}
