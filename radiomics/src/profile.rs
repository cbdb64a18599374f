//! Whose conventions hold where PyRadiomics and the Image Biomarker Standardisation Initiative differ.

use std::str::FromStr;

use crate::error::RadiomicsError;
use crate::roi::{Binning, ResegmentMode};
use crate::settings::Settings;

/// Conventions of binning and of the grid that is resampled to; the formulas of features are those of
/// PyRadiomics in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Bins of fixed width from multiples of it, the new grid anchored to the outer corner of the old.
    #[default]
    PyRadiomics,
    /// Bins of fixed width from the lower limit of an absolute `resegmentRange` or else the region's
    /// minimum, the centres of both grids in one place (Zwanenburg et al., IBSI reference manual).
    Ibsi,
}

impl FromStr for Profile {
    type Err = RadiomicsError;

    fn from_str(text: &str) -> Result<Self, RadiomicsError> {
        match text {
            "pyradiomics" => Ok(Self::PyRadiomics),
            "ibsi" => Ok(Self::Ibsi),
            _ => Err(RadiomicsError::setting("profile", text, "pyradiomics or ibsi")),
        }
    }
}

impl Settings {
    /// How values become grey levels under the profile.
    pub(crate) fn bins(&self) -> Binning {
        match (self.profile, self.binning) {
            (Profile::Ibsi, Binning::Width(width)) => {
                let range = self.resegment.as_ref().filter(|r| r.mode == ResegmentMode::Absolute);
                Binning::WidthFrom { width, start: range.map(|r| r.range.0) }
            }
            (_, binning) => binning,
        }
    }

    /// The profile with its version and binning rule, as it is written into every row.
    pub fn profile_text(&self) -> String {
        match (self.profile, self.binning) {
            (Profile::PyRadiomics, Binning::Count(n)) => format!("pyradiomics 3.0.1 ({n} bins)"),
            (Profile::Ibsi, Binning::Count(n)) => format!("ibsi 1 (FBN {n})"),
            (Profile::PyRadiomics, Binning::Width(w) | Binning::WidthFrom { width: w, .. }) => {
                format!("pyradiomics 3.0.1 (width {w} from its multiples)")
            }
            (Profile::Ibsi, Binning::Width(w) | Binning::WidthFrom { width: w, .. }) => {
                format!("ibsi 1 (FBS {w} from the minimum)")
            }
        }
    }
}
