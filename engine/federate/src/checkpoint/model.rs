//! `model.safetensors`: the tensors of all problems of a batch, and a table of the problems.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::stored::{self, StoredTensor, Values};
use crate::hash::model_sha256;
use crate::{FederateError, TensorSpec};

/// A model file in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// Tensors of one problem, in order of name, laid out one after the other.
    pub tensors: Vec<TensorSpec>,
    /// Parameters, `[B, P]` in that layout.
    pub params: Vec<f32>,
    /// One JSON object per problem (seed, bootstrap, fold, site).
    pub problems: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    schema: String,
    model_sha256: String,
    problems: Vec<serde_json::Value>,
}

const SCHEMA: &str = "osteon.model/1";

/// Writes `params` (`[B, P]`) as `[B, ...]` tensors with one object per problem in the metadata. Returns the
/// model hash, which does not cover the metadata.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If `params` is not `B` times the tensors, with `B = problems.len()`.
pub fn write_model(
    path: &Path,
    tensors: &[TensorSpec],
    params: &[f32],
    problems: &[serde_json::Value],
) -> Result<String, FederateError> {
    let p: usize = tensors.iter().map(TensorSpec::len).sum();
    assert_eq!(params.len(), problems.len() * p, "parameters of another model");
    let hash = model_sha256(tensors, params, problems.len());
    let note = Note { schema: SCHEMA.into(), model_sha256: hash.clone(), problems: problems.to_vec() };
    let note = serde_json::to_string(&note).map_err(|e| FederateError::file(path, e))?;
    let batched: Vec<StoredTensor> = tensors.iter().map(|t| batch(t, params, problems.len())).collect();
    stored::write(path, &batched, Some(&note))?;
    Ok(hash)
}

/// Reads a model file and checks it against its own hash.
///
/// # Errors
/// A file that is not a model of this version, or was changed.
pub fn read_model(path: &Path) -> Result<ModelFile, FederateError> {
    let (batched, note) = stored::read(path)?;
    let note = note.ok_or_else(|| FederateError::file(path, "it has no table of problems"))?;
    let note: Note = serde_json::from_str(&note).map_err(|e| FederateError::file(path, e))?;
    let problems = note.problems.len();
    let tensors = TensorSpec::layout(
        batched.iter().map(|t| (t.name.as_str(), t.shape[1.min(t.shape.len())..].to_vec())),
    );
    let p: usize = tensors.iter().map(TensorSpec::len).sum();
    let mut params = vec![0f32; problems * p];
    for (spec, tensor) in tensors.iter().zip(&batched) {
        let Values::F32(values) = &tensor.values else {
            return Err(FederateError::file(path, format!("tensor '{}' is not f32", tensor.name)));
        };
        if tensor.shape.first() != Some(&problems) {
            let reason = format!(
                "tensor '{}' has shape {:?}, but there are {problems} problems",
                tensor.name, tensor.shape
            );
            return Err(FederateError::file(path, reason));
        }
        for (b, values) in values.chunks(spec.len().max(1)).enumerate() {
            params[b * p + spec.offset..][..spec.len()].copy_from_slice(values);
        }
    }
    if note.schema != SCHEMA || model_sha256(&tensors, &params, problems) != note.model_sha256 {
        return Err(FederateError::file(path, "its tensors do not match its hash or schema"));
    }
    Ok(ModelFile { tensors, params, problems: note.problems })
}

/// One tensor of all problems, `[B, ...]`.
fn batch(spec: &TensorSpec, params: &[f32], problems: usize) -> StoredTensor {
    let p = params.len().checked_div(problems).unwrap_or(0);
    let values = (0..problems).flat_map(|b| &params[b * p + spec.offset..][..spec.len()]).copied().collect();
    let shape = std::iter::once(problems).chain(spec.shape.iter().copied()).collect();
    StoredTensor::new(spec.name.clone(), shape, Values::F32(values))
}
