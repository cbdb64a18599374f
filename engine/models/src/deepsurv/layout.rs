//! Where each tensor of a network lies in a problem's parameter vector.

use osteon_core::rng::{Purpose, Stream};

use super::Spec;

/// What a tensor is to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Moved by the optimiser.
    Trainable,
    /// Kept by the model, not by the gradient: batch-norm statistics.
    Buffer,
}

/// A named tensor inside the vector of one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Name, as in `model.safetensors`.
    pub name: String,
    /// Extent of each dimension.
    pub shape: Vec<usize>,
    /// First element.
    pub offset: usize,
    /// Trainable or buffer.
    pub role: Role,
}

impl Tensor {
    /// Its elements in the vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.shape.iter().product::<usize>()
    }
}

/// Batch-norm tensors of a hidden layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormAt {
    pub scale: usize,
    pub shift: usize,
    pub mean: usize,
    pub var: usize,
}

/// One dense layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerAt {
    pub inputs: usize,
    pub outputs: usize,
    pub w: usize,
    pub b: usize,
    pub norm: Option<NormAt>,
}

/// All tensors of a network: trainable ones first, then buffers.
#[derive(Debug, Clone)]
pub struct Layout {
    tensors: Vec<Tensor>,
    trainable: usize,
    total: usize,
    pub(super) layers: Vec<LayerAt>,
}

impl Layout {
    /// Lays out the tensors of `spec`.
    pub fn new(spec: &Spec) -> Self {
        let mut layout = Self { tensors: Vec::new(), trainable: 0, total: 0, layers: Vec::new() };
        let mut inputs = spec.inputs;
        let widths: Vec<usize> = spec.hidden.iter().copied().chain([1]).collect();
        for (l, &outputs) in widths.iter().enumerate() {
            let hidden = l < spec.hidden.len();
            let name = if hidden { format!("hidden.{l}") } else { "output".to_owned() };
            let w = layout.push(format!("{name}.weight"), &[outputs, inputs], Role::Trainable);
            let b = layout.push(format!("{name}.bias"), &[outputs], Role::Trainable);
            let norm = (hidden && spec.batch_norm).then(|| NormAt {
                scale: layout.push(format!("{name}.norm.scale"), &[outputs], Role::Trainable),
                shift: layout.push(format!("{name}.norm.shift"), &[outputs], Role::Trainable),
                mean: 0,
                var: 0,
            });
            layout.layers.push(LayerAt { inputs, outputs, w, b, norm });
            inputs = outputs;
        }
        layout.trainable = layout.total;
        for l in 0..spec.hidden.len() {
            let outputs = layout.layers[l].outputs;
            if layout.layers[l].norm.is_some() {
                let mean = layout.push(format!("hidden.{l}.norm.mean"), &[outputs], Role::Buffer);
                let var = layout.push(format!("hidden.{l}.norm.var"), &[outputs], Role::Buffer);
                if let Some(norm) = &mut layout.layers[l].norm {
                    (norm.mean, norm.var) = (mean, var);
                }
            }
        }
        layout
    }

    fn push(&mut self, name: String, shape: &[usize], role: Role) -> usize {
        let offset = self.total;
        self.total += shape.iter().product::<usize>();
        self.tensors.push(Tensor { name, shape: shape.to_vec(), offset, role });
        offset
    }

    /// Tensors in order of their offset.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Elements moved by the optimiser, `P`.
    pub fn trainable(&self) -> usize {
        self.trainable
    }

    /// Elements of a problem's vector: trainable ones and buffers.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether the network has no tensors; never.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Initial parameters of the problem of that seed: Glorot-uniform weights, zero biases, unit
    /// scales and variances.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        let mut p = vec![0f32; self.total];
        for layer in &self.layers {
            let limit = (6.0 / (layer.inputs + layer.outputs) as f64).sqrt();
            for x in &mut p[layer.w..layer.w + layer.inputs * layer.outputs] {
                *x = ((2.0 * stream.uniform() - 1.0) * limit) as f32;
            }
            if let Some(norm) = layer.norm {
                p[norm.scale..norm.scale + layer.outputs].fill(1.0);
                p[norm.var..norm.var + layer.outputs].fill(1.0);
            }
        }
        p
    }

    /// Elements that the L2 penalty of `spec` acts on.
    pub(super) fn penalised(&self, spec: &Spec) -> Vec<std::ops::Range<usize>> {
        let all = self.layers.iter().map(|l| l.w..l.w + l.inputs * l.outputs);
        match spec.l2_scope {
            super::L2Scope::All => all.collect(),
            super::L2Scope::Output => all.skip(self.layers.len() - 1).collect(),
        }
    }
}
