//! Image filters: what is computed from before features are (PyRadiomics `imageType`).
//!
//! Filters act on the whole image, as in PyRadiomics, but are computed only in a window round the
//! regions: from the voxels, lines or extremes of the whole image that they depend on there. A new
//! filter is one file, one line of `NAMES` and one arm of `Filter::images`.

mod gradient;
mod laplacian;
mod local_pattern;
mod normalise;
mod options;
mod pointwise;
mod spherical_pattern;
mod taps;
mod wavelet;

use crate::error::RadiomicsError;
use crate::image::{Image, Samples};
use crate::roi::{Region, Window};
use crate::settings::{Settings, unknown};

pub use local_pattern::Code;
pub(crate) use normalise::normalise;
pub use options::FilterSettings;

/// A filter that gives one image or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Length of the gradient.
    Gradient,
    /// Laplacian of Gaussian, an image per sigma.
    Laplacian,
    /// The bands of a stationary wavelet transform.
    Wavelet,
    /// Local binary patterns in planes.
    LocalPattern2D,
    /// Local binary patterns in space, an image per degree and one of kurtosis.
    LocalPattern3D,
}

/// Names in a parameter file.
const NAMES: [(&str, Filter); 10] = [
    ("Original", Filter::Original),
    ("Square", Filter::Square),
    ("SquareRoot", Filter::SquareRoot),
    ("Logarithm", Filter::Logarithm),
    ("Exponential", Filter::Exponential),
    ("Gradient", Filter::Gradient),
    ("LoG", Filter::Laplacian),
    ("Wavelet", Filter::Wavelet),
    ("LBP2D", Filter::LocalPattern2D),
    ("LBP3D", Filter::LocalPattern3D),
];

/// A filtered image under the name its columns begin with.
#[derive(Debug)]
pub(crate) struct View {
    pub name: String,
    /// Values and the window of the image that they cover; `None` is the image itself.
    pub part: Option<(Samples, Window)>,
}

impl Filter {
    /// The filter of an entry of `imageType`.
    ///
    /// # Errors
    /// If there is no filter of this name.
    pub(crate) fn named(name: &str) -> Result<Self, RadiomicsError> {
        let found = NAMES.iter().find(|(n, _)| *n == name).map(|(_, filter)| *filter);
        found.ok_or_else(|| unknown(name, NAMES.map(|(n, _)| n)))
    }

    /// Its name in a parameter file.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, filter)| *filter == self).map_or("", |(name, _)| name)
    }

    /// The filtered images in a window; local patterns in space only at the voxels of `regions`.
    ///
    /// # Errors
    /// If the image is too small for the filter, or a parameter that it needs is missing.
    pub(crate) fn images(
        self,
        image: &Image,
        window: Window,
        regions: &[&Region],
        settings: &Settings,
    ) -> Result<Vec<View>, RadiomicsError> {
        let options = &settings.filter;
        let view = |name: String, samples: Samples| View { name, part: Some((samples, window)) };
        let one = |name: &str, samples: Samples| vec![view(name.to_owned(), samples)];
        Ok(match self {
            Self::Original => vec![View { name: "original".into(), part: None }],
            Self::Square => one("square", pointwise::square(image, window)),
            Self::SquareRoot => one("squareroot", pointwise::square_root(image, window)),
            Self::Logarithm => one("logarithm", pointwise::logarithm(image, window)),
            Self::Exponential => one("exponential", pointwise::exponential(image, window)),
            Self::Gradient => {
                one("gradient", gradient::gradient(image, window, options.gradient_use_spacing))
            }
            Self::Laplacian if options.sigma.is_empty() => {
                return Err(RadiomicsError::setting("sigma", "missing", "a list of numbers above 0"));
            }
            Self::Laplacian => {
                let filtered = |(sigma, text): &(f64, String)| {
                    let filtered = laplacian::laplacian(image, window, *sigma)?;
                    Ok(view(format!("log-sigma-{text}-mm-3D"), filtered))
                };
                options.sigma.iter().map(filtered).collect::<Result<_, RadiomicsError>>()?
            }
            Self::Wavelet => {
                let how = wavelet::Decomposition {
                    taps: taps::Taps::of(&options.wavelet)?,
                    skipped: options.start_level,
                    levels: options.level,
                    flat: settings.flat_axis(),
                };
                let bands = wavelet::bands(image, window, &how).into_iter();
                bands.map(|(end, band)| view(format!("wavelet{end}"), band)).collect()
            }
            Self::LocalPattern2D => {
                let (axis, radius) = (2 - settings.force_2d_dimension, options.lbp_2d_radius);
                let (samples, code) = (options.lbp_2d_samples, options.lbp_2d_method);
                one("lbp-2D", local_pattern::local_pattern(image, window, axis, radius, samples, code))
            }
            Self::LocalPattern3D => {
                let images =
                    spherical_pattern::spherical_pattern(image, window, regions, options).into_iter();
                images.map(|(name, samples)| view(name, samples)).collect()
            }
        })
    }
}
