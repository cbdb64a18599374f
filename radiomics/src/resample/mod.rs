//! Resampling to another voxel spacing (PyRadiomics `resampleImage`, ITK `ResampleImageFilter`).
//!
//! The new grid is anchored to the outer corner of the old one (under the IBSI profile their centres lie in
//! one place) and covers the region with a
//! margin; the image is interpolated, the mask takes its nearest voxel. Values of an integer image
//! are cut to integers, as ITK casts them.

mod onto;
pub(crate) mod spline;

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::image::{Geometry, Image, Samples};
use crate::profile::Profile;
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

/// Old indices of the voxels of the new grid along each axis.
type Places = [Vec<f64>; 3];

/// Indices as ITK rounds them, which decides between voxels that are equally near: through points
/// in space and, along x, by interpolation between the ends of a line.
fn places(old: &Geometry, new: &Geometry) -> Places {
    let inverse = inverse(&old.direction, old.spacing);
    std::array::from_fn(|k| {
        let index = |i: f64| {
            let gap =
                |row: usize| new.origin[row] + new.direction[k][row] * new.spacing[k] * i - old.origin[row];
            (0..3).fold(0.0, |sum, row| sum + inverse[k][row] * gap(row))
        };
        let n = new.size[k];
        let (first, end) = (index(0.0), index(n as f64));
        let between = |i: usize| first + i as f64 / n as f64 * (end - first);
        (0..n).map(|i| if k == 0 { between(i) } else { index(i as f64) }).collect()
    })
}

/// Inverse of the matrix whose columns are the axes times the spacing, by cofactors.
fn inverse(direction: &[[f64; 3]; 3], spacing: [f64; 3]) -> [[f64; 3]; 3] {
    let m: [[f64; 3]; 3] = std::array::from_fn(|row| std::array::from_fn(|k| direction[k][row] * spacing[k]));
    let minor = |a: usize, b: usize, c: usize, d: usize| m[a][c] * m[b][d] - m[a][d] * m[b][c];
    let terms = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
        .map(|[a, b, c]| m[0][a] * m[1][b] * m[2][c] - m[0][a] * m[1][c] * m[2][b]);
    let scale = 1.0 / terms.iter().sum::<f64>();
    let cofactor = |row: usize, column: usize| {
        let (a, b) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        minor(a, b, c, d)
    };
    std::array::from_fn(|k| std::array::from_fn(|row| cofactor(row, k) * scale))
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
    let (mut size, mut first) = ([0; 3], [0.0; 3]);
    for k in 0..3 {
        let ratio = old.spacing[k] / spacing[k];
        let (start, count) = (region.corner[k] as f64, region.size[k] as f64);
        let most = (old.size[k] as f64 * ratio).ceil() - 1.0;
        // Place of the first voxel of a new grid over the whole image, and how PyRadiomics counts from it.
        let (anchor, zero) = match settings.profile {
            Profile::PyRadiomics => (0.5 * (spacing[k] - old.spacing[k]) / old.spacing[k], 0.0),
            Profile::Ibsi => {
                let anchor = 0.5 * (old.size[k] as f64 - 1.0 - most / ratio);
                (anchor, anchor)
            }
        };
        let low = ((start - 0.5 - zero) * ratio - pad).floor().max(0.0);
        let high = ((start + count - 0.5 - zero) * ratio + pad).ceil().min(most);
        first[k] = anchor + low / ratio;
        size[k] = (high - low) as usize + 1;
    }
    if size.iter().map(|n| *n as f64).product::<f64>() > f64::from(u32::MAX) {
        return Err(refuse(format!("resampled to {size:?} voxels, too many")));
    }
    let origin = std::array::from_fn(|row| {
        (0..3).fold(0.0, |sum, k| sum + old.direction[k][row] * old.spacing[k] * first[k]) + old.origin[row]
    });
    let geometry = Geometry { size, spacing, origin, direction: old.direction };
    let places = places(old, &geometry);
    let near = nearest(old.size, &places);
    let values = match settings.interpolator {
        Interpolator::Nearest => gather(&near, |at| at.map_or(0.0, |at| image.samples.get(old.index(at)))),
        Interpolator::Linear => interpolate(old.size, &places, |at| linear(image, at)),
        Interpolator::BSpline => {
            let coefficients = spline::coefficients(image);
            interpolate(old.size, &places, |at| spline::value(&coefficients, old.size, at))
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

fn nearest(size: [usize; 3], places: &Places) -> Nearest {
    std::array::from_fn(|k| {
        let near = |p: f64| inside(p, size[k]).then(|| (p + 0.5).floor() as usize);
        places[k].iter().map(|&p| near(p)).collect()
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
fn interpolate(size: [usize; 3], places: &Places, value: impl Fn([f64; 3]) -> f64 + Sync) -> Vec<f64> {
    let [x, y, z] = places;
    z.par_iter()
        .flat_map_iter(|&z| {
            let value = &value;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;

    /// Values along x, and the place of the first voxel in mm, of a ramp of 4 voxels 3 mm apart that is
    /// resampled to 5 mm.
    fn ramp(profile: Profile) -> (Vec<f64>, f64) {
        let mut geometry = Geometry::aligned([4, 2, 2], [3.0, 1.0, 1.0]);
        geometry.origin[0] = 100.0;
        let samples = Samples::F64((0..16).map(|k| f64::from(6 * (k % 4))).collect());
        let voxels = (0..16).collect();
        let region =
            Region { label: "1".into(), corner: [0; 3], size: [4, 2, 2], spacing: geometry.spacing, voxels };
        let mut settings = Params::default().settings;
        (settings.profile, settings.interpolator) = (profile, Interpolator::Linear);
        let (image, _) = resample(&Image { geometry, samples }, &region, [5.0, 0.0, 0.0], &settings)
            .expect("resampled")
            .expect("another grid");
        assert_eq!(image.geometry.size, [3, 2, 2]);
        ((0..3).map(|k| image.samples.get(k)).collect(), image.geometry.origin[0])
    }

    /// By hand: 12 mm become ceil(12 / 5) = 3 voxels. The IBSI's grid (reference manual, "align grid
    /// centres") begins at 0.5 (4 - 1 - 5/3 (3 - 1)) = -1/6 voxels, its centres lie at -1/6, 3/2 and 19/6.
    /// PyRadiomics' begins at the corner, with centres at 1/3, 2 and 11/3, the last one beyond the image.
    #[test]
    fn grids_are_aligned_by_centre_or_by_corner() {
        let near = |found: (Vec<f64>, f64), values: [f64; 3], origin: f64| {
            let gap = found.0.iter().zip(values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(gap < 1e-12 && (found.1 - origin).abs() < 1e-12, "{found:?}");
        };
        near(ramp(Profile::Ibsi), [0.0, 9.0, 18.0], 99.5);
        near(ramp(Profile::PyRadiomics), [2.0, 12.0, 0.0], 101.0);
    }
}
