//! Local binary patterns in space (Banerjee et al. 2013; PyRadiomics `LBP3D`): samples on a sphere
//! round each voxel of the regions, by cubic splines with 0 beyond the outermost voxel centres, are
//! compared with the voxel; the comparisons are expanded in spherical harmonics. Distances are voxels,
//! whatever the spacing.
//!
//! With `s` the comparisons (0, 1) and `Y_nm` the harmonics at the samples, the image of degree `n` is
//! `Re sqrt(sum_v (sum_m c_m Y_nm(v))^2)`, `c_m = sum_v s(v) Y_nm(v)`; the last image is the excess
//! kurtosis of the samples. PyRadiomics gives scipy the angles in exchanged roles, and so does this.
//! In double-precision images the rounding of the interpolation decides where a sample is as large as
//! the voxel (flat surroundings, or a radius of 1 whose samples on the axes are voxels).

use nalgebra::Complex;
use rayon::prelude::*;

use super::options::FilterSettings;
use crate::image::{Image, Samples};
use crate::resample::spline;
use crate::roi::{Region, Window};

/// A point near a voxel along z, y, x, in voxels.
type Point = [f64; 3];

/// The images in a window by name, 0 outside the regions.
pub(super) fn spherical_pattern(
    image: &Image,
    window: Window,
    regions: &[&Region],
    settings: &FilterSettings,
) -> Vec<(String, Samples)> {
    let points = sphere(settings.lbp_3d_radius, settings.lbp_3d_subdivision);
    let degrees: Vec<Degree> =
        (0..settings.lbp_3d_levels).map(|n| Degree::new(n, &points, settings.lbp_3d_radius)).collect();
    let coefficients = spline::coefficients(image);
    let size = image.geometry.size;
    // Samples have the type of the image, as scipy's interpolation gives them.
    let stored = |x: f64| match image.samples {
        Samples::I16(_) => x.round(),
        Samples::F32(_) => f64::from(x as f32),
        Samples::F64(_) => x,
    };
    let value = |place: [usize; 3]| -> Vec<f64> {
        let sampled = points.iter().map(|p| {
            let at: Point = std::array::from_fn(|k| place[k] as f64 + p[2 - k]);
            let inside = (0..3).all(|k| (0.0..=size[k] as f64 - 1.0).contains(&at[k]));
            stored(if inside { spline::value(&coefficients, size, at) } else { 0.0 })
        });
        let sampled: Vec<f64> = sampled.collect();
        let centre = image.samples.get(image.geometry.index(place));
        let larger: Vec<bool> = sampled.iter().map(|&x| x >= centre).collect();
        degrees.iter().map(|d| d.norm(&larger)).chain([excess_kurtosis(&sampled)]).collect()
    };
    let count = degrees.len() + 1;
    let mut images = vec![vec![0.0; window.size.iter().product()]; count];
    for region in regions {
        let places = |&voxel: &u32| {
            let place = region.place(voxel);
            std::array::from_fn(|k| place[k] + region.corner[k])
        };
        let found: Vec<_> = region.voxels.par_iter().map(|v| (places(v), value(places(v)))).collect();
        for (place, values) in found {
            let [x, y, z]: [usize; 3] = std::array::from_fn(|k| place[k] - window.corner[k]);
            let at = (z * window.size[1] + y) * window.size[0] + x;
            images.iter_mut().zip(values).for_each(|(image, value)| image[at] = value);
        }
    }
    let name = |k: usize| if k + 1 == count { "lbp-3D-k".into() } else { format!("lbp-3D-m{}", k + 1) };
    images.into_iter().enumerate().map(|(k, values)| (name(k), Samples::F64(values))).collect()
}

/// Corners of an icosahedron whose faces are divided in four `subdivision` times, all at `radius`.
fn sphere(radius: f64, subdivision: usize) -> Vec<Point> {
    let golden = (1.0 + 5f64.sqrt()) / 2.0;
    let mut points: Vec<Point> = Vec::new();
    for axis in 0..3 {
        for (a, b) in [(-1.0, golden), (1.0, golden), (-1.0, -golden), (1.0, -golden)] {
            let mut point = [0.0; 3];
            (point[axis], point[(axis + 1) % 3]) = (a, b);
            points.push(point);
        }
    }
    let apart = |a: &Point, b: &Point| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    // Corners of an edge are 2 apart before they are scaled.
    let near = |a: usize, b: usize| apart(&points[a], &points[b]) < 4.1;
    let mut faces: Vec<[usize; 3]> = Vec::new();
    for a in 0..12 {
        for b in (a + 1..12).filter(|&b| near(a, b)) {
            faces.extend((b + 1..12).filter(|&c| near(a, c) && near(b, c)).map(|c| [a, b, c]));
        }
    }
    let scaled = |p: Point| {
        let length = p.iter().map(|c| c * c).sum::<f64>().sqrt();
        p.map(|c| c / length * radius)
    };
    points.iter_mut().for_each(|p| *p = scaled(*p));
    for _ in 0..subdivision {
        let mut middles = std::collections::BTreeMap::new();
        let mut divided = Vec::with_capacity(4 * faces.len());
        for [a, b, c] in faces {
            let mut middle = |i: usize, j: usize| {
                *middles.entry((i.min(j), i.max(j))).or_insert_with(|| {
                    points.push(scaled(std::array::from_fn(|k| (points[i][k] + points[j][k]) / 2.0)));
                    points.len() - 1
                })
            };
            let (ab, bc, ca) = (middle(a, b), middle(b, c), middle(c, a));
            divided.extend([[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]);
        }
        faces = divided;
    }
    points
}

/// The harmonics of one degree at the samples.
struct Degree {
    /// `Y_m(v)` for each order `m`.
    harmonics: Vec<Vec<Complex<f64>>>,
    /// `sum_v Y_m(v) Y_k(v)`.
    products: Vec<Vec<Complex<f64>>>,
}

impl Degree {
    fn new(n: usize, points: &[Point], radius: f64) -> Self {
        let order = |m: i32| points.iter().map(|p| harmonic(n, m, p, radius)).collect::<Vec<_>>();
        let harmonics: Vec<Vec<_>> = (-(n as i32)..=n as i32).map(order).collect();
        let product = |a: &[Complex<f64>], b: &[Complex<f64>]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        let row = |a: &Vec<_>| harmonics.iter().map(|b| product(a, b)).collect();
        let products = harmonics.iter().map(row).collect();
        Self { harmonics, products }
    }

    fn norm(&self, larger: &[bool]) -> f64 {
        let chosen = |y: &Vec<Complex<f64>>| y.iter().zip(larger).filter(|(_, l)| **l).map(|(y, _)| *y).sum();
        let c: Vec<Complex<f64>> = self.harmonics.iter().map(chosen).collect();
        let square: Complex<f64> = self
            .products
            .iter()
            .zip(&c)
            .map(|(row, a)| a * row.iter().zip(&c).map(|(p, b)| p * b).sum::<Complex<f64>>())
            .sum();
        square.sqrt().re
    }
}

/// The spherical harmonic of degree `n` and order `m` with Condon and Shortley's phase; `azimuth` is
/// the angle from the first axis of PyRadiomics' point and `polar` the one in its plane.
fn harmonic(n: usize, m: i32, point: &Point, radius: f64) -> Complex<f64> {
    let azimuth = (point[2] / radius).clamp(-1.0, 1.0).acos();
    let x = point[1].atan2(point[0]).cos();
    let order = m.unsigned_abs() as usize;
    // (n - |m|)! / (n + |m|)!
    let ratio: f64 = (n - order + 1..=n + order).map(|k| 1.0 / k as f64).product();
    let scale = ((2 * n + 1) as f64 / (4.0 * std::f64::consts::PI) * ratio).sqrt();
    let sign = if m < 0 && order % 2 == 1 { -1.0 } else { 1.0 };
    Complex::from_polar(1.0, f64::from(m) * azimuth) * (sign * scale * legendre(n, order, x))
}

/// The associated Legendre function, by recurrence from degree `m` upwards.
fn legendre(n: usize, m: usize, x: f64) -> f64 {
    let root = (1.0 - x * x).max(0.0).sqrt();
    let mut last = (0..m).fold(1.0, |p, k| -p * (2 * k + 1) as f64 * root);
    if n == m {
        return last;
    }
    let mut this = x * (2 * m + 1) as f64 * last;
    for k in m + 2..=n {
        let next = (x * (2 * k - 1) as f64 * this - (k + m - 1) as f64 * last) / (k - m) as f64;
        (last, this) = (this, next);
    }
    this
}

/// Fourth moment over the square of the second, less 3; NaN where all values are the same.
fn excess_kurtosis(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let (m2, m4) = x.iter().map(|v| (v - mean) * (v - mean)).fold((0.0, 0.0), |(a, b), d| (a + d, b + d * d));
    (m4 / n) / (m2 / n * (m2 / n)) - 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spheres_have_the_corners_of_divided_icosahedra() {
        for (subdivision, count) in [(0, 12), (1, 42), (2, 162)] {
            let points = sphere(2.0, subdivision);
            assert_eq!(points.len(), count);
            let lengths = points.iter().map(|p| p.iter().map(|c| c * c).sum::<f64>().sqrt());
            assert!(lengths.into_iter().all(|l| (l - 2.0).abs() < 1e-14));
        }
    }

    /// `Y_1^1 = -1/2 sqrt(3 / 2 pi) sin(polar) e^(i azimuth)` and
    /// `Y_2^-1 = 1/2 sqrt(15 / 2 pi) sin(polar) cos(polar) e^(-i azimuth)`.
    #[test]
    fn harmonics_in_closed_form() {
        let point = [0.6, 0.48, 0.64];
        let (azimuth, polar) = (0.64f64.acos(), 0.48f64.atan2(0.6));
        let closed = |n: f64, m: f64, amplitude: f64| {
            Complex::from_polar(1.0, m * azimuth)
                * (0.5 * (n / (2.0 * std::f64::consts::PI)).sqrt() * amplitude)
        };
        let first = closed(3.0, 1.0, -polar.sin());
        let second = closed(15.0, -1.0, polar.sin() * polar.cos());
        assert!((harmonic(1, 1, &point, 1.0) - first).norm() < 1e-14);
        assert!((harmonic(2, -1, &point, 1.0) - second).norm() < 1e-14);
    }
}
