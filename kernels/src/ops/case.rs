//! Test inputs of an op: named tensors and scalar options.

use osteon_core::rng::{Purpose, Stream};

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Unsigned integers: indices, counts, flags.
    U32(Vec<u32>),
}

/// A named array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Name in the op's table of buffers.
    pub name: &'static str,
    /// Extent of each dimension.
    pub shape: Vec<usize>,
    /// Numbers, row-major.
    pub values: Values,
}

impl Tensor {
    /// A tensor of `f32`.
    pub fn f32(name: &'static str, shape: &[usize], values: Vec<f32>) -> Self {
        Self::new(name, shape, Values::F32(values))
    }

    /// A tensor of `f64`.
    pub fn f64(name: &'static str, shape: &[usize], values: Vec<f64>) -> Self {
        Self::new(name, shape, Values::F64(values))
    }

    /// A tensor of `u32`.
    pub fn u32(name: &'static str, shape: &[usize], values: Vec<u32>) -> Self {
        Self::new(name, shape, Values::U32(values))
    }

    fn new(name: &'static str, shape: &[usize], values: Values) -> Self {
        let tensor = Self { name, shape: shape.to_vec(), values };
        assert_eq!(tensor.len(), shape.iter().product::<usize>(), "{name}: shape {shape:?}");
        tensor
    }

    /// Elements.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::U32(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements as `f64`.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.values {
            Values::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Values::F64(v) => v.clone(),
            Values::U32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        }
    }

    /// Elements as `f32`.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.values {
            Values::F32(v) => v.clone(),
            Values::F64(v) => v.iter().map(|&x| x as f32).collect(),
            Values::U32(v) => v.iter().map(|&x| x as f32).collect(),
        }
    }
}

/// One input of an op.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is special about it; part of the test's name.
    pub label: String,
    /// Input tensors.
    pub inputs: Vec<Tensor>,
    /// Scalar options by name.
    pub options: Vec<(&'static str, f64)>,
}

impl Case {
    /// A case without inputs yet.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), inputs: Vec::new(), options: Vec::new() }
    }

    /// Adds an input tensor.
    #[must_use]
    pub fn with(mut self, tensor: Tensor) -> Self {
        self.inputs.push(tensor);
        self
    }

    /// Adds a scalar option.
    #[must_use]
    pub fn option(mut self, name: &'static str, value: f64) -> Self {
        self.options.push((name, value));
        self
    }

    /// An input by name, if the case has it.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.inputs.iter().find(|t| t.name == name)
    }

    /// An input by name.
    ///
    /// # Panics
    /// If the case was built without it.
    pub fn input(&self, name: &str) -> &Tensor {
        self.find(name).unwrap_or_else(|| panic!("case {} has no input {name}", self.label))
    }

    /// A scalar option by name, 0 where absent.
    pub fn get(&self, name: &str) -> f64 {
        self.options.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, v)| *v)
    }

    /// A scalar option that is a size.
    pub fn size(&self, name: &str) -> usize {
        self.get(name) as usize
    }
}

/// A gradient to check by central differences: output `gradient` holds the derivative of the sum
/// of output `of` (weighted elementwise by input `seed`, if named) with respect to input `wrt`.
#[derive(Debug, Clone, Copy)]
pub struct Gradient {
    /// Differentiated output.
    pub of: &'static str,
    /// Weights of its elements (the incoming gradient); all 1 where `None`.
    pub seed: Option<&'static str>,
    /// Input that is varied; given in `f64` to the reference.
    pub wrt: &'static str,
    /// Output that holds the derivative.
    pub gradient: &'static str,
}

/// Work of one run, for GB/s and GFLOP/s.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Bytes that must be read or written at least once.
    pub bytes: f64,
    /// Floating-point operations.
    pub flops: f64,
}

/// `n` standard normal numbers as `f32`, the same on every machine of one kind.
pub fn normal(seed: u64, n: usize) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Synthetic, 0);
    (0..n).map(|_| stream.normal() as f32).collect()
}

/// `n` integers below `below`.
pub fn integers(seed: u64, n: usize, below: u64) -> Vec<u32> {
    let mut stream = Stream::new(seed, Purpose::Synthetic, 1);
    (0..n).map(|_| stream.below(below) as u32).collect()
}
