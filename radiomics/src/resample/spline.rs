//! Cubic B-splines on mirrored images (Unser, Aldroubi and Eden 1993; ITK
//! `BSplineInterpolateImageFunction`).

use osteon_kernels::voxels::{Tile, Volume, WIDTH};

use crate::image::Image;

/// Part of a coefficient that the start of the recursion may neglect.
const TOLERANCE: f64 = 1e-10;

/// The coefficients whose spline passes through the voxels, x fastest.
pub(crate) fn coefficients(image: &Image) -> Vec<f64> {
    let values: Vec<f64> = (0..image.samples.len()).map(|k| image.samples.get(k)).collect();
    let mut volume = Volume { size: image.geometry.size, values };
    for axis in 0..3 {
        let places: Vec<usize> = (0..volume.size[axis]).collect();
        if places.len() > 1 {
            volume = volume.along(axis, &places, places.len(), lines);
        }
    }
    volume.values
}

/// Coefficients of the lines of a tile.
fn lines(read: &Tile<f64>, out: &mut Tile<f64>) {
    let mut done = vec![0.0; read.len()];
    for lane in 0..WIDTH {
        let line: Vec<f64> = read.iter().map(|tile| tile[lane]).collect();
        decompose(&line, &mut done);
        out.iter_mut().zip(&done).for_each(|(tile, x)| tile[lane] = *x);
    }
}

/// Coefficients of one line.
fn decompose(line: &[f64], out: &mut [f64]) {
    let pole = 3f64.sqrt() - 2.0;
    let n = line.len();
    let gain = (1.0 - pole) * (1.0 - 1.0 / pole);
    out.iter_mut().zip(line).for_each(|(c, x)| *c = x * gain);
    out[0] = first(out, pole);
    for k in 1..n {
        out[k] += pole * out[k - 1];
    }
    out[n - 1] = pole / (pole * pole - 1.0) * (pole * out[n - 2] + out[n - 1]);
    for k in (0..n - 1).rev() {
        out[k] = pole * (out[k + 1] - out[k]);
    }
}

/// Where the forward recursion starts on a line mirrored at its first voxel.
fn first(line: &[f64], pole: f64) -> f64 {
    let n = line.len();
    let horizon = (TOLERANCE.ln() / pole.abs().ln()).ceil() as usize;
    let mut power = pole;
    if horizon < n {
        let mut sum = line[0];
        for x in &line[1..horizon] {
            sum += power * x;
            power *= pole;
        }
        return sum;
    }
    let mut back = pole.powi(n as i32 - 1);
    let mut sum = line[0] + back * line[n - 1];
    back = back * back / pole;
    for x in &line[1..n - 1] {
        sum += (power + back) * x;
        power *= pole;
        back /= pole;
    }
    sum / (1.0 - power * power)
}

/// The spline at a place.
pub(crate) fn value(coefficients: &[f64], size: [usize; 3], at: [f64; 3]) -> f64 {
    let [nx, ny, _] = size;
    let axis = |k: usize| {
        let low = at[k].floor();
        let w = at[k] - low;
        let third = w * w * w / 6.0;
        let zeroth = 1.0 / 6.0 + 0.5 * w * (w - 1.0) - third;
        let second = w + zeroth - 2.0 * third;
        let weights = [zeroth, 1.0 - zeroth - second - third, second, third];
        let index = [0, 1, 2, 3].map(|j| mirrored(low as i64 - 1 + j, size[k]));
        (index, weights)
    };
    let ((x, wx), (y, wy), (z, wz)) = (axis(0), axis(1), axis(2));
    let mut sum = 0.0;
    for c in 0..4 {
        for b in 0..4 {
            for a in 0..4 {
                sum += wx[a] * wy[b] * wz[c] * coefficients[(z[c] * ny + y[b]) * nx + x[a]];
            }
        }
    }
    sum
}

/// The index on a line mirrored at its first and last voxel.
fn mirrored(index: i64, size: usize) -> usize {
    if size == 1 {
        return 0;
    }
    let period = 2 * (size as i64 - 1);
    let folded = index.rem_euclid(period);
    folded.min(period - folded) as usize
}
