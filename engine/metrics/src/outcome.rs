//! Checks that every metric makes before it counts.

use crate::MetricError;

/// Refuses columns of different lengths.
pub(crate) fn same_length(what: &'static str, found: usize, expected: usize) -> Result<(), MetricError> {
    if found == expected { Ok(()) } else { Err(MetricError::Length { what, found, expected }) }
}

/// Refuses NaN and infinities.
pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<(), MetricError> {
    first_bad(what, values, |v| v.is_finite())
}

/// Refuses weights that are negative or not finite.
pub(crate) fn weights(values: Option<&[f64]>, n: usize) -> Result<(), MetricError> {
    let Some(values) = values else { return Ok(()) };
    same_length("weights", values.len(), n)?;
    first_bad("weights", values, |v| v.is_finite() && v >= 0.0)
}

/// Refuses an outcome with mismatched columns or a time that is not finite.
pub(crate) fn outcome(time: &[f64], event: &[bool]) -> Result<(), MetricError> {
    same_length("event", event.len(), time.len())?;
    finite("time", time)
}

/// Refuses an outcome or a score that cannot be ranked.
pub(crate) fn scored(time: &[f64], event: &[bool], score: &[f64]) -> Result<(), MetricError> {
    outcome(time, event)?;
    same_length("score", score.len(), time.len())?;
    // An infinite risk still has a rank; a NaN has none.
    first_bad("score", score, |v| !v.is_nan())
}

fn first_bad(what: &'static str, values: &[f64], good: impl Fn(f64) -> bool) -> Result<(), MetricError> {
    match values.iter().position(|&v| !good(v)) {
        None => Ok(()),
        Some(row) => Err(MetricError::Value { what, row, value: values[row] }),
    }
}
