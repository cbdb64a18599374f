//! The tensors of a model and where they lie in its parameter vector.

/// One tensor of a model: `len()` values from `offset` in the vector of its `P` parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name ("hidden.0.weight").
    pub name: String,
    /// Shape of one problem's tensor, row-major.
    pub shape: Vec<usize>,
    /// Place of its first value.
    pub offset: usize,
}

impl TensorSpec {
    /// Values in the tensor.
    #[allow(clippy::len_without_is_empty, reason = "a tensor of a model is never empty")]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Lays out tensors one after the other.
    pub fn layout<'n>(shapes: impl IntoIterator<Item = (&'n str, Vec<usize>)>) -> Vec<Self> {
        let mut offset = 0;
        let place = |(name, shape): (&str, Vec<usize>)| {
            let spec = Self { name: name.to_owned(), shape, offset };
            offset += spec.len();
            spec
        };
        shapes.into_iter().map(place).collect()
    }
}

/// Names and shapes of a model's tensors as one line.
pub(crate) fn describe(tensors: &[TensorSpec]) -> String {
    tensors.iter().map(|t| format!("{} {:?} at {}; ", t.name, t.shape, t.offset)).collect()
}
