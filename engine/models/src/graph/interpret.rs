//! The f64 interpreter: what a list of ops means, for one problem.

use osteon_kernels::ops::batch_norm::EPSILON;
use osteon_kernels::ops::cox_nll::{RiskOrder, Ties, reference};
use osteon_kernels::ops::dropout::Dropout;

use super::{Graph, SlotId, Step};

/// What a step of one problem works on besides its slots.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The outcome; patients are in its risk order.
    pub order: &'a RiskOrder,
    /// Case weights in risk order, `[N]`.
    pub weights: Option<&'a [f64]>,
    /// Keys of the patients in risk order, `[N]`.
    pub keys: &'a [u64],
    /// Seed of the problem.
    pub seed: u64,
    /// Step of the problem.
    pub step: u64,
}

/// The value of each slot, row-major.
pub type Values = Vec<Option<Vec<f64>>>;

/// The loss at a cut: from the treatment of ties and the scores `[N]` to the loss and its gradient `[N]`.
pub type CutLoss<'l> = dyn FnMut(Ties, &[f64]) -> (f64, Vec<f64>) + 'l;

impl Graph {
    /// Runs the list in order. `values` holds the inputs and trainable slots and receives the rest.
    ///
    /// # Panics
    /// If an input slot has no value or a shape does not fit.
    pub fn interpret(&self, inputs: Inputs, values: &mut Values) {
        self.interpret_cut(inputs, values, &mut |ties, score| {
            let mut gradient = vec![0.0; score.len()];
            let loss = reference::cox_nll(inputs.order, ties, score, inputs.weights, &mut gradient, true);
            (loss.nll, gradient)
        });
    }

    /// As [`Self::interpret`], with another loss at the cut point of [`Step::CoxNll`]: from the scores
    /// `[N]`, such as one that takes in the patients of other sites, to the loss and its gradient `[N]`.
    ///
    /// # Panics
    /// As [`Self::interpret`].
    pub fn interpret_cut(&self, inputs: Inputs, values: &mut Values, loss: &mut CutLoss<'_>) {
        values.resize(self.slots.len(), None);
        for node in &self.nodes {
            let arguments: Vec<&[f64]> = node.inputs.iter().map(|&s| self.value(values, s)).collect();
            let results = match node.step {
                Step::CoxNll(ties) => {
                    let (loss, gradient) = loss(ties, arguments[0]);
                    vec![vec![loss], gradient]
                }
                step => run(step, inputs, &arguments),
            };
            for (&slot, result) in node.outputs.iter().zip(results) {
                values[slot] = Some(result);
            }
        }
    }

    fn value<'v>(&self, values: &'v Values, slot: SlotId) -> &'v [f64] {
        values[slot].as_deref().unwrap_or_else(|| panic!("slot {} has no value", self.slots[slot].name))
    }
}

fn run(step: Step, inputs: Inputs, a: &[&[f64]]) -> Vec<Vec<f64>> {
    let n = inputs.keys.len();
    match step {
        Step::Linear => vec![linear(a[0], a[1], a[2], n)],
        Step::LinearGradInput => vec![linear_grad_input(a[0], a[1], n)],
        Step::LinearGradWeight => linear_grad_weight(a[0], a[1], n),
        Step::Activation(kind) => vec![a[0].iter().map(|&z| kind.value(z)).collect()],
        Step::ActivationGrad(kind) => {
            vec![a[0].iter().zip(a[1]).map(|(&d, &y)| d * kind.slope(y)).collect()]
        }
        Step::Dropout { layer, rate } => vec![dropout(a[0], layer, rate, inputs)],
        Step::BatchNorm => batch_norm(a[0], a[1], a[2], inputs),
        Step::BatchNormGrad => batch_norm_grad(a[0], a[1], a[2], a[3], inputs),
        Step::CoxNll(_) => Vec::new(), // the caller's
    }
}

fn linear(x: &[f64], w: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let (inputs, outputs) = (w.len() / b.len(), b.len());
    let dot = |row: &[f64], o: usize| -> f64 {
        b[o] + row.iter().zip(&w[o * inputs..(o + 1) * inputs]).map(|(x, w)| x * w).sum::<f64>()
    };
    (0..n * outputs)
        .map(|at| dot(&x[at / outputs * inputs..(at / outputs + 1) * inputs], at % outputs))
        .collect()
}

fn linear_grad_input(dz: &[f64], w: &[f64], n: usize) -> Vec<f64> {
    let outputs = dz.len() / n.max(1);
    let inputs = w.len() / outputs.max(1);
    let mut dx = vec![0.0; n * inputs];
    for row in 0..n {
        for o in 0..outputs {
            for i in 0..inputs {
                dx[row * inputs + i] += dz[row * outputs + o] * w[o * inputs + i];
            }
        }
    }
    dx
}

fn linear_grad_weight(dz: &[f64], x: &[f64], n: usize) -> Vec<Vec<f64>> {
    let (outputs, inputs) = (dz.len() / n.max(1), x.len() / n.max(1));
    let (mut dw, mut db) = (vec![0.0; outputs * inputs], vec![0.0; outputs]);
    for row in 0..n {
        for o in 0..outputs {
            let d = dz[row * outputs + o];
            db[o] += d;
            for i in 0..inputs {
                dw[o * inputs + i] += d * x[row * inputs + i];
            }
        }
    }
    vec![dw, db]
}

fn dropout(a: &[f64], layer: usize, rate: f64, inputs: Inputs) -> Vec<f64> {
    let Some(dropout) = Dropout::new(rate, inputs.seed, layer, inputs.step) else { return a.to_vec() };
    let width = a.len() / inputs.keys.len().max(1);
    let kept = |at: usize| dropout.keeps(inputs.keys[at / width], at % width);
    a.iter().enumerate().map(|(at, &a)| if kept(at) { a / dropout.keep() } else { 0.0 }).collect()
}

fn case_weights(inputs: Inputs) -> (Vec<f64>, f64) {
    let weights = inputs.weights.map_or_else(|| vec![1.0; inputs.keys.len()], <[f64]>::to_vec);
    let total = weights.iter().sum::<f64>();
    (weights, if total > 0.0 { total } else { 1.0 })
}

fn batch_norm(z: &[f64], scale: &[f64], shift: &[f64], inputs: Inputs) -> Vec<Vec<f64>> {
    let (h, (w, total)) = (scale.len(), case_weights(inputs));
    let (mut x, mut y, mut sd) = (z.to_vec(), z.to_vec(), vec![0.0; h]);
    for j in 0..h {
        let column = |i: usize| z[i * h + j];
        let mean = w.iter().enumerate().map(|(i, w)| w * column(i)).sum::<f64>() / total;
        let var = w.iter().enumerate().map(|(i, w)| w * (column(i) - mean).powi(2)).sum::<f64>() / total;
        sd[j] = (var + EPSILON).sqrt();
        for i in 0..w.len() {
            x[i * h + j] = (column(i) - mean) / sd[j];
            y[i * h + j] = scale[j] * x[i * h + j] + shift[j];
        }
    }
    vec![y, x, sd]
}

fn batch_norm_grad(dy: &[f64], x: &[f64], sd: &[f64], scale: &[f64], inputs: Inputs) -> Vec<Vec<f64>> {
    let (h, (w, total)) = (scale.len(), case_weights(inputs));
    let (mut dz, mut dscale, mut dshift) = (dy.to_vec(), vec![0.0; h], vec![0.0; h]);
    for j in 0..h {
        for i in 0..w.len() {
            dshift[j] += dy[i * h + j];
            dscale[j] += dy[i * h + j] * x[i * h + j];
        }
        for i in 0..w.len() {
            let pull = w[i] * (dshift[j] + x[i * h + j] * dscale[j]) / total;
            dz[i * h + j] = scale[j] / sd[j] * (dy[i * h + j] - pull);
        }
    }
    vec![dz, dscale, dshift]
}
