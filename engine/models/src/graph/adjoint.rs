//! The backward list: each op's adjoint, written in ops of the registry.

use super::{Graph, SlotId, SlotRole, Step};

impl Graph {
    /// Appends the ops that compute the gradient of the list's loss (the first output of its
    /// `CoxNll`) with respect to every trainable slot.
    ///
    /// # Panics
    /// If the list has no loss, or an adjoint is itself asked for its adjoint.
    pub fn differentiate(&mut self) {
        let forward = self.nodes.len();
        let mut incoming: Vec<Option<SlotId>> = vec![None; self.slots.len()];
        for at in (0..forward).rev() {
            let node = self.nodes[at].clone();
            let (i, o) = (&node.inputs, &node.outputs);
            if let Step::CoxNll(_) = node.step {
                // The loss kernel yields its gradient beside the loss.
                incoming[i[0]] = Some(o[1]);
                continue;
            }
            let Some(d) = o.first().and_then(|&out| incoming[out]) else { continue };
            match node.step {
                Step::Linear => {
                    let weight = self.push(Step::LinearGradWeight, &[d, i[0]], 2);
                    incoming[i[1]] = Some(weight[0]);
                    incoming[i[2]] = Some(weight[1]);
                    if self.slots[i[0]].role == SlotRole::Value {
                        incoming[i[0]] = Some(self.push_one(Step::LinearGradInput, &[d, i[1]]));
                    }
                }
                Step::Activation(kind) => {
                    incoming[i[0]] = Some(self.push_one(Step::ActivationGrad(kind), &[d, o[0]]));
                }
                Step::Dropout { layer, rate } => {
                    incoming[i[0]] = Some(self.push_one(Step::Dropout { layer, rate }, &[d]));
                }
                Step::BatchNorm => {
                    let out = self.push(Step::BatchNormGrad, &[d, o[1], o[2], i[1]], 3);
                    for (input, gradient) in i.iter().zip(out) {
                        incoming[*input] = Some(gradient);
                    }
                }
                other => panic!("the adjoint of {other:?} is not defined"),
            }
        }
        let trainable = |s: &SlotId| self.slots[*s].role == SlotRole::Trainable;
        self.gradients =
            (0..incoming.len()).filter(trainable).filter_map(|s| Some((s, incoming[s]?))).collect();
    }
}
