//! Local binary patterns in planes (Ojala et al. 2002; scikit-image `local_binary_pattern`,
//! PyRadiomics `LBP2D`): samples on a circle round each voxel, found by bilinear interpolation with 0
//! outside the image, are compared with the voxel. Distances are voxels, whatever the spacing.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::image::{Image, Samples};
use crate::roi::Window;

/// What the comparisons become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The bits of one number.
    Default,
    /// The least number among the rotations of the bits.
    Ror,
    /// The number of ones where they lie together, else one more than there are samples.
    Uniform,
    /// The variance of the samples; NaN where it is 0, and features of such a region are refused.
    Var,
}

impl Code {
    /// By scikit-image's name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "default" => Self::Default,
            "ror" => Self::Ror,
            "uniform" => Self::Uniform,
            "var" => Self::Var,
            _ => return None,
        })
    }

    fn value(self, samples: &[f64], centre: f64) -> f64 {
        let n = samples.len();
        let bit = |k: usize| u32::from(samples[k] - centre >= 0.0);
        let bits = (0..n).fold(0u32, |bits, k| bits | bit(k) << k);
        match self {
            Self::Default => f64::from(bits),
            Self::Ror => {
                let rotated = std::iter::successors(Some(bits), |b| Some(b >> 1 | (b & 1) << (n - 1)));
                f64::from(rotated.take(n).min().unwrap_or(bits))
            }
            Self::Uniform => {
                let changes = (1..n).filter(|&k| bit(k) != bit(k - 1)).count();
                if changes <= 2 { f64::from(bits.count_ones()) } else { n as f64 + 1.0 }
            }
            Self::Var => {
                let (sum, squares) = samples.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
                let variance = (squares - sum * sum / n as f64) / n as f64;
                if variance == 0.0 { f64::NAN } else { variance }
            }
        }
    }
}

/// The codes in a window, in planes normal to `axis` (0 x, 1 y, 2 z), in the type of the image as
/// PyRadiomics stores them.
pub(super) fn local_pattern(
    image: &Image,
    window: Window,
    axis: usize,
    radius: f64,
    samples: usize,
    code: Code,
) -> Samples {
    let size = image.geometry.size;
    // Rows and columns of a plane as PyRadiomics turns them.
    let (row, column) = [(1, 2), (2, 0), (1, 0)][axis];
    let round = |x: f64| (x * 1e5).round_ties_even() / 1e5;
    let steps: Vec<(f64, f64)> = (0..samples)
        .map(|k| 2.0 * PI * k as f64 / samples as f64)
        .map(|angle| (round(-radius * angle.sin()), round(radius * angle.cos())))
        .collect();
    let pixel = |place: [usize; 3], r: i64, c: i64| {
        let inside = (0..size[row] as i64).contains(&r) && (0..size[column] as i64).contains(&c);
        let mut place = place;
        (place[row], place[column]) = (r as usize, c as usize);
        if inside { image.samples.get(image.geometry.index(place)) } else { 0.0 }
    };
    let sample = |place: [usize; 3], r: f64, c: f64| {
        let (top, left) = (r.floor(), c.floor());
        let (dr, dc) = (r - top, c - left);
        let (r, c) = ([top as i64, r.ceil() as i64], [left as i64, c.ceil() as i64]);
        let line = |r: i64| (1.0 - dc) * pixel(place, r, c[0]) + dc * pixel(place, r, c[1]);
        (1.0 - dr) * line(r[0]) + dr * line(r[1])
    };
    let [nx, ny, _] = size;
    let value = |k: usize| {
        let place = [k % nx, k / nx % ny, k / (nx * ny)];
        let around = |&(r, c): &(f64, f64)| sample(place, place[row] as f64 + r, place[column] as f64 + c);
        let around: Vec<f64> = steps.iter().map(around).collect();
        code.value(&around, image.samples.get(k))
    };
    let places: Vec<usize> = window.rows(size).flatten().collect();
    let all = places.into_par_iter();
    match &image.samples {
        Samples::I16(_) => Samples::I16(all.map(|k| value(k) as i16).collect()),
        Samples::F32(_) => Samples::F32(all.map(|k| value(k) as f32).collect()),
        Samples::F64(_) => Samples::F64(all.map(value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Geometry;

    fn codes(values: [f64; 9], code: Code) -> f64 {
        let geometry = Geometry::aligned([3, 3, 1], [1.0; 3]);
        let image = Image { geometry, samples: Samples::F64(values.to_vec()) };
        local_pattern(&image, Window::whole([3, 3, 1]), 2, 1.0, 4, code).get(4)
    }

    /// Four samples lie on voxels: right, up, left, down.
    #[test]
    fn codes_of_a_cross() {
        let cross = [0.0, 9.0, 0.0, 1.0, 5.0, 7.0, 0.0, 2.0, 0.0];
        assert_eq!(codes(cross, Code::Default), 3.0);
        assert_eq!(codes(cross, Code::Ror), 3.0);
        assert_eq!(codes(cross, Code::Uniform), 2.0);
        // 7, 9, 1, 2: mean 4.75.
        assert!((codes(cross, Code::Var) - 11.1875).abs() < 1e-12);
        let split = [0.0, 1.0, 0.0, 8.0, 5.0, 7.0, 0.0, 2.0, 0.0];
        assert_eq!(codes(split, Code::Uniform), 5.0);
        assert_eq!(codes(split, Code::Default), 5.0);
        assert!(codes([3.0; 9], Code::Var).is_nan());
    }
}
