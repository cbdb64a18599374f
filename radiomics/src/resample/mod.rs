//! Resampling to another voxel spacing (PyRadiomics `resampleImage`, ITK `ResampleImageFilter`).
//!
//! The new grid is anchored to the outer corner of the old one and covers the region with a
//! margin; the image is interpolated, the mask takes its nearest voxel. Values of an integer image
//! are cut to integers, as ITK casts them.

mod spline;

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::image::{Geometry, Image, Samples};
use crate::roi::Region;
use crate::settings::Settings;

/// How values between voxel centres are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolator {
    /// The nearest voxel.
    Nearest,
    /// Trilinear.
    Linear,
    /// Cubic B-spline.
    BSpline,
}

/// Where the voxels of the new grid lie on the old one, along one axis.
#[derive(Debug, Clone, Copy)]
struct Axis {
    /// Voxels of the new grid.
    size: usize,
    /// Old index of the first new voxel.
    start: f64,
    /// Old voxels per new one.
    step: f64,
}

impl Axis {
    /// Old indices of the new voxels, as ITK computes them along a line.
    fn places(&self) -> Vec<f64> {
        (0..self.size).map(|k| self.start + k as f64 * self.step).collect()
    }
}

/// Image and region on the grid of `spacing` round the region; `None` if it is the grid they have.
///
/// # Errors
/// If no voxel of the new grid is nearest to one of the region, or the new grid is too large.
pub(crate) fn resample(
    image: &Image,
    region: &Region,
    spacing: [f64; 3],
    settings: &Settings,
) -> Result<Option<(Image, Region)>, RadiomicsError> {
    let old = &image.geometry;
    // A spacing of 0 and a region of one slice keep theirs.
    let spacing: [f64; 3] = std::array::from_fn(|k| {
        if spacing[k] == 0.0 || region.size[k] == 1 { old.spacing[k] } else { spacing[k] }
    });
    if spacing == old.spacing {
        return Ok(None);
    }
    let refuse = |reason| RadiomicsError::Region { label: region.label.clone(), reason };
    let pad = f64::from(settings.pad_distance);
    let axes: [Axis; 3] = std::array::from_fn(|k| {
        let ratio = old.spacing[k] / spacing[k];
        let (first, count) = (region.corner[k] as f64, region.size[k] as f64);
        let low = ((first - 0.5) * ratio - pad).floor().max(0.0);
        let most = (old.size[k] as f64 * ratio).ceil() - 1.0;
        let high = ((first + count - 0.5) * ratio + pad).ceil().min(most);
        let start = 0.5 * (spacing[k] - old.spacing[k]) / old.spacing[k] + low / ratio;
        Axis { size: (high - low) as usize + 1, start, step: spacing[k] / old.spacing[k] }
    });
    let size = axes.map(|a| a.size);
    if size.iter().map(|n| *n as f64).product::<f64>() > f64::from(u32::MAX) {
        return Err(refuse(format!("resampled to {size:?} voxels, too many")));
    }
    let origin = std::array::from_fn(|row| {
        old.origin[row] + (0..3).map(|k| old.direction[k][row] * old.spacing[k] * axes[k].start).sum::<f64>()
    });
    let geometry = Geometry { size, spacing, origin, direction: old.direction };
    let near = nearest(old.size, &axes);
    let values = match settings.interpolator {
        Interpolator::Nearest => gather(&near, |at| at.map_or(0.0, |at| image.samples.get(old.index(at)))),
        Interpolator::Linear => interpolate(old.size, &axes, |at| linear(image, at)),
        Interpolator::BSpline => {
            let coefficients = spline::coefficients(image);
            interpolate(old.size, &axes, |at| spline::value(&coefficients, old.size, at))
        }
    };
    let samples = match image.samples {
        Samples::I16(_) => Samples::I16(values.into_iter().map(|v| v as i16).collect()),
        Samples::F32(_) => Samples::F32(values.into_iter().map(|v| v as f32).collect()),
        Samples::F64(_) => Samples::F64(values),
    };
    let member = gather(&near, |at| at.is_some_and(|at| region.contains(at)));
    let voxels = (0..member.len()).filter(|&k| member[k]).map(|k| k as u32).collect();
    let whole = Region { label: region.label.clone(), corner: [0; 3], size, spacing, voxels };
    let inner = whole.subset(|_| true).ok_or_else(|| refuse("it vanished when resampled".to_owned()))?;
    Ok(Some((Image { geometry, samples }, inner)))
}

/// Nearest old voxel along each axis; `None` outside the old grid.
type Nearest = [Vec<Option<usize>>; 3];

fn nearest(size: [usize; 3], axes: &[Axis; 3]) -> Nearest {
    std::array::from_fn(|k| {
        let near = |p: f64| inside(p, size[k]).then(|| (p + 0.5).floor() as usize);
        axes[k].places().into_iter().map(near).collect()
    })
}

fn gather<T: Send>(near: &Nearest, value: impl Fn(Option<[usize; 3]>) -> T + Sync) -> Vec<T> {
    let [x, y, z] = near;
    z.par_iter()
        .flat_map_iter(|&z| {
            let value = &value;
            y.iter().flat_map(move |&y| {
                x.iter().map(move |&x| value(x.zip(y).zip(z).map(|((x, y), z)| [x, y, z])))
            })
        })
        .collect()
}

/// Values at all new voxels; 0 outside the old grid.
fn interpolate(size: [usize; 3], axes: &[Axis; 3], value: impl Fn([f64; 3]) -> f64 + Sync) -> Vec<f64> {
    let [x, y, z] = [0, 1, 2].map(|k| axes[k].places());
    z.par_iter()
        .flat_map_iter(|&z| {
            let (value, x) = (&value, &x);
            y.iter().flat_map(move |&y| {
                x.iter().map(move |&x| {
                    let at = [x, y, z];
                    if (0..3).all(|k| inside(at[k], size[k])) { value(at) } else { 0.0 }
                })
            })
        })
        .collect()
}

/// Whether a place lies in one of the voxels of an axis.
fn inside(place: f64, size: usize) -> bool {
    (-0.5..size as f64 - 0.5).contains(&place)
}

/// Trilinear interpolation, the image continued by its border voxels.
fn linear(image: &Image, at: [f64; 3]) -> f64 {
    let size = image.geometry.size;
    let low: [usize; 3] = std::array::from_fn(|k| at[k].floor().max(0.0) as usize);
    let high: [usize; 3] = std::array::from_fn(|k| (low[k] + 1).min(size[k] - 1));
    let part: [f64; 3] = std::array::from_fn(|k| (at[k] - low[k] as f64).max(0.0));
    let value = |x: usize, y: usize, z: usize| image.samples.get(image.geometry.index([x, y, z]));
    let between = |a: f64, b: f64, t: f64| a + (b - a) * t;
    let along_x = |y: usize, z: usize| between(value(low[0], y, z), value(high[0], y, z), part[0]);
    let along_y = |z: usize| between(along_x(low[1], z), along_x(high[1], z), part[1]);
    between(along_y(low[2]), along_y(high[2]), part[2])
}
