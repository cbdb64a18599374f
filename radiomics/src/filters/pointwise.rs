//! Filters of single voxels, scaled so that the largest absolute value stays (PyRadiomics
//! `imageoperations.py`). Results are double precision.

use crate::image::{Image, Samples};

fn map(image: &Image, f: impl Fn(f64) -> f64) -> Image {
    let samples = Samples::F64((0..image.samples.len()).map(|k| f(image.samples.get(k))).collect());
    Image { geometry: image.geometry.clone(), samples }
}

/// Largest absolute value.
fn most(image: &Image) -> f64 {
    (0..image.samples.len()).map(|k| image.samples.get(k).abs()).fold(0.0, f64::max)
}

pub(super) fn square(image: &Image) -> Image {
    let scale = 1.0 / most(image).sqrt();
    map(image, |x| (scale * x) * (scale * x))
}

pub(super) fn square_root(image: &Image) -> Image {
    let scale = most(image);
    map(image, |x| if x < 0.0 { -(-x * scale).sqrt() } else { (x * scale).sqrt() })
}

pub(super) fn logarithm(image: &Image) -> Image {
    let before = most(image);
    let logged = map(image, |x| if x < 0.0 { -(1.0 - x).ln() } else { (x + 1.0).ln() });
    let scale = before / most(&logged);
    map(&logged, |x| x * scale)
}

pub(super) fn exponential(image: &Image) -> Image {
    let most = most(image);
    let scale = most.ln() / most;
    map(image, |x| (scale * x).exp())
}
