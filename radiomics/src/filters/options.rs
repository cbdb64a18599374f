//! Parameters of the filters, by PyRadiomics' names.

use serde_json::Value;

use super::local_pattern::Code;
use super::taps::Taps;
use crate::error::RadiomicsError;

/// Parameters of the filters; the defaults are PyRadiomics'.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterSettings {
    /// `sigma`: widths of the Laplacian of Gaussian in mm, each with its part of the name (`4-0`).
    pub sigma: Vec<(f64, String)>,
    /// `wavelet`: a family of PyWavelets.
    pub wavelet: String,
    /// `level`: how many times the approximation is decomposed and its bands are kept.
    pub level: usize,
    /// `start_level`: how many times it is decomposed before.
    pub start_level: usize,
    /// `gradientUseSpacing`: whether slopes are per mm, not per voxel.
    pub gradient_use_spacing: bool,
    /// `lbp2DRadius`: distance of the samples in voxels.
    pub lbp_2d_radius: f64,
    /// `lbp2DSamples`: samples round a voxel.
    pub lbp_2d_samples: usize,
    /// `lbp2DMethod`: what the samples become.
    pub lbp_2d_method: Code,
    /// `lbp3DLevels`: degrees of the spherical harmonics, from 0.
    pub lbp_3d_levels: usize,
    /// `lbp3DIcosphereRadius`: distance of the samples in voxels.
    pub lbp_3d_radius: f64,
    /// `lbp3DIcosphereSubdivision`: how often the faces of the icosahedron are divided.
    pub lbp_3d_subdivision: usize,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            sigma: Vec::new(),
            wavelet: "coif1".into(),
            level: 1,
            start_level: 0,
            gradient_use_spacing: true,
            lbp_2d_radius: 1.0,
            lbp_2d_samples: 8,
            lbp_2d_method: Code::Uniform,
            lbp_3d_levels: 2,
            lbp_3d_radius: 1.0,
            lbp_3d_subdivision: 1,
        }
    }
}

impl FilterSettings {
    /// The names of the parameters.
    pub(crate) const KEYS: [&str; 11] = [
        "sigma",
        "wavelet",
        "level",
        "start_level",
        "gradientUseSpacing",
        "lbp2DRadius",
        "lbp2DSamples",
        "lbp2DMethod",
        "lbp3DLevels",
        "lbp3DIcosphereRadius",
        "lbp3DIcosphereSubdivision",
    ];

    /// Sets a parameter of [`Self::KEYS`].
    ///
    /// # Errors
    /// If the value is out of range.
    pub(crate) fn set(&mut self, key: &str, value: &Value) -> Result<(), RadiomicsError> {
        let wrong = |range: &str| RadiomicsError::setting(key, value, range);
        let whole = |least: u64, most: u64| {
            let number = value.as_u64().filter(|n| (least..=most).contains(n));
            number.map(|n| n as usize).ok_or_else(|| wrong(&format!("an integer from {least} to {most}")))
        };
        let radius = || {
            let number = value.as_f64().filter(|x| *x > 0.0 && *x <= 100.0);
            number.ok_or_else(|| wrong("a number above 0 and at most 100"))
        };
        let flag = || value.as_bool().ok_or_else(|| wrong("true or false"));
        match key {
            "sigma" => {
                let sigma = |v: &Value| {
                    let mm = v.as_f64().filter(|s| *s > 0.0 && s.is_finite())?;
                    // Written as Python writes the number.
                    Some((mm, v.to_string().replace('.', "-")))
                };
                let list = value.as_array().and_then(|list| list.iter().map(sigma).collect::<Option<_>>());
                self.sigma = list.ok_or_else(|| wrong("a list of numbers above 0"))?;
            }
            "wavelet" => {
                let name = value.as_str().ok_or_else(|| wrong("the name of a wavelet"))?;
                Taps::of(name)?;
                self.wavelet = name.to_owned();
            }
            "level" => self.level = whole(1, 8)?,
            "start_level" => self.start_level = whole(0, 8)?,
            "gradientUseSpacing" => self.gradient_use_spacing = flag()?,
            "lbp2DRadius" => self.lbp_2d_radius = radius()?,
            // Codes of more samples would not be exact in every image type.
            "lbp2DSamples" => self.lbp_2d_samples = whole(1, 24)?,
            "lbp2DMethod" => {
                let method = value.as_str().and_then(Code::named);
                self.lbp_2d_method = method.ok_or_else(|| wrong("default, ror, uniform or var"))?;
            }
            "lbp3DLevels" => self.lbp_3d_levels = whole(1, 12)?,
            "lbp3DIcosphereRadius" => self.lbp_3d_radius = radius()?,
            "lbp3DIcosphereSubdivision" => self.lbp_3d_subdivision = whole(0, 4)?,
            _ => {}
        }
        Ok(())
    }
}
