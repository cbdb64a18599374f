//! Named tensors in safetensors files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use osteon_core::files::write_atomic;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use crate::FederateError;

/// Values of a stored tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Parameters and moments.
    F32(Vec<f32>),
    /// State kept in double precision.
    F64(Vec<f64>),
    /// Counters.
    U64(Vec<u64>),
}

/// A tensor with its name and shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, as many as the shape says.
    pub values: Values,
}

impl StoredTensor {
    /// A tensor.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, values: Values) -> Self {
        Self { name: name.into(), shape, values }
    }

    pub(super) fn under(&self, group: &str) -> Self {
        Self { name: format!("{group}/{}", self.name), ..self.clone() }
    }
}

impl View for &StoredTensor {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
            Values::U64(_) => Dtype::U64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::U64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::F32(v) => 4 * v.len(),
            Values::F64(v) => 8 * v.len(),
            Values::U64(v) => 8 * v.len(),
        }
    }
}

/// Writes tensors in one step, with `note` (JSON) under the metadata key `osteon`.
pub(super) fn write(path: &Path, tensors: &[StoredTensor], note: Option<&str>) -> Result<(), FederateError> {
    let metadata = note.map(|n| HashMap::from([("osteon".to_owned(), n.to_owned())]));
    let bytes = safetensors::serialize(tensors.iter().map(|t| (t.name.as_str(), t)), metadata)
        .map_err(|e| FederateError::file(path, e))?;
    write_atomic::<std::io::Error>(path, |out| out.write_all(&bytes))
        .map_err(|e| FederateError::file(path, e))
}

/// Reads tensors in order of name, and the note.
pub(super) fn read(path: &Path) -> Result<(Vec<StoredTensor>, Option<String>), FederateError> {
    let fault = |e: &dyn std::fmt::Display| FederateError::file(path, e);
    let bytes = std::fs::read(path).map_err(|e| fault(&e))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| fault(&e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| fault(&e))?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.tensors() {
        let values = values(&view).ok_or_else(|| fault(&format!("tensor '{name}' is {:?}", view.dtype())))?;
        tensors.push(StoredTensor { name, shape: view.shape().to_vec(), values });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((tensors, metadata.metadata().as_ref().and_then(|m| m.get("osteon").cloned())))
}

fn values(view: &TensorView<'_>) -> Option<Values> {
    fn each<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|c| from(*c)).collect()
    }
    match view.dtype() {
        Dtype::F32 => Some(Values::F32(each(view.data(), f32::from_le_bytes))),
        Dtype::F64 => Some(Values::F64(each(view.data(), f64::from_le_bytes))),
        Dtype::U64 => Some(Values::U64(each(view.data(), u64::from_le_bytes))),
        _ => None,
    }
}
