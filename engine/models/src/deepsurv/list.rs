//! The op list of a network.

use super::{Layout, Role, Spec};
use crate::graph::{Graph, SlotId, SlotRole, Step};

/// The forward and backward list of `spec`. Slot `x` is the input (`[N, F]` in risk order),
/// trainable slots carry the names of [`Layout::tensors`], the last forward op is the loss.
///
/// # Panics
/// Never: the layout of a spec names every tensor used here.
pub fn op_list(spec: &Spec) -> Graph {
    let layout = Layout::new(spec);
    let mut graph = Graph::default();
    let mut current = graph.slot("x", SlotRole::Input);
    for tensor in layout.tensors().iter().filter(|t| t.role == Role::Trainable) {
        graph.slot(tensor.name.clone(), SlotRole::Trainable);
    }
    let named = |graph: &Graph, name: String| -> SlotId {
        graph.find(&name).unwrap_or_else(|| panic!("the layout has no tensor {name}"))
    };
    for l in 0..=spec.hidden.len() {
        let hidden = l < spec.hidden.len();
        let layer = if hidden { format!("hidden.{l}") } else { "output".to_owned() };
        let w = named(&graph, format!("{layer}.weight"));
        let b = named(&graph, format!("{layer}.bias"));
        current = graph.push_one(Step::Linear, &[current, w, b]);
        if !hidden {
            break;
        }
        if spec.batch_norm {
            let scale = named(&graph, format!("{layer}.norm.scale"));
            let shift = named(&graph, format!("{layer}.norm.shift"));
            current = graph.push(Step::BatchNorm, &[current, scale, shift], 3)[0];
        }
        current = graph.push_one(Step::Activation(spec.activation), &[current]);
        if spec.dropout > 0.0 {
            current = graph.push_one(Step::Dropout { layer: l, rate: spec.dropout }, &[current]);
        }
    }
    graph.push(Step::CoxNll(spec.ties), &[current], 2);
    graph.differentiate();
    graph
}
