//! Image filters: what is computed from before features are (PyRadiomics `imageType`).

mod normalise;

use serde_json::Value;

use crate::error::RadiomicsError;
use crate::image::Image;
use crate::settings::unknown;

pub(crate) use normalise::normalise;

/// A filter that gives one image.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// The image itself.
    Original,
}

/// Names in a parameter file.
const NAMES: [&str; 1] = ["Original"];

impl Filter {
    /// The filters of an entry of `imageType`.
    ///
    /// # Errors
    /// If there is no filter of this name.
    pub fn from_value(name: &str, _options: &Value) -> Result<Vec<Self>, RadiomicsError> {
        match name {
            "Original" => Ok(vec![Self::Original]),
            _ => Err(unknown(name, NAMES)),
        }
    }

    /// What the columns begin with.
    pub fn name(&self) -> String {
        match self {
            Self::Original => "original".into(),
        }
    }

    /// The filtered image; `None` for the image itself.
    pub(crate) fn apply(&self, _image: &Image) -> Option<Image> {
        match self {
            Self::Original => None,
        }
    }
}
