//! Fitting: medians, modes and moments of the training rows of all sites.
//!
//! Every site makes the same calls of [`Reduce`] in the same order, whatever its rows: a fault is
//! counted in the next call, and then all sites end.

use osteon_core::{ExactSum, Reduce};

use super::order;
use super::{
    Drop, Encoding, FittedFeature, FittedOutput, FittedPreprocess, ImputeLevel, ImputeNumber, Preprocess,
    Scale,
};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::schema::{ColumnSpec, Kind};

impl FittedPreprocess {
    /// Fits `spec` on the given rows of this site and on whatever rows the other participants of
    /// `reduce` give; a row listed twice counts twice. Moments are exact sums rounded once, so the
    /// result does not depend on how rows are spread.
    ///
    /// # Errors
    /// If a feature has no value at any site, misses values that `spec` does not impute, or cannot
    /// be transformed; if there is no row at all; or if a site is lost.
    pub fn fit(
        spec: &Preprocess,
        dataset: &Dataset,
        rows: &[usize],
        reduce: &dyn Reduce,
    ) -> Result<Self, DataError> {
        // Transformed values of each feature, None where missing.
        let mut fault = None;
        let mut columns: Vec<Vec<Option<f64>>> = Vec::with_capacity(dataset.features.len());
        let mut counts: Vec<u64> = vec![rows.len() as u64];
        for k in 0..dataset.features.len() {
            let values: Vec<_> = rows.iter().map(|&row| dataset.transformed(row, k)).collect();
            let faults = values.iter().filter(|v| v.is_err()).count();
            let values: Vec<_> = values
                .into_iter()
                .map(|v| {
                    v.unwrap_or_else(|e| {
                        fault.get_or_insert(e);
                        None
                    })
                })
                .collect();
            counts.extend([values.iter().flatten().count() as u64, faults as u64]);
            columns.push(values);
        }
        reduce.count(&mut counts)?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let n = counts[0];
        let wrong = |feature: &ColumnSpec, reason: String| DataError::Preprocess {
            column: feature.name.clone(),
            reason,
        };
        let mut features = Vec::with_capacity(columns.len());
        for (feature, count) in dataset.features.iter().zip(counts[1..].chunks_exact(2)) {
            let (present, faults) = (count[0], count[1]);
            let missing = n - present;
            let spec = match feature.spec.kind {
                Kind::Continuous => spec.impute_number == ImputeNumber::None,
                _ => spec.impute_level == ImputeLevel::None,
            };
            if faults > 0 {
                return Err(wrong(
                    &feature.spec,
                    format!("{faults} values at another site cannot be transformed"),
                ));
            }
            if present == 0 {
                return Err(wrong(
                    &feature.spec,
                    format!("no value in any of {n} training rows; leave it out"),
                ));
            }
            if missing > 0 && spec {
                return Err(wrong(
                    &feature.spec,
                    format!("{missing} of {n} values are missing and impute is \"none\""),
                ));
            }
            features.push(FittedFeature {
                spec: feature.spec.clone(),
                fill: None,
                missing,
                outputs: Vec::new(),
            });
        }
        fill_numbers(spec, &columns, &mut features, n, reduce)?;
        fill_levels(spec, &columns, &mut features, reduce)?;
        let mut masked = Vec::new();
        for feature in &mut features {
            feature.outputs = outputs(spec, feature);
            let ColumnSpec { block, masked: whole, .. } = &feature.spec;
            if *whole && !masked.contains(block) {
                masked.push(block.clone());
                if feature.missing > 0 || spec.constant_masks {
                    feature.outputs.push(output(format!("{block}_missing"), Encoding::Missing));
                }
            }
        }
        let constant = scale(spec, &columns, &mut features, n, reduce)?;
        Ok(Self { spec: *spec, n, features, constant })
    }
}

/// What takes the place of missing continuous values.
fn fill_numbers(
    spec: &Preprocess,
    columns: &[Vec<Option<f64>>],
    features: &mut [FittedFeature],
    n: u64,
    reduce: &dyn Reduce,
) -> Result<(), DataError> {
    let numbers: Vec<usize> =
        (0..features.len()).filter(|&k| features[k].spec.kind == Kind::Continuous).collect();
    let present: Vec<Vec<f64>> =
        numbers.iter().map(|&k| columns[k].iter().flatten().copied().collect()).collect();
    let counts: Vec<u64> = numbers.iter().map(|&k| n - features[k].missing).collect();
    let fills: Vec<Option<f64>> = match spec.impute_number {
        ImputeNumber::Median => {
            let ranges = order::extremes(&present, reduce)?;
            order::medians(&present, &ranges, &counts, reduce)?
        }
        ImputeNumber::Mean => {
            let mut sums = vec![ExactSum::new(); present.len()];
            for (sum, values) in sums.iter_mut().zip(&present) {
                sum.extend(values.iter().copied());
            }
            reduce.sum(&mut sums)?;
            sums.iter().zip(&counts).map(|(sum, &count)| sum.value().map(|s| s / count as f64)).collect()
        }
        ImputeNumber::Constant(x) => vec![Some(x); numbers.len()],
        ImputeNumber::None => vec![None; numbers.len()],
    };
    for (k, fill) in numbers.into_iter().zip(fills) {
        features[k].fill = fill;
    }
    Ok(())
}

/// What takes the place of missing codes: the most frequent one.
fn fill_levels(
    spec: &Preprocess,
    columns: &[Vec<Option<f64>>],
    features: &mut [FittedFeature],
    reduce: &dyn Reduce,
) -> Result<(), DataError> {
    if spec.impute_level == ImputeLevel::None {
        return Ok(());
    }
    let codes = |kind: &Kind| match kind {
        Kind::Continuous => 0,
        Kind::Binary => 2,
        Kind::Categorical { levels } | Kind::Ordinal { levels } => levels.len(),
    };
    let mut counts: Vec<u64> = Vec::new();
    for (feature, column) in features.iter().zip(columns) {
        let start = counts.len();
        counts.resize(start + codes(&feature.spec.kind), 0);
        if feature.spec.kind != Kind::Continuous {
            for &code in column.iter().flatten() {
                counts[start + code as usize] += 1;
            }
        }
    }
    reduce.count(&mut counts)?;
    let mut rest = counts.as_slice();
    for feature in features {
        let (own, others) = rest.split_at(codes(&feature.spec.kind));
        rest = others;
        // Of equal counts the first: `max_by_key` would take the last.
        if let Some((code, _)) = own.iter().enumerate().rev().max_by_key(|(_, count)| **count) {
            feature.fill = Some(code as f64);
        }
    }
    Ok(())
}

fn output(name: String, encoding: Encoding) -> FittedOutput {
    FittedOutput { name, encoding, centre: 0.0, scale: 1.0 }
}

/// The columns a feature gives, not yet scaled; the mask of its block is not among them.
fn outputs(spec: &Preprocess, feature: &FittedFeature) -> Vec<FittedOutput> {
    let name = &feature.spec.name;
    let mut outputs = match &feature.spec.kind {
        Kind::Categorical { levels } => {
            let skip = usize::from(spec.drop == Drop::First);
            let column = |(code, level)| output(format!("{name}={level}"), Encoding::Level(code));
            (0u32..).zip(levels).skip(skip).map(column).collect()
        }
        _ => vec![output(name.clone(), Encoding::Value)],
    };
    if spec.indicators && feature.missing > 0 && !feature.spec.masked {
        outputs.push(output(format!("{name}_missing"), Encoding::Missing));
    }
    outputs
}

/// Centres and scales of the columns to be scaled, from two passes of exact sums: the mean, then the
/// centred squares, as numpy's `std`. Gives the names of the constant columns.
fn scale(
    spec: &Preprocess,
    columns: &[Vec<Option<f64>>],
    features: &mut [FittedFeature],
    n: u64,
    reduce: &dyn Reduce,
) -> Result<Vec<String>, DataError> {
    let mut encoded: Vec<Vec<f64>> = Vec::new();
    for (feature, column) in features.iter().zip(columns) {
        for output in &feature.outputs {
            encoded.push(column.iter().map(|&v| output.encoding.apply(v, feature.fill)).collect());
        }
    }
    let ranges = order::extremes(&encoded, reduce)?;
    let mut sums = vec![ExactSum::new(); encoded.len()];
    for (sum, values) in sums.iter_mut().zip(&encoded) {
        sum.extend(values.iter().copied());
    }
    reduce.sum(&mut sums)?;
    let means: Vec<f64> = sums.iter().map(|s| s.value().unwrap_or(f64::NAN) / n as f64).collect();
    let mut squares = vec![ExactSum::new(); encoded.len()];
    for ((square, values), mean) in squares.iter_mut().zip(&encoded).zip(&means) {
        for x in values {
            let d = x - mean;
            square.add_product(d, d);
        }
    }
    reduce.sum(&mut squares)?;
    let mut constant = Vec::new();
    let mut column = 0;
    for feature in features {
        let number = matches!(feature.spec.kind, Kind::Continuous | Kind::Ordinal { .. });
        for output in &mut feature.outputs {
            let scaled = match spec.scale {
                Scale::Standard => true,
                Scale::Numbers => number && output.encoding == Encoding::Value,
                Scale::None => false,
            };
            // A constant is known by its extremes: its computed mean may be off by a rounding.
            let range = ranges[column].unwrap_or_default();
            let flat = range.0 == range.1;
            if flat {
                constant.push(output.name.clone());
            }
            if scaled {
                let variance = squares[column].value().unwrap_or(f64::NAN) / n as f64;
                (output.centre, output.scale) =
                    if flat { (range.0, 1.0) } else { (means[column], variance.sqrt()) };
                if !(output.centre.is_finite() && output.scale.is_finite() && output.scale > 0.0) {
                    return Err(DataError::Preprocess {
                        column: feature.spec.name.clone(),
                        reason: format!(
                            "values from {} to {} are too far apart or too close to scale",
                            range.0, range.1
                        ),
                    });
                }
            }
            column += 1;
        }
    }
    Ok(constant)
}
