//! The op on the harness.

use super::{BLOCK_TILES, Epilogue, Produced, Weights, device};
use super::{backward_input, backward_weight, forward};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::activation::Activation;
use crate::ops::case::{Case, Gradient, Tensor, Work, normal};
use crate::ops::dropout::{Dropout, patient_lanes};
use crate::ops::schedule::Row;
use crate::simd::Level;
use crate::tiles::{from_rows, to_rows};

/// `linear` for the harness: outputs `y`, `dx`, `dw`, `db` of a layer with nonlinearity and
/// dropout, `dy` coming in.
pub struct LinearOp;

/// A layer of several problems: each has its own inputs for the same patients.
pub(super) struct Layer {
    pub problems: usize,
    pub n: usize,
    pub inputs: usize,
    pub outputs: usize,
    activation: Activation,
    rate: f64,
    pub patients: Vec<u64>,
}

impl Layer {
    pub fn of(case: &Case) -> Self {
        let (x, w) = (case.input("x"), case.input("w"));
        Self {
            problems: w.shape[0],
            n: x.shape[1],
            inputs: w.shape[2],
            outputs: w.shape[1],
            activation: Activation::ALL[case.size("activation")].1,
            rate: case.get("rate"),
            patients: (0..x.shape[1] as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect(),
        }
    }

    /// Dropout of one problem.
    pub fn dropout(&self, problem: usize) -> Option<Dropout> {
        Dropout::new(self.rate, 11 + problem as u64, 1, 3)
    }

    /// Its step on a device.
    pub fn row(&self, problem: usize) -> Row {
        Row { seed: 11 + problem as u64, step: 3, ..Row::default() }
    }

    /// What follows the layer.
    pub fn post(&self) -> device::Post {
        device::Post { activation: self.activation, layer: 1, rate: self.rate }
    }

    /// The outputs of a device.
    pub fn tensors(&self, y: Vec<f32>, dx: Vec<f32>, dw: Vec<f32>, db: Vec<f32>) -> Vec<Tensor> {
        let (b, n, i, o) = (self.problems, self.n, self.inputs, self.outputs);
        vec![
            Tensor::f32("y", &[b, n, o], y),
            Tensor::f32("dx", &[b, n, i], dx),
            Tensor::f32("dw", &[b, o, i], dw),
            Tensor::f32("db", &[b, o], db),
        ]
    }
}

fn case(label: &str, n: usize, inputs: usize, outputs: usize, activation: usize, rate: f64) -> Case {
    batch(1, label, n, inputs, outputs, activation, rate)
}

fn batch(
    b: usize,
    label: &str,
    n: usize,
    inputs: usize,
    outputs: usize,
    activation: usize,
    rate: f64,
) -> Case {
    let scale = 1.0 / (inputs as f32).sqrt();
    let w = normal(2, b * outputs * inputs).iter().map(|w| w * scale).collect();
    Case::new(format!("{label}_n{n}_i{inputs}_o{outputs}_{}", Activation::ALL[activation].0))
        .option("activation", activation as f64)
        .option("rate", rate)
        .with(Tensor::f32("x", &[b, n, inputs], normal(1, b * n * inputs)))
        .with(Tensor::f32("w", &[b, outputs, inputs], w))
        .with(Tensor::f32("b", &[b, outputs], normal(3, b * outputs)))
        .with(Tensor::f32("dy", &[b, n, outputs], normal(4, b * n * outputs)))
}

impl Op for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = vec![
            case("empty", 0, 3, 2, 0, 0.0),
            case("one", 1, 1, 1, 1, 0.0),
            case("output", 100, 42, 1, 0, 0.0),
            case("blocks", 1523, 9, 42, 3, 0.0344),
            case("blocks", 1030, 42, 42, 3, 0.1374),
            batch(3, "batch of 3", 530, 9, 20, 3, 0.2),
        ];
        for (activation, outputs) in [2usize, 3, 4, 5, 6].into_iter().enumerate() {
            cases.push(case("odd", 83, 7 + activation, outputs, activation, 0.3));
            cases.push(case("plain", 65, 5, outputs + 6, activation, 0.0));
        }
        cases
    }

    fn perf_cases(&self) -> Vec<Case> {
        vec![case("metabric", 1523, 42, 42, 3, 0.0344), case("wide", 8192, 128, 128, 3, 0.1)]
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let l = Layer::of(case);
        let (x, w) = (case.input("x").to_f64(), case.input("w").to_f64());
        let (b, dy) = (case.input("b").to_f64(), case.input("dy").to_f64());
        let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; l.problems * l.n * l.inputs]);
        let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; b.len()]);
        for k in 0..l.problems {
            for n in 0..l.n {
                let from = (k * l.n + n) * l.inputs;
                for o in 0..l.outputs {
                    let (unit, at) = (k * l.outputs + o, (k * l.n + n) * l.outputs + o);
                    let row = unit * l.inputs;
                    let dot = |acc, i| acc + w[row + i] * x[from + i];
                    let a = l.activation.value((0..l.inputs).fold(b[unit], dot));
                    let kept = |d: Dropout| if d.keeps(l.patients[n], o) { 1.0 / d.keep() } else { 0.0 };
                    let kept = l.dropout(k).map_or(1.0, kept);
                    y[at] = a * kept;
                    let dz = dy[at] * kept * l.activation.slope(a);
                    db[unit] += dz;
                    for i in 0..l.inputs {
                        dw[row + i] += dz * x[from + i];
                        dx[from + i] += dz * w[row + i];
                    }
                }
            }
        }
        vec![
            Tensor::f64("y", &[l.problems, l.n, l.outputs], y),
            Tensor::f64("dx", &[l.problems, l.n, l.inputs], dx),
            Tensor::f64("dw", &[l.problems, l.outputs, l.inputs], dw),
            Tensor::f64("db", &[l.problems, l.outputs], db),
        ]
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let l = Layer::of(case);
        let get = |name: &str| case.input(name).to_f32();
        let (x, w, b, dy) = (get("x"), get("w"), get("b"), get("dy"));
        let (mut ys, mut dxs, mut dws, mut dbs) = (vec![], vec![], vec![], vec![]);
        for k in 0..l.problems {
            let of = |all: &[f32]| {
                let each = all.len() / l.problems;
                all[k * each..(k + 1) * each].to_vec()
            };
            let (y, dx, dw, db) = one(level, &l, k, &of(&x), &of(&w), &of(&b), &of(&dy));
            ys.extend(y);
            dxs.extend(dx);
            dws.extend(dw);
            dbs.extend(db);
        }
        vec![
            Tensor::f32("y", &[l.problems, l.n, l.outputs], ys),
            Tensor::f32("dx", &[l.problems, l.n, l.inputs], dxs),
            Tensor::f64("dw", &[l.problems, l.outputs, l.inputs], dws),
            Tensor::f64("db", &[l.problems, l.outputs], dbs),
        ]
    }

    fn gradients(&self) -> Vec<Gradient> {
        ["x", "w", "b"]
            .into_iter()
            .zip(["dx", "dw", "db"])
            .map(|(wrt, gradient)| Gradient { of: "y", seed: Some("dy"), wrt, gradient })
            .collect()
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        device::run(device, case)
    }

    fn max_nmse_device(&self) -> f64 {
        1e-11
    }

    fn work(&self, case: &Case) -> Work {
        let l = Layer::of(case);
        let (n, i, o) = (l.n as f64, l.inputs as f64, l.outputs as f64);
        Work { bytes: 4.0 * n * (2.0 * i + 2.0 * o), flops: 6.0 * n * i * o }
    }
}

/// `y`, `dx`, `dw`, `db` of one problem on the CPU.
fn one(
    level: Level,
    l: &Layer,
    k: usize,
    x: &[f32],
    w: &[f32],
    b: &[f32],
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f64>, Vec<f64>) {
    let weights = Weights { w, b, inputs: l.inputs, outputs: l.outputs };
    let (x, dy) = (from_rows(x, l.n, l.inputs), from_rows(dy, l.n, l.outputs));
    let mut y = dy.clone();
    let mut kept = vec![0; y.len()];
    let patients = patient_lanes(&l.patients);
    let dropout = l.dropout(k).map(|d| (d, patients.as_slice()));
    let epilogue = Epilogue { activation: l.activation, dropout };
    forward(level, weights, epilogue, &x, &mut y, &mut kept);

    // The gradient through this layer's own epilogue is what `backward_input` of a following
    // identity layer yields.
    let mut identity = vec![0.0; l.outputs * l.outputs];
    for o in 0..l.outputs {
        identity[o * l.outputs + o] = 1.0;
    }
    let kept = l.dropout(k).map(|d| (kept.as_slice(), d.keep()));
    let produced = Produced { activation: l.activation, output: &y, kept };
    let mut dz = y.clone();
    backward_input(level, &identity, l.outputs, l.outputs, &dy, Some(produced), &mut dz);

    let mut transposed = vec![0.0; w.len()];
    for o in 0..l.outputs {
        for i in 0..l.inputs {
            transposed[i * l.outputs + o] = w[o * l.inputs + i];
        }
    }
    let mut dx = x.clone();
    backward_input(level, &transposed, l.inputs, l.outputs, &dz, None, &mut dx);
    let mut gradient = vec![0.0; w.len() + b.len()];
    let mut sums = vec![0.0; gradient.len()];
    let blocks = x.chunks(BLOCK_TILES * l.inputs).zip(dz.chunks(BLOCK_TILES * l.outputs));
    for (x, dz) in blocks {
        backward_weight(level, l.inputs, l.outputs, x, dz, &mut sums);
        gradient.iter_mut().zip(&sums).for_each(|(g, &s)| *g += f64::from(s));
    }
    let db = gradient.split_off(w.len());
    (to_rows(&y, l.n, l.outputs), to_rows(&dx, l.n, l.inputs), gradient, db)
}
