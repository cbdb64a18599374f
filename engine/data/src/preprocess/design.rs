//! Applying a fitted preprocessing.

use super::{Encoding, FittedPreprocess};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::schema::Transform;

/// A design matrix of `N` patients and `F` columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// `[F]` names of the columns.
    pub names: Vec<String>,
    /// `[F]` modality block of each column.
    pub blocks: Vec<String>,
    /// Patients, `N`.
    pub n: usize,
    /// Columns, `F`.
    pub p: usize,
    /// `[N, F]` row-major, finite.
    pub x: Vec<f64>,
}

impl Encoding {
    /// The encoded value of a feature; the fill stands in for a missing one.
    pub(super) fn apply(self, value: Option<f64>, fill: Option<f64>) -> f64 {
        match self {
            Self::Missing => f64::from(u8::from(value.is_none())),
            Self::Value => value.or(fill).unwrap_or(f64::NAN),
            Self::Level(code) => match value.or(fill) {
                Some(v) => f64::from(u8::from(v == f64::from(code))),
                None => f64::NAN,
            },
        }
    }
}

impl Dataset {
    /// The transformed value of a feature, `None` where missing.
    pub(super) fn transformed(&self, row: usize, feature: usize) -> Result<Option<f64>, DataError> {
        let column = &self.features[feature];
        if column.missing[row] {
            return Ok(None);
        }
        let x = column.values[row];
        match column.spec.transform {
            Transform::None => Ok(Some(x)),
            Transform::Log1p if x > -1.0 => Ok(Some(libm::log1p(x))),
            Transform::Log1p => Err(DataError::Preprocess {
                column: column.spec.name.clone(),
                reason: format!(
                    "{}: log1p of {x} is undefined; it needs values above -1",
                    self.locate(row, feature)
                ),
            }),
        }
    }
}

impl FittedPreprocess {
    /// The design matrix of a cohort that has the fitted features (others are not looked at).
    ///
    /// # Errors
    /// If a feature is absent or described differently, cannot be transformed, or has a missing
    /// value where the fit imputes none.
    pub fn transform(&self, dataset: &Dataset) -> Result<Design, DataError> {
        let names = self.names();
        let (n, p) = (dataset.n, names.len());
        let mut x = vec![0.0; n * p];
        let mut blocks = Vec::with_capacity(p);
        let mut offset = 0;
        for (place, fitted) in self.features.iter().enumerate() {
            let name = &fitted.spec.name;
            let wrong = |reason: String| DataError::Preprocess { column: name.clone(), reason };
            let named = |k: &usize| dataset.features.get(*k).is_some_and(|f| f.spec.name == *name);
            // Nearly always the same place; only a cohort with other features is searched.
            let k = Some(place)
                .filter(named)
                .or_else(|| (0..dataset.features.len()).find(named))
                .ok_or_else(|| wrong(format!("not among the features of {}", dataset.source.display())))?;
            let here = &dataset.features[k].spec;
            if here.kind != fitted.spec.kind
                || here.transform != fitted.spec.transform
                || here.unit != fitted.spec.unit
            {
                return Err(wrong("has another kind, transform or unit than at the fit".to_owned()));
            }
            for row in 0..n {
                let value = dataset.transformed(row, k)?;
                if value.is_none() && fitted.fill.is_none() {
                    return Err(wrong(format!(
                        "{}: missing, and impute is \"none\"",
                        dataset.locate(row, k)
                    )));
                }
                for (j, output) in fitted.outputs.iter().enumerate() {
                    // Nothing was learnt for a mask that no training patient had set.
                    if output.encoding == Encoding::Missing && fitted.missing == 0 {
                        continue;
                    }
                    let encoded = output.encoding.apply(value, fitted.fill);
                    x[row * p + offset + j] = (encoded - output.centre) / output.scale;
                }
            }
            offset += fitted.outputs.len();
            blocks.extend(fitted.outputs.iter().map(|_| fitted.spec.block.clone()));
        }
        Ok(Design { names, blocks, n, p, x })
    }
}
