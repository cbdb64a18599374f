//! Grey levels: values of a region in bins, with the edges of PyRadiomics.
//!
//! Fixed width `w`: the first edge is the multiple of `w` at or below the minimum, edges follow as
//! `numpy.arange` makes them (`start + i * ((start + w) - start)`), bins are half open, so a
//! maximum on an edge opens a bin of its own. Fixed count: the edges of `numpy.histogram`, in
//! single precision for a single-precision image, the last bin closed. Edges of a fixed width are
//! double precision whatever the image is, as PyRadiomics 3.0.1 under numpy 1 (numpy 2 rounds the
//! first edge of a single-precision image, which moves values that lie exactly on an edge).

use osteon_kernels::ops::histogram::Edges;

use crate::error::RadiomicsError;
use crate::image::Samples;

/// How values become grey levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Binning {
    /// Bins of this width.
    Width(f64),
    /// Bins of this width from a value on, or from the minimum.
    WidthFrom {
        /// Width of a bin.
        width: f64,
        /// Where the first begins.
        start: Option<f64>,
    },
    /// This many bins between minimum and maximum.
    Count(u32),
}

/// Most bins a region may span; more is Bq/ml with a width meant for SUV.
const MOST_BINS: f64 = 16_777_216.0;

/// The grey level of each value, from 1.
///
/// # Errors
/// If the values span more than 2^24 bins.
pub fn discretise(
    values: &[f64],
    binning: Binning,
    samples: &Samples,
    label: &str,
) -> Result<Vec<u32>, RadiomicsError> {
    Ok(edges(values, binning, samples, label)?.levels(values))
}

/// The lower edges of the bins of some values.
///
/// # Errors
/// As [`discretise`].
pub(crate) fn edges(
    values: &[f64],
    binning: Binning,
    samples: &Samples,
    label: &str,
) -> Result<Edges, RadiomicsError> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match binning {
        Binning::Width(width) | Binning::WidthFrom { width, .. } => {
            let start = match binning {
                // A value below the start would have no bin.
                Binning::WidthFrom { start, .. } => start.unwrap_or(low).min(low),
                _ => low - modulo(low, width),
            };
            let step = (start + width) - start;
            if (high - start) / width >= MOST_BINS || step <= 0.0 {
                let reason = format!(
                    "values from {low} to {high} make {:.0} bins of width {width}; is the image in the unit that the width is meant for?",
                    (high - start) / width
                );
                return Err(RadiomicsError::Region { label: label.to_owned(), reason });
            }
            Ok(Edges::Regular { start, step })
        }
        Binning::Count(count) => {
            Ok(Edges::Listed(histogram_edges(low, high, count, matches!(samples, Samples::F32(_)))))
        }
    }
}

/// The remainder with the sign of the divisor, as Python has it.
fn modulo(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

/// `numpy.histogram(values, count)[1]`, and one more at the end so that the maximum falls in the last bin.
fn histogram_edges(low: f64, high: f64, count: u32, single: bool) -> Vec<f64> {
    let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let step = (high - low) / f64::from(count);
    let round = |x: f64| if single { f64::from(x as f32) } else { x };
    let mut edges: Vec<f64> = (0..count).map(|i| round(f64::from(i) * step + low)).collect();
    edges.push(high + 1.0);
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(values: &[f64], binning: Binning) -> Vec<u32> {
        discretise(values, binning, &Samples::F64(vec![]), "1").expect("levels")
    }

    /// Values worked out with numpy 1.26: `digitize(x, arange(low, max + 2 w, w))`.
    #[test]
    fn fixed_width_counts_from_a_multiple_of_the_width() {
        assert_eq!(levels(&[30.0, 49.0, 50.0, 75.0], Binning::Width(25.0)), [1, 1, 2, 3]);
        assert_eq!(levels(&[-30.0, -25.0, 0.0], Binning::Width(25.0)), [1, 2, 3]);
        assert_eq!(levels(&[4.0, 4.0], Binning::Width(25.0)), [1, 1]);
    }

    #[test]
    fn a_width_from_the_minimum_or_a_given_value() {
        let from = |start| Binning::WidthFrom { width: 25.0, start };
        assert_eq!(levels(&[30.0, 54.0, 55.0, 80.0], from(None)), [1, 1, 2, 3]);
        assert_eq!(levels(&[30.0, 54.0, 55.0, 80.0], from(Some(-10.0))), [2, 3, 3, 4]);
    }

    #[test]
    fn fixed_count_closes_the_last_bin() {
        assert_eq!(levels(&[0.0, 1.0, 2.0, 4.0], Binning::Count(4)), [1, 2, 3, 4]);
        assert_eq!(levels(&[3.0, 3.0], Binning::Count(4)), [3, 3]);
    }

    #[test]
    fn a_span_without_bound_is_refused() {
        let wide = discretise(&[0.0, 1e12], Binning::Width(0.1), &Samples::F64(vec![]), "1");
        assert!(wide.expect_err("too many bins").to_string().contains("unit"));
    }
}
