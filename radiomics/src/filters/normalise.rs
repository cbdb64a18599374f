//! Normalisation of a whole image (PyRadiomics `normalizeImage`, ITK `NormalizeImageFilter`).

use crate::image::{Image, Samples};
use crate::settings::Settings;

/// Brings the image to mean 0 and standard deviation 1 (divisor N - 1), clips at
/// `removeOutliers` and multiplies by `normalizeScale`.
pub(crate) fn normalise(image: &Image, settings: &Settings) -> Image {
    let n = image.samples.len();
    let values = || (0..n).map(|k| image.samples.get(k));
    let mean = values().sum::<f64>() / n as f64;
    let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n as f64 - 1.0);
    let sd = variance.sqrt();
    let most = settings.remove_outliers.unwrap_or(f64::INFINITY);
    let samples = values().map(|v| ((v - mean) / sd).clamp(-most, most) * settings.normalize_scale).collect();
    Image { geometry: image.geometry.clone(), samples: Samples::F64(samples) }
}
