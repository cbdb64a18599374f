//! A model as a static list of ops over named slots (decision 0003).

mod adjoint;
mod interpret;

pub use interpret::{CutLoss, Inputs, Values};

use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::cox_nll::Ties;

/// Index of a slot.
pub type SlotId = usize;

/// What a slot is to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotRole {
    /// Data of the step.
    Input,
    /// Moved by the optimiser.
    Trainable,
    /// Computed by an op of the list.
    Value,
}

/// A named array of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name; that of the tensor for trainable slots.
    pub name: String,
    /// Role.
    pub role: SlotRole,
}

/// An op of the registry with its options. The comment gives `inputs -> outputs`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// `x, w, b -> z`.
    Linear,
    /// `dz, w -> dx`.
    LinearGradInput,
    /// `dz, x -> dw, db`.
    LinearGradWeight,
    /// `z -> a`.
    Activation(Activation),
    /// `da, a -> dz`.
    ActivationGrad(Activation),
    /// `a -> y`, with the mask of that layer; its own adjoint.
    Dropout {
        /// Layer that keys the mask.
        layer: usize,
        /// Probability to drop.
        rate: f64,
    },
    /// `z, scale, shift -> y, x, sd`, statistics over the patients of the step.
    BatchNorm,
    /// `dy, x, sd, scale -> dz, dscale, dshift`.
    BatchNormGrad,
    /// `score -> loss, dscore`: mean negative log partial likelihood per event weight. A cut point:
    /// risk sets may be summed over sites here.
    CoxNll(Ties),
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The op.
    pub step: Step,
    /// Slots it reads.
    pub inputs: Vec<SlotId>,
    /// Slots it writes.
    pub outputs: Vec<SlotId>,
}

/// A list of ops. Every slot is written by at most one node, before any node reads it.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    slots: Vec<Slot>,
    nodes: Vec<Node>,
    /// Gradient slot of each trainable slot, once [`Graph::differentiate`] has run.
    gradients: Vec<(SlotId, SlotId)>,
}

impl Graph {
    /// Adds a slot that no op writes.
    pub fn slot(&mut self, name: impl Into<String>, role: SlotRole) -> SlotId {
        self.slots.push(Slot { name: name.into(), role });
        self.slots.len() - 1
    }

    /// Adds a node with `outputs` new value slots, named after the op.
    pub fn push(&mut self, step: Step, inputs: &[SlotId], outputs: usize) -> Vec<SlotId> {
        let n = self.nodes.len();
        let outputs: Vec<SlotId> =
            (0..outputs).map(|i| self.slot(format!("v{n}.{i}"), SlotRole::Value)).collect();
        self.nodes.push(Node { step, inputs: inputs.to_vec(), outputs: outputs.clone() });
        outputs
    }

    /// Adds a node with one output.
    pub fn push_one(&mut self, step: Step, inputs: &[SlotId]) -> SlotId {
        self.push(step, inputs, 1)[0]
    }

    /// The slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The list, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Pairs of a trainable slot and the slot of its gradient.
    pub fn gradients(&self) -> &[(SlotId, SlotId)] {
        &self.gradients
    }

    /// The slot of that name.
    pub fn find(&self, name: &str) -> Option<SlotId> {
        self.slots.iter().position(|s| s.name == name)
    }
}
