//! The device versions: tiles of 16 x 16 results, problems of a batch side by side.

use super::BLOCK_ROWS;
use super::op::Layer;
use crate::backend::{ALIGNMENT, Buffer, Device, DeviceError, Launch, Source};
use crate::ops::activation::Activation;
use crate::ops::case::{Case, Tensor};
use crate::ops::dropout::{Dropout, patient_words};

pub(super) const SOURCE: Source =
    Source { op: "linear", wgsl: include_str!("linear.wgsl"), cuda: include_str!("linear.cu") };

const TILE: usize = 16;

/// What follows a layer's pre-activation on a device.
#[derive(Debug, Clone, Copy)]
pub struct Post {
    /// Nonlinearity.
    pub activation: Activation,
    /// Layer that keys the dropout.
    pub layer: usize,
    /// Probability to drop a unit.
    pub rate: f64,
}

impl Post {
    /// Nothing follows.
    pub const NONE: Self = Self { activation: Activation::Identity, layer: 0, rate: 0.0 };

    /// Kind, threshold, layer, scale of what is kept, and probability to keep.
    pub(crate) fn words(self) -> [u32; 5] {
        let kind = Activation::ALL.iter().position(|(_, a)| *a == self.activation).unwrap_or(0) as u32;
        // The key and the step come from a buffer.
        let dropout = Dropout::new(self.rate, 0, self.layer, 0);
        let [threshold, layer, _] = dropout.map_or([0; 3], |d| d.words());
        let keep = dropout.map_or(1.0, |d| d.keep());
        [kind, threshold, layer, ((1.0 / keep) as f32).to_bits(), (keep as f32).to_bits()]
    }
}

/// What dropout on a device draws by: the patients `[N, 2]` and the steps of the problems
/// `[B, 8]` (see [`crate::ops::schedule`]).
#[derive(Clone)]
pub struct Draw {
    /// Patient keys, low word first.
    pub patient: Buffer,
    /// The steps.
    pub step: Buffer,
}

/// A dense layer of several problems for the same patients. Weights and biases lie in the problems'
/// parameter vectors `[B, stride]`, gradients in vectors of the same form.
#[derive(Debug, Clone, Copy)]
pub struct Dense {
    /// Problems `B`.
    pub problems: usize,
    /// Patients `N`.
    pub n: usize,
    /// Inputs `I`.
    pub inputs: usize,
    /// Outputs `O`.
    pub outputs: usize,
    /// Words from one problem's input to the next; 0 where they share it.
    pub x_stride: usize,
    /// First word of the weights `[O, I]` in a parameter vector; the biases `[O]` follow.
    pub at: usize,
    /// Words of a parameter vector.
    pub stride: usize,
}

impl Dense {
    /// Words of [`Self::weight_gradient`]'s scratch buffer.
    pub fn scratch_words(&self) -> usize {
        self.problems * self.blocks() * self.outputs * (self.inputs + 1)
    }

    fn blocks(&self) -> usize {
        self.n.div_ceil(BLOCK_ROWS)
    }

    fn params(&self, post: Post, adds: bool) -> [u32; 14] {
        let [kind, threshold, layer, scale, keep] = post.words();
        let size = |x: usize| x as u32;
        [
            size(self.problems),
            size(self.n),
            size(self.inputs),
            size(self.outputs),
            size(self.x_stride),
            size(self.at),
            size(self.stride),
            kind,
            threshold,
            layer,
            scale,
            keep,
            size(self.blocks()),
            adds.into(),
        ]
    }

    fn tiles(&self, columns: usize) -> [u32; 3] {
        [self.n.div_ceil(TILE) as u32, columns.div_ceil(TILE) as u32, self.problems as u32]
    }

    /// `y = dropout(f(x w^T + b))`, `[B, N, O]`.
    pub fn forward(&self, x: &Buffer, params: &Buffer, post: Post, draw: &Draw, y: &Buffer) -> Launch {
        let buffers = [x, params, &draw.patient, &draw.step, y];
        Launch::new(SOURCE, "linear_forward", &buffers, &self.params(post, false), self.tiles(self.outputs))
    }

    /// `dx = dz w`, then through what followed the layer that `made` the input, `[B, N, I]`.
    pub fn input_gradient(
        &self,
        dz: &Buffer,
        params: &Buffer,
        made: (Post, &Buffer),
        draw: &Draw,
        dx: &Buffer,
    ) -> Launch {
        let buffers = [dz, params, made.1, &draw.patient, &draw.step, dx];
        Launch::new(SOURCE, "linear_dx", &buffers, &self.params(made.0, false), self.tiles(self.inputs))
    }

    /// `dw = dz^T x` and `db`, at the place of the weights in `gradient`; `adds` them to what is there,
    /// as for a later piece of the rows.
    pub fn weight_gradient(
        &self,
        device: &dyn Device,
        x: &Buffer,
        dz: &Buffer,
        scratch: &Buffer,
        gradient: &Buffer,
        adds: bool,
    ) -> [Launch; 2] {
        let params = self.params(Post::NONE, adds);
        let columns = (self.inputs + 1).div_ceil(TILE) as u32;
        let grid =
            [columns, self.outputs.div_ceil(TILE) as u32, (self.problems * self.blocks()).max(1) as u32];
        let weights = self.outputs * (self.inputs + 1);
        [
            Launch::new(SOURCE, "linear_partial", &[x, dz, scratch], &params, grid),
            Launch::new(
                SOURCE,
                "linear_dw",
                &[scratch, gradient],
                &params,
                device.elementwise(self.problems * weights),
            ),
        ]
    }
}

/// Outputs `y`, `dx`, `dw`, `db`; what one binding cannot see goes in pieces: first problem by
/// problem, then by whole blocks of rows.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let l = Layer::of(case);
    let widest = l.inputs.max(l.outputs).max(1);
    let limit = device.limits().binding_words;
    let together = (limit / (l.n * widest).max(1)).clamp(1, l.problems.max(1));
    let mut all: [Vec<f32>; 4] = Default::default();
    for first in (0..l.problems).step_by(together) {
        let part = run_problems(device, case, &l, first..(first + together).min(l.problems))?;
        all.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
    }
    let [y, dx, dw, db] = all;
    Ok(l.tensors(y, dx, dw, db))
}

/// The same for some of the problems.
fn run_problems(
    device: &dyn Device,
    case: &Case,
    l: &Layer,
    problems: std::ops::Range<usize>,
) -> Result<[Vec<f32>; 4], DeviceError> {
    let (b, n, i, o) = (problems.len(), l.n, l.inputs, l.outputs);
    let of =
        |name: &str, each: usize| case.input(name).to_f32()[problems.start * each..][..b * each].to_vec();
    let (w, bias) = (of("w", o * i), of("b", o));
    let params: Vec<f32> =
        (0..b).flat_map(|k| [&w[k * o * i..(k + 1) * o * i], &bias[k * o..(k + 1) * o]].concat()).collect();
    let mut identity = vec![0.0; o * (o + 1)];
    (0..o).for_each(|u| identity[u * o + u] = 1.0);
    let params = device.put("params", &params)?;
    let identity = device.put("identity", &identity)?;
    let (x, dy) = (device.put("x", &of("x", n * i))?, device.put("dy", &of("dy", n * o))?);
    let draw = Draw {
        patient: device.put_words("patient", &patient_words(&l.patients))?,
        step: device.put_words("step", &problems.flat_map(|k| l.row(k).words()).collect::<Vec<_>>())?,
    };
    let (y, dz) = (device.alloc("y", b * n * o)?, device.alloc("dz", b * n * o)?);
    let (dx, gradient) = (device.alloc("dx", b * n * i)?, device.alloc("gradient", b * o * (i + 1))?);
    if n == 0 {
        device.upload(&gradient, &vec![0; b * o * (i + 1)])?;
    }
    let post = l.post();
    // Rows of a piece: all of several problems, or whole blocks of one.
    let blocks = device.limits().binding_words / (i.max(o).max(1) * BLOCK_ROWS);
    let blocks = blocks.min(device.limits().groups as usize * TILE / BLOCK_ROWS);
    let rows = if b > 1 { n } else { (blocks.max(1) * BLOCK_ROWS).min(n) };
    for from in (0..n).step_by(rows.max(1)) {
        let rows = from..(from + rows).min(n);
        let slice = |buffer: &Buffer, width: usize| match b {
            1 => buffer.slice(rows.start * width..rows.end * width),
            _ => buffer.clone(),
        };
        let (x, y, dy) = (slice(&x, i), slice(&y, o), slice(&dy, o));
        let (dz, dx) = (slice(&dz, o), slice(&dx, i));
        let draw = Draw { patient: slice(&draw.patient, 2), step: draw.step.clone() };
        let n = rows.len();
        let layer =
            Dense { problems: b, n, inputs: i, outputs: o, x_stride: n * i, at: 0, stride: o * (i + 1) };
        let through = Dense { inputs: o, stride: 0, ..layer };
        let scratch = device.alloc("partial", layer.scratch_words())?;
        device.launch(&layer.forward(&x, &params, post, &draw, &y))?;
        // A layer that changes nothing brings dy through this layer's own nonlinearity and dropout.
        device.launch(&through.input_gradient(&dy, &identity, (post, &y), &draw, &dz))?;
        device.launch(&layer.input_gradient(&dz, &params, (Post::NONE, &x), &draw, &dx))?;
        device.run(layer.weight_gradient(device, &x, &dz, &scratch, &gradient, rows.start > 0))?;
    }
    let gradient = device.get(&gradient)?;
    let of_weights = |from: usize, to: usize| -> Vec<f32> {
        gradient.chunks(o * (i + 1)).flat_map(|g| g[from..to].to_vec()).collect()
    };
    let (dw, db) = (of_weights(0, o * i), of_weights(o * i, o * (i + 1)));
    Ok([device.get(&y)?, device.get(&dx)?, dw, db])
}

const _: () = assert!(BLOCK_ROWS.is_multiple_of(ALIGNMENT), "a piece of rows starts aligned");
