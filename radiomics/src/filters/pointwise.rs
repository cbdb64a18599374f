//! Filters of single voxels, scaled so that the largest absolute value of the whole image stays
//! (PyRadiomics `imageoperations.py`). Results are double precision.

use rayon::prelude::*;

use crate::image::{Image, Samples};
use crate::roi::Window;

fn map(image: &Image, window: Window, f: impl Fn(f64) -> f64) -> Samples {
    let rows = window.rows(image.geometry.size);
    Samples::F64(rows.flatten().map(|k| f(image.samples.get(k))).collect())
}

/// Largest absolute value of the whole image.
fn most(image: &Image) -> f64 {
    let values = (0..image.samples.len()).into_par_iter();
    values.map(|k| image.samples.get(k).abs()).reduce(|| 0.0, f64::max)
}

pub(super) fn square(image: &Image, window: Window) -> Samples {
    let scale = 1.0 / most(image).sqrt();
    map(image, window, |x| (scale * x) * (scale * x))
}

pub(super) fn square_root(image: &Image, window: Window) -> Samples {
    let scale = most(image);
    map(image, window, |x| if x < 0.0 { -(-x * scale).sqrt() } else { (x * scale).sqrt() })
}

pub(super) fn logarithm(image: &Image, window: Window) -> Samples {
    let before = most(image);
    // Every value has its sign kept and the largest is that of the largest value.
    let scale = before / (before + 1.0).ln();
    map(image, window, |x| if x < 0.0 { -(1.0 - x).ln() } else { (x + 1.0).ln() } * scale)
}

pub(super) fn exponential(image: &Image, window: Window) -> Samples {
    let most = most(image);
    let scale = most.ln() / most;
    map(image, window, |x| (scale * x).exp())
}
