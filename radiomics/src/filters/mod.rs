//! Image filters: what is computed from before features are (PyRadiomics `imageType`).
//!
//! Filters act on the whole image, as in PyRadiomics, but are computed only in a window round the
//! regions: from the voxels, lines or extremes of the whole image that they depend on there. A new
//! filter is one file and one arm of [`Filter::from_value`], [`Filter::images`].

mod gradient;
mod laplacian;
mod normalise;
mod pointwise;
mod wavelet;

use serde_json::Value;

use crate::error::RadiomicsError;
use crate::image::{Image, Samples};
use crate::roi::Window;
use crate::settings::unknown;

pub(crate) use normalise::normalise;

/// A filter that gives one image or several.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// The image itself.
    Original,
    /// Squared values.
    Square,
    /// Square roots, the sign kept.
    SquareRoot,
    /// Logarithms, the sign kept.
    Logarithm,
    /// Exponentials.
    Exponential,
    /// Length of the gradient per mm.
    Gradient,
    /// Laplacian of Gaussian: sigma in mm, and its part of the name (`4-0`).
    Laplacian(f64, String),
    /// The eight bands of a stationary wavelet transform (coif1, one level).
    Wavelet,
}

/// Names in a parameter file.
const NAMES: [&str; 8] =
    ["Original", "Square", "SquareRoot", "Logarithm", "Exponential", "Gradient", "LoG", "Wavelet"];

/// A filtered image under the name its columns begin with.
#[derive(Debug)]
pub(crate) struct View {
    pub name: String,
    /// Values and the window of the image that they cover; `None` is the image itself.
    pub part: Option<(Samples, Window)>,
}

impl Filter {
    /// The filters of an entry of `imageType`.
    ///
    /// # Errors
    /// If there is no filter of this name, or an option is unknown or out of range.
    pub fn from_value(name: &str, options: &Value) -> Result<Vec<Self>, RadiomicsError> {
        let known: &[&str] = match name {
            "LoG" => &["sigma"],
            "Wavelet" => &["wavelet", "level", "start_level"],
            _ => &[],
        };
        for key in options.as_object().into_iter().flat_map(|o| o.keys()) {
            if !known.contains(&key.as_str()) {
                return Err(unknown(key, known.iter().copied()));
            }
        }
        Ok(match name {
            "Original" => vec![Self::Original],
            "Square" => vec![Self::Square],
            "SquareRoot" => vec![Self::SquareRoot],
            "Logarithm" => vec![Self::Logarithm],
            "Exponential" => vec![Self::Exponential],
            "Gradient" => vec![Self::Gradient],
            "LoG" => {
                let wrong =
                    || RadiomicsError::setting("sigma", &options["sigma"], "a list of numbers above 0");
                let sigma = |v: &Value| {
                    let mm = v.as_f64().filter(|s| *s > 0.0 && s.is_finite())?;
                    // Written as Python writes the number.
                    Some(Self::Laplacian(mm, v.to_string().replace('.', "-")))
                };
                let list = options["sigma"].as_array().filter(|l| !l.is_empty()).ok_or_else(wrong)?;
                list.iter().map(sigma).collect::<Option<Vec<_>>>().ok_or_else(wrong)?
            }
            "Wavelet" => {
                let fixed = [
                    ("wavelet", Value::from("coif1")),
                    ("level", Value::from(1)),
                    ("start_level", Value::from(0)),
                ];
                for (key, only) in fixed {
                    if !options[key].is_null() && options[key] != only {
                        return Err(RadiomicsError::setting(key, &options[key], only.to_string()));
                    }
                }
                vec![Self::Wavelet]
            }
            _ => return Err(unknown(name, NAMES)),
        })
    }

    /// The filtered images in a window.
    ///
    /// # Errors
    /// If the image is too small for the filter.
    pub(crate) fn images(&self, image: &Image, window: Window) -> Result<Vec<View>, RadiomicsError> {
        let view = |name: String, samples| View { name, part: Some((samples, window)) };
        let one = |name: &str, samples| vec![view(name.to_owned(), samples)];
        Ok(match self {
            Self::Original => vec![View { name: "original".into(), part: None }],
            Self::Square => one("square", pointwise::square(image, window)),
            Self::SquareRoot => one("squareroot", pointwise::square_root(image, window)),
            Self::Logarithm => one("logarithm", pointwise::logarithm(image, window)),
            Self::Exponential => one("exponential", pointwise::exponential(image, window)),
            Self::Gradient => one("gradient", gradient::gradient(image, window)),
            Self::Laplacian(sigma, text) => {
                one(&format!("log-sigma-{text}-mm-3D"), laplacian::laplacian(image, window, *sigma)?)
            }
            Self::Wavelet => {
                let bands = wavelet::bands(image, window).into_iter();
                bands.map(|(letters, band)| view(format!("wavelet-{letters}"), band)).collect()
            }
        })
    }
}
