//! The skeleton in a CT image, by thresholds, for want of a label map.
//!
//! 1. Body: voxels from `bodyHU` on, opened by a ball of `bodyOpening`, so that the table falls
//!    away; holes of the axial slices filled (lungs, bowel).
//! 2. Metal from `implantHU` on with `implantMargin` round it is taken out of everything.
//! 3. Candidates: voxels from `boneHU` on (at the edge of the field of view with care: `edge.rs`), also in the mean of the disk of `smoothing` round them, in
//!    connected parts that reach `seedHU`. A part whose core
//!    is as dense as its shell (`coreRatio`) and even (`coreSpread`) is contrast agent, not bone.
//! 4. Closing by `closing`, then holes of the slices in all three planes up to `hole` filled, within
//!    the body, but not with air. Parts below `partVolume` are dropped. `dilate` is added last.
//!
//! Thresholds lose what is not dense: lytic lesions that reach beyond the bone, thin and osteopenic
//! bone. In myeloma that is the disease. A label map from a trained model ([`Bone`]) is the better
//! way wherever there is one.

mod bits;
mod bones;
mod by_volume;
mod edge;
mod section;
mod settings;

pub use bones::{Bone, Group, bones};
pub use section::{Section, offset, sections};
pub use settings::{PARAMETERS, Parameter, Settings};

use crate::error::RadiomicsError;
use crate::image::{Geometry, Image, Labels};
use bits::Bits;

/// A skeleton and what was left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Skeleton {
    /// 1 in the skeleton, on the grid of the CT.
    pub mask: Labels,
    /// Volumes on the way.
    pub volumes: Volumes,
    /// The body, slice by slice.
    pub body: Vec<Section>,
    /// Whether the body is cut off at a side of the image, so that bones may be missing.
    pub truncated: bool,
}

/// Volumes in ml.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Volumes {
    /// The body without the table.
    pub body: f64,
    /// Metal.
    pub implants: f64,
    /// Parts taken for contrast agent.
    pub contrast: f64,
    /// The skeleton.
    pub skeleton: f64,
}

/// Finds the skeleton in a CT image in Hounsfield units.
///
/// # Errors
/// If the image is too large, is not in Hounsfield units (nothing like air, or nothing like a body), or
/// holds no bone.
pub fn segment(ct: &Image, settings: &Settings) -> Result<Skeleton, RadiomicsError> {
    let grid = &ct.geometry;
    let refuse = |reason: String| RadiomicsError::Region { label: "skeleton".into(), reason };
    if u32::try_from(grid.voxels()).is_err() {
        return Err(refuse(format!("the image of {:?} voxels is too large", grid.size)));
    }
    let value = |name: &str| settings.get(name);
    let at_least = |name| {
        let least = value(name);
        Bits::of(grid.size, |i| ct.samples.get(i) >= least)
    };
    let ml = |bits: &Bits| bits.count() as f64 * grid.voxel_volume() / 1000.0;
    let voxels = |name: &str| (value(name) * 1000.0 / grid.voxel_volume()).ceil() as usize;

    let tissue = at_least("bodyHU");
    let body = body(&tissue, grid, value("bodyOpening"), voxels("bodyVolume"));
    if body.count() == 0 {
        return Err(refuse("there is no body; are the values Hounsfield units?".to_owned()));
    }
    let metal = at_least("implantHU").and(&body);
    let spoilt = metal.dilate(value("implantMargin"), grid.spacing);
    // The body has its lungs, which closing and filling between ribs would take for bone.
    let usable = body.and(&tissue).without(&spoilt);

    let dense = dense(ct, value("boneHU"), value("smoothing")).without(&edge::rim(ct, settings));
    let (bone, contrast) = candidates(ct, &dense.and(&usable), settings);
    let closed = close(&bone, value("closing"), grid.spacing).and(&usable);
    let filled = fill(&closed, value("hole"), grid).and(&usable);
    let least = voxels("partVolume");
    let whole = filled.keep(|part| part.voxels >= least);
    if whole.count() == 0 {
        return Err(refuse(format!("there is no bone from {} HU on", value("boneHU"))));
    }
    let mask = whole.dilate(value("dilate"), grid.spacing).and(&usable);
    let volumes =
        Volumes { body: ml(&body), implants: ml(&metal), contrast: ml(&contrast), skeleton: ml(&mask) };
    let values = (0..grid.voxels()).map(|i| u16::from(mask.has(i))).collect();
    let (sections, truncated) = (section::of_bits(&body, grid), cut_off(&body));
    let mask = Labels { geometry: grid.clone(), values };
    Ok(Skeleton { mask, volumes, body: sections, truncated })
}

/// What is thick enough to be a body, with what it encloses.
fn body(dense: &Bits, grid: &Geometry, opening: f64, least: usize) -> Bits {
    let thick = dense.erode(opening, grid.spacing).dilate(opening, grid.spacing);
    let parts = thick.keep(|part| part.voxels >= least);
    parts.fill_slices(2, usize::MAX)
}

/// Whether the body touches a side of the image (not its ends along z, where scans begin and end).
fn cut_off(body: &Bits) -> bool {
    let [nx, ny, nz] = body.size;
    let cut = |x: usize, y: usize, z: usize| body.has((z * ny + y) * nx + x);
    (0..nz).any(|z| {
        (0..ny).any(|y| cut(0, y, z) || cut(nx - 1, y, z))
            || (0..nx).any(|x| cut(x, 0, z) || cut(x, ny - 1, z))
    })
}

/// Voxels from `least` on that are so in the mean of the disk round them in their slice too: the noise of
/// a low-dose CT alone lifts many voxels of muscle so far, and closing would join them to bone.
fn dense(ct: &Image, least: f64, radius: f64) -> Bits {
    let grid = &ct.geometry;
    let [nx, ny, _] = grid.size;
    let [rx, ry] = [0, 1].map(|k| (radius / grid.spacing[k]).floor() as isize);
    let far = |dx: isize, dy: isize| (dx as f64 * grid.spacing[0]).hypot(dy as f64 * grid.spacing[1]);
    let disk: Vec<(isize, isize)> = (-ry..=ry)
        .flat_map(|dy| (-rx..=rx).map(move |dx| (dx, dy)))
        .filter(|&(dx, dy)| far(dx, dy) <= radius)
        .collect();
    let mean = |i: usize| {
        let (x, y, slice) = (i % nx, i / nx % ny, i - i % (nx * ny));
        let near = disk.iter().filter_map(|&(dx, dy)| {
            let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
            (x < nx && y < ny).then(|| ct.samples.get(slice + y * nx + x))
        });
        let (sum, n) = near.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
        sum / n
    };
    Bits::of(grid.size, |i| ct.samples.get(i) >= least && mean(i) >= least)
}

/// Parts that are bone, and parts that are contrast agent.
fn candidates(ct: &Image, dense: &Bits, settings: &Settings) -> (Bits, Bits) {
    let grid = &ct.geometry;
    let (mut bone, mut contrast) = (Bits::empty(grid.size), Bits::empty(grid.size));
    let core = dense.erode(settings.get("coreDepth"), grid.spacing);
    let seed = settings.get("seedHU");
    for part in dense.parts() {
        let [mut inner, mut outer] = [(0.0, 0.0, 0.0); 2];
        let mut peak = f64::NEG_INFINITY;
        part.places(grid.size).for_each(|i| {
            let x = ct.samples.get(i);
            peak = peak.max(x);
            let side = if core.has(i) { &mut inner } else { &mut outer };
            *side = (side.0 + x, side.1 + x * x, side.2 + 1.0);
        });
        let mean = |(sum, _, n): (f64, f64, f64)| if n > 0.0 { sum / n } else { f64::NAN };
        // The outermost voxels of bone hold soft tissue too, so the shell of a bone with thick cortex
        // may be less dense than its core; but blood and urine are even, and bone is not.
        let spread = (inner.1 / inner.2 - mean(inner).powi(2)).max(0.0).sqrt() / mean(inner);
        let even = spread <= settings.get("coreSpread");
        // A part without a core, or without a shell, cannot be told from bone.
        if even && mean(inner) >= settings.get("coreRatio") * mean(outer) {
            contrast.add(&part);
        } else if peak >= seed {
            bone.add(&part);
        }
    }
    (bone, contrast)
}

fn close(bone: &Bits, radius: f64, spacing: [f64; 3]) -> Bits {
    bone.dilate(radius, spacing).erode(radius, spacing)
}

/// Holes of the slices in all three planes.
fn fill(bone: &Bits, area: f64, grid: &Geometry) -> Bits {
    let one = |axis: usize| {
        let pixel = grid.spacing[(axis + 1) % 3] * grid.spacing[(axis + 2) % 3];
        bone.fill_slices(axis, (area / pixel).floor() as usize)
    };
    one(0).or(&one(1)).or(&one(2))
}
