//! Where the sites' parameters lie: their mean, or another centre of each coordinate.

use super::Mean;

/// The value of a coordinate from those of all sites, in ascending order and units of `2^-s`.
pub type Rule = dyn Fn(&[i64]) -> f64 + Send + Sync;

/// A centre of the sites' parameters, `[G, P]`; the same bits on every rank.
#[derive(Debug)]
pub enum Centre<'r> {
    /// Their weighted mean.
    Mean(Mean<'r>),
    /// What a [`Rule`] makes of them.
    Values(Vec<f64>),
}

impl Centre<'_> {
    /// Writes the centre.
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn write(&self, out: &mut [f32]) {
        match self {
            Self::Mean(mean) => mean.write(out),
            Self::Values(values) => {
                assert_eq!(out.len(), values.len(), "the centre of another model");
                out.iter_mut().zip(values).for_each(|(out, &x)| *out = x as f32);
            }
        }
    }

    /// Calls `with` for each place in `[G, P]` and its value.
    pub fn for_each(&self, mut with: impl FnMut(usize, f64)) {
        match self {
            Self::Mean(mean) => {
                let values = (0..mean.groups()).flat_map(|group| mean.values(group));
                values.enumerate().for_each(|(at, x)| with(at, x));
            }
            Self::Values(values) => values.iter().enumerate().for_each(|(at, &x)| with(at, x)),
        }
    }
}
