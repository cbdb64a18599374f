//! Principal components of tiles.

use std::fs;
use std::io::Write;
use std::path::Path;

use osteon_core::files::write_atomic;
use serde::{Deserialize, Serialize};

use crate::error::SlidesError;
use crate::scatter::Scatter;
use crate::symmetric::largest;

/// How the sign of a component is chosen; stored with the model.
pub const SIGN_RULE: &str = "first entry within 1e-6 of the largest magnitude is positive";
/// Entries this close to the largest count as equal, so that rounding does not decide.
const NEARLY: f64 = 1e-6;
/// Least variance, relative to the largest, by which scores are divided.
const WHITEN_FLOOR: f64 = 1e-12;
/// Version of the file.
const FORMAT: u32 = 1;

/// A fitted PCA.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    osteon_pca: u32,
    /// Name of the encoder, where the slides said.
    pub encoder: Option<String>,
    /// `D`.
    pub width: usize,
    /// Slides it was fitted to.
    pub slides: u64,
    /// Tiles it was fitted to.
    pub tiles: u64,
    /// How signs are chosen.
    pub sign_rule: String,
    /// Mean `[D]`, which is taken off first.
    pub mean: Vec<f64>,
    /// Standard deviation of each column `[D]`: with the mean, the scaler of the tiles.
    pub deviation: Vec<f64>,
    /// Variances of the tiles along the components, `[k]`, the largest first.
    pub variance: Vec<f64>,
    /// Part of the whole variance along each component, `[k]`.
    pub explained: Vec<f64>,
    /// Variance along the last component over that along the next; near 1 the last ones are not determined.
    pub gap: Option<f64>,
    /// Unit vectors, `[k][D]`.
    pub components: Vec<Vec<f64>>,
}

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Components.
    pub components: usize,
}

impl Pca {
    /// Fits components to sums over slides.
    ///
    /// # Errors
    /// If there are fewer than two tiles, or no more than components are asked for than columns.
    pub fn fit(scatter: &Scatter, fit: Fit, encoder: Option<String>) -> Result<Self, SlidesError> {
        let (width, k) = (scatter.width(), fit.components);
        if scatter.tiles() < 2 {
            return Err(SlidesError::Model(format!("{} tiles are too few for a PCA", scatter.tiles())));
        }
        let most = width.min(usize::try_from(scatter.tiles() - 1).unwrap_or(usize::MAX));
        if k == 0 || k > most {
            let text =
                format!("{k} components of {} tiles with {width} values: 1 to {most} exist", scatter.tiles());
            return Err(SlidesError::Model(text));
        }
        let covariance = scatter.covariance();
        let whole: f64 = (0..width).map(|j| covariance[j * width + j]).sum();
        let deviation = (0..width).map(|j| covariance[j * width + j].max(0.0).sqrt()).collect();
        let eigen = largest(covariance, width, k);
        let mut eigen = eigen
            .ok_or_else(|| SlidesError::Model("the eigenvalues of the covariance do not converge".into()))?;
        eigen.vectors.iter_mut().for_each(|v| orient(v));
        let next = eigen.values.get(k).copied();
        eigen.values.truncate(k);
        let explained = eigen.values.iter().map(|v| if whole > 0.0 { v / whole } else { 0.0 }).collect();
        Ok(Self {
            osteon_pca: FORMAT,
            encoder,
            width,
            slides: scatter.slides(),
            tiles: scatter.tiles(),
            sign_rule: SIGN_RULE.to_owned(),
            mean: scatter.mean(),
            deviation,
            gap: next.filter(|&n| n > 0.0).map(|n| eigen.values[k - 1] / n),
            variance: eigen.values,
            explained,
            components: eigen.vectors,
        })
    }

    /// Scores of a vector; those of the mean of a slide are the means of the scores of its tiles. Whitened ones are
    /// divided by the standard deviation of the tiles along the component.
    ///
    /// # Panics
    /// If the vector has another width.
    pub fn scores(&self, x: &[f64], whiten: bool) -> Vec<f64> {
        assert_eq!(x.len(), self.width, "a vector of the width of the model");
        let floor = WHITEN_FLOOR * self.variance.first().copied().unwrap_or(0.0);
        let centred: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let score = |(component, variance): (&Vec<f64>, &f64)| {
            let along: f64 = component.iter().zip(&centred).map(|(c, x)| c * x).sum();
            match (whiten, *variance > floor) {
                (false, _) => along,
                (true, true) => along / variance.sqrt(),
                (true, false) => 0.0,
            }
        };
        self.components.iter().zip(&self.variance).map(score).collect()
    }

    /// Writes the model; every number reads back as it is.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SlidesError> {
        let write = |out: &mut std::io::BufWriter<fs::File>| {
            serde_json::to_writer(&mut *out, self)?;
            out.write_all(b"\n")
        };
        write_atomic(path, write).map_err(|e| SlidesError::io(path, e))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// If the file cannot be read or is no model.
    pub fn read(path: &Path) -> Result<Self, SlidesError> {
        let text = fs::read_to_string(path).map_err(|e| SlidesError::io(path, e))?;
        let model: Self = serde_json::from_str(&text)
            .map_err(|e| SlidesError::format(path, format!("not a PCA of this program ({e})")))?;
        let k = model.components.len();
        let sound = model.osteon_pca == FORMAT
            && model.mean.len() == model.width
            && model.variance.len() == k
            && model.components.iter().all(|c| c.len() == model.width);
        if sound {
            Ok(model)
        } else {
            Err(SlidesError::format(path, "the parts of the PCA do not fit together"))
        }
    }
}

/// Turns a component as [`SIGN_RULE`] says.
fn orient(v: &mut [f64]) {
    let largest = v.iter().fold(0f64, |m, x| m.max(x.abs()));
    let first = v.iter().find(|x| x.abs() >= largest * (1.0 - NEARLY));
    if first.is_some_and(|&x| x < 0.0) {
        v.iter_mut().for_each(|x| *x = -*x);
    }
}
