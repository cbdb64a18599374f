//! The network, and where each tensor lies in a problem's parameter vector.

use std::ops::Range;

use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::attention_pool::Shape;
use osteon_kernels::ops::cox_nll::Ties;

use crate::deepsurv::{L2Scope, Role, Tensor};

/// The architecture and loss of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Widths of an embedding, of the features and of the gates.
    pub shape: Shape,
    /// Probability that a feature of a tile is dropped in training, in `[0, 1)`.
    pub dropout: f64,
    /// The loss gains `l2 * sum w^2`.
    pub l2: f64,
    /// Weights it acts on.
    pub l2_scope: L2Scope,
    /// Treatment of tied event times.
    pub ties: Ties,
}

/// All tensors of a network: those of the pooling in its order, then the head.
#[derive(Debug, Clone)]
pub struct Layout {
    tensors: Vec<Tensor>,
    pooling: usize,
}

impl Layout {
    /// Lays out the tensors of `shape`.
    pub fn new(shape: Shape) -> Self {
        let (at, Shape { inputs, hidden, attention }) = (shape.places(), shape);
        let tensor = |name: &str, offset: usize, shape: &[usize]| Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            offset,
            role: Role::Trainable,
        };
        let tensors = vec![
            tensor("features.weight", at.w.start, &[hidden, inputs]),
            tensor("features.bias", at.b.start, &[hidden]),
            tensor("attention.tanh.weight", at.v.start, &[attention, hidden]),
            tensor("attention.tanh.bias", at.c.start, &[attention]),
            tensor("attention.sigmoid.weight", at.u.start, &[attention, hidden]),
            tensor("attention.sigmoid.bias", at.d.start, &[attention]),
            tensor("attention.weight", at.a.start, &[1, attention]),
            tensor("output.weight", shape.len(), &[1, hidden]),
        ];
        Self { tensors, pooling: shape.len() }
    }

    /// Tensors in order of their offset.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Parameters `P`, all of them moved by the optimiser.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.range().end)
    }

    /// Whether the network has no tensors; never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Parameters of the pooling; the head follows.
    pub fn pooling(&self) -> usize {
        self.pooling
    }

    /// Initial parameters of the problem of that seed: Glorot-uniform weights, zero biases, drawn tensor after tensor.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut stream = Stream::new(seed, Purpose::Init, 0);
        let mut params = vec![0f32; self.len()];
        for tensor in &self.tensors {
            if let &[outputs, inputs] = tensor.shape.as_slice() {
                let limit = (6.0 / (inputs + outputs) as f64).sqrt();
                for x in &mut params[tensor.range()] {
                    *x = ((2.0 * stream.uniform() - 1.0) * limit) as f32;
                }
            }
        }
        params
    }

    /// Elements that an L2 penalty acts on.
    pub(super) fn penalised(&self, scope: L2Scope) -> Vec<Range<usize>> {
        let weights = self.tensors.iter().filter(|t| t.shape.len() == 2).map(Tensor::range);
        match scope {
            L2Scope::All => weights.collect(),
            L2Scope::Output => weights.skip_while(|r| r.start < self.pooling).collect(),
        }
    }
}
