//! Resegmentation: a region without the voxels whose values are out of a range.

use super::Region;
use crate::error::RadiomicsError;

/// What the limits of a range mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResegmentMode {
    /// Values of the image.
    Absolute,
    /// Parts of the largest value of the region.
    Relative,
    /// Standard deviations of the region (divisor N) from its mean.
    Sigma,
}

/// A range of values that stay, both ends included (PyRadiomics `resegmentRange`).
#[derive(Debug, Clone, PartialEq)]
pub struct Resegment {
    /// Lower limit, and the upper one where there is one.
    pub range: (f64, Option<f64>),
    /// What the limits mean.
    pub mode: ResegmentMode,
}

impl Resegment {
    /// The voxels of `region` whose `values` lie in the range.
    ///
    /// # Errors
    /// If none is left.
    pub fn apply(&self, region: &Region, values: &[f64]) -> Result<Region, RadiomicsError> {
        let n = values.len() as f64;
        let limit = |x: f64| match self.mode {
            ResegmentMode::Absolute => x,
            ResegmentMode::Relative => x * values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ResegmentMode::Sigma => {
                let mean = values.iter().sum::<f64>() / n;
                let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
                mean + x * variance.sqrt()
            }
        };
        let low = limit(self.range.0);
        let high = self.range.1.map_or(f64::INFINITY, limit);
        region.subset(|k| (low..=high).contains(&values[k])).ok_or_else(|| RadiomicsError::Region {
            label: region.label.clone(),
            reason: format!("no voxel has a value in {low}..{high}"),
        })
    }
}
