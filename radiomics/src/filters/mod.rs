//! Image filters: what is computed from before features are (PyRadiomics `imageType`).
//!
//! Filters act on the whole image, as in PyRadiomics. A new filter is one file and one arm of
//! [`Filter::from_value`], [`Filter::images`].

mod gradient;
mod laplacian;
mod lines;
mod normalise;
mod pointwise;
mod wavelet;

use std::sync::Arc;

use serde_json::Value;

use crate::error::RadiomicsError;
use crate::image::Image;
use crate::settings::unknown;

pub(crate) use lines::Volume;
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

/// A filtered image under the name its columns begin with; `None` is the image itself.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub name: String,
    pub image: Option<Arc<Image>>,
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

    /// The filtered images.
    ///
    /// # Errors
    /// If the image is too small for the filter.
    pub(crate) fn images(&self, image: &Image) -> Result<Vec<View>, RadiomicsError> {
        let one =
            |name: &str, filtered: Image| vec![View { name: name.into(), image: Some(Arc::new(filtered)) }];
        Ok(match self {
            Self::Original => vec![View { name: "original".into(), image: None }],
            Self::Square => one("square", pointwise::square(image)),
            Self::SquareRoot => one("squareroot", pointwise::square_root(image)),
            Self::Logarithm => one("logarithm", pointwise::logarithm(image)),
            Self::Exponential => one("exponential", pointwise::exponential(image)),
            Self::Gradient => one("gradient", gradient::gradient(image)),
            Self::Laplacian(sigma, text) => {
                one(&format!("log-sigma-{text}-mm-3D"), laplacian::laplacian(image, *sigma)?)
            }
            Self::Wavelet => wavelet::bands(image)
                .into_iter()
                .map(|(letters, band)| View {
                    name: format!("wavelet-{letters}"),
                    image: Some(Arc::new(band)),
                })
                .collect(),
        })
    }
}
