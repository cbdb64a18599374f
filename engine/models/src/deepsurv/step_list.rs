//! The launches of one training step on a device, and the memory they need.

use std::sync::Arc;

use osteon_kernels::backend::{ALIGNMENT, Buffer, Device, DeviceError, Launch, Limits, Recording};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::batch_norm::device::Norm;
use osteon_kernels::ops::cox_nll::device::Outcome;
use osteon_kernels::ops::linear::BLOCK_ROWS;
use osteon_kernels::ops::linear::device::{Dense, Draw, Post};
use osteon_kernels::ops::schedule::device::Schedule;
use osteon_kernels::ops::{adam, penalty, sgd};
use osteon_kernels::tiles::to_rows;

use super::batch::{Batch, Optimizer};
use super::layout::LayerAt;
use crate::cohort::Cohort;

/// Patients of a cohort on a device.
pub(super) struct Data {
    x: Buffer,
    patient: Buffer,
    outcome: Outcome,
}

impl Data {
    pub fn new(device: &dyn Device, cohort: &Cohort, patient: &[u32]) -> Result<Self, DeviceError> {
        Ok(Self {
            x: device.put("x", &to_rows(&cohort.x, cohort.len(), cohort.features()))?,
            patient: device.put_words("patient", patient)?,
            outcome: Outcome::new(device, cohort.order())?,
        })
    }
}

/// What one problem of a cohort needs in each buffer of the step, in words.
#[derive(Clone)]
pub(super) struct Needs {
    /// Output of each layer, `[N, O]`.
    outputs: Vec<usize>,
    /// Normalised units and their moments, of each layer.
    norms: Vec<[usize; 2]>,
    /// Gradient of a layer's output or input, twice.
    widest: usize,
    partial: usize,
    scratch: usize,
    patients: usize,
}

impl Needs {
    pub fn of(batch: &Batch, cohort: &Cohort) -> Self {
        let n = cohort.len();
        let layers = &batch.layout().layers;
        let wide = |l: &LayerAt| if l.norm.is_some() { [n * l.outputs, 6 * l.outputs] } else { [0, 0] };
        let partial = |l: &LayerAt| n.div_ceil(BLOCK_ROWS) * l.outputs * (l.inputs + 1);
        Self {
            outputs: layers.iter().map(|l| n * l.outputs).collect(),
            norms: layers.iter().map(wide).collect(),
            widest: layers.iter().map(|l| n * l.outputs).max().unwrap_or(0),
            partial: layers.iter().map(partial).max().unwrap_or(0),
            scratch: Outcome::scratch_words_of(cohort.order()),
            patients: n,
        }
    }

    /// Problems whose every buffer one binding can see, and whose blocks one grid can count.
    pub fn at_once(&self, limits: Limits) -> usize {
        let largest = self.widest.max(self.partial).max(self.scratch).max(1);
        let blocks = self.patients.div_ceil(BLOCK_ROWS).max(1);
        (limits.binding_words / largest).min(limits.groups as usize / blocks).max(1)
    }
}

/// Scratch of a step, shared by all parts: they run one after the other.
pub(super) struct Memory {
    outputs: Vec<Buffer>,
    norms: Vec<[Buffer; 2]>,
    d: [Buffer; 3],
    partial: Buffer,
    scratch: Buffer,
    chosen: Buffer,
}

impl Memory {
    /// Room for the largest of the parts, given as needs and problems.
    pub fn new(
        device: &dyn Device,
        parts: impl Iterator<Item = (Needs, usize)>,
    ) -> Result<Self, DeviceError> {
        let parts: Vec<(Needs, usize)> = parts.collect();
        let alloc = |name, of: &dyn Fn(&Needs) -> usize| {
            let words = parts.iter().map(|(needs, b)| b * of(needs)).max().unwrap_or(0);
            device.alloc(name, words.next_multiple_of(ALIGNMENT))
        };
        let layers = parts.first().map_or(0, |(needs, _)| needs.outputs.len());
        let outputs = (0..layers).map(|l| alloc("y", &|n| n.outputs[l])).collect::<Result<_, _>>()?;
        let norm =
            |l: usize| Ok([alloc("normal", &|n| n.norms[l][0])?, alloc("moments", &|n| n.norms[l][1])?]);
        let norms = (0..layers).map(norm).collect::<Result<_, DeviceError>>()?;
        let d = [alloc("d", &|n| n.widest)?, alloc("d", &|n| n.widest)?, alloc("d", &|n| n.widest)?];
        Ok(Self {
            outputs,
            norms,
            d,
            partial: alloc("partial", &|n| n.partial)?,
            scratch: alloc("scratch", &|n| n.scratch)?,
            chosen: alloc("chosen", &|n| n.patients)?,
        })
    }
}

/// Problems that take their steps together: their state, and the recorded step.
pub(super) struct Part {
    /// Places in the batch.
    pub problems: Vec<usize>,
    /// Parameters and the two moments, `[B, P]` each.
    pub state: [Buffer; 3],
    /// Where a proximal term pulls to, `[B, P]`.
    pub anchor: Option<Buffer>,
    /// Mini-batch of each patient, `[B, N]`.
    pub member: Option<Buffer>,
    pub schedule: Schedule,
    pub steps: usize,
    pub recording: Recording,
}

impl Part {
    pub fn new(
        device: &dyn Device,
        batch: &Batch,
        cohort: &Arc<Cohort>,
        data: &Data,
        memory: &Memory,
        problems: Vec<usize>,
        steps: usize,
    ) -> Result<Self, DeviceError> {
        let (b, n, stride) = (problems.len(), cohort.len(), batch.layout().len());
        let state = [
            device.alloc("params", b * stride)?,
            device.alloc("first moment", b * stride)?,
            device.alloc("second moment", b * stride)?,
        ];
        let training = batch.training();
        let anchor = (training.proximal_mu > 0.0).then(|| device.alloc("anchor", b * stride)).transpose()?;
        let in_batches = training.batch_size.is_some_and(|size| size < n);
        let member = in_batches.then(|| device.alloc("member", b * n)).transpose()?;
        let weights: Vec<_> = problems.iter().map(|&k| batch.problems()[k].weights.as_deref()).collect();
        let weight = match weights.iter().any(Option::is_some) {
            false => None,
            true => {
                let all: Vec<f32> =
                    weights.iter().flat_map(|w| w.map_or(vec![1.0; n], <[f32]>::to_vec)).collect();
                Some(device.put("weight", &all)?)
            }
        };
        let schedule = Schedule::new(device, b, steps)?;
        let list = StepList {
            device,
            batch,
            data,
            memory,
            schedule: &schedule,
            state: &state,
            draw: Draw { patient: data.patient.clone(), step: schedule.step.clone() },
            gradient: device.put("gradient", &vec![0.0; b * stride])?,
            case_weight: member.as_ref().map(|_| memory.chosen.slice(0..b * n)).or(weight.clone()),
            b,
            n,
        };
        let mut launches = Vec::new();
        if let (Some(member), Some(chosen)) = (&member, &list.case_weight) {
            launches.push(schedule.weights(device, n, member, weight.as_ref(), chosen));
        }
        list.forward(&mut launches);
        list.backward(&mut launches);
        list.update(&mut launches, anchor.as_ref())?;
        launches.push(schedule.next());
        let recording = device.record(launches)?;
        Ok(Self { problems, state, anchor, member, schedule, steps, recording })
    }
}

/// What the launches of a step are made of.
struct StepList<'s> {
    device: &'s dyn Device,
    batch: &'s Batch,
    data: &'s Data,
    memory: &'s Memory,
    schedule: &'s Schedule,
    state: &'s [Buffer; 3],
    draw: Draw,
    gradient: Buffer,
    /// `[B, N]`; none where all are 1.
    case_weight: Option<Buffer>,
    b: usize,
    n: usize,
}

impl StepList<'_> {
    fn layers(&self) -> &[LayerAt] {
        &self.batch.layout().layers
    }

    fn dense(&self, l: usize) -> Dense {
        let LayerAt { inputs, outputs, w, .. } = self.layers()[l];
        Dense {
            problems: self.b,
            n: self.n,
            inputs,
            outputs,
            // All problems of a part have the same patients.
            x_stride: if l == 0 { 0 } else { self.n * inputs },
            at: w,
            stride: self.batch.layout().len(),
        }
    }

    fn post(&self, l: usize) -> Post {
        let spec = self.batch.spec();
        match l < spec.hidden.len() {
            true => Post { activation: spec.activation, layer: l, rate: spec.dropout },
            false => Post { activation: Activation::Identity, ..Post::NONE },
        }
    }

    fn norm(&self, l: usize) -> Option<Norm> {
        let layer = self.layers()[l];
        layer.norm.map(|at| Norm {
            problems: self.b,
            n: self.n,
            width: layer.outputs,
            weighted: self.case_weight.is_some(),
            scale_at: at.scale,
            mean_at: at.mean,
            stride: self.batch.layout().len(),
            post: self.post(l),
            ends: [true, true],
        })
    }

    /// Output of a layer; the features before the first.
    fn output(&self, l: usize) -> Buffer {
        self.memory.outputs[l].slice(0..self.b * self.n * self.layers()[l].outputs)
    }

    fn input(&self, l: usize) -> Buffer {
        if l == 0 { self.data.x.clone() } else { self.output(l - 1) }
    }

    fn d(&self, which: usize, width: usize) -> Buffer {
        self.memory.d[which].slice(0..self.b * self.n * width)
    }

    /// Normalised units and their moments.
    fn normal(&self, l: usize, norm: &Norm) -> (Buffer, Buffer) {
        let [normal, moments] = &self.memory.norms[l];
        (normal.slice(0..self.b * self.n * norm.width), moments.slice(0..norm.moment_words()))
    }

    fn forward(&self, launches: &mut Vec<Launch>) {
        let (device, params) = (self.device, &self.state[0]);
        for l in 0..self.layers().len() {
            let (x, y) = (self.input(l), self.output(l));
            let Some(norm) = self.norm(l) else {
                launches.push(self.dense(l).forward(&x, params, self.post(l), &self.draw, &y));
                continue;
            };
            // Before it is normalised, a layer's output lies where its gradient will.
            let z = self.d(0, norm.width);
            let weight = self.case_weight.as_ref().unwrap_or(&z);
            let (normal, moments) = self.normal(l, &norm);
            launches.extend([
                self.dense(l).forward(&x, params, Post::NONE, &self.draw, &z),
                norm.sums(device, &z, weight, &moments),
                norm.squares(device, &z, weight, &self.draw.step, &moments, params),
                norm.forward(device, &z, &moments, params, &self.draw, &normal, &y),
            ]);
        }
        let how = (self.b, self.batch.spec().ties, true);
        let score = self.output(self.layers().len() - 1);
        let scratch = self.memory.scratch.slice(0..self.b * self.data.outcome.scratch_words());
        launches.push(self.data.outcome.loss(
            device,
            how,
            &score,
            self.case_weight.as_ref(),
            &self.d(0, 1),
            &self.schedule.loss,
            &scratch,
        ));
    }

    fn backward(&self, launches: &mut Vec<Launch>) {
        let (device, params) = (self.device, &self.state[0]);
        let mut here = 0;
        for l in (0..self.layers().len()).rev() {
            let dense = self.dense(l);
            let mut dz = self.d(here, dense.outputs);
            if let Some(norm) = self.norm(l) {
                let (normal, moments) = self.normal(l, &norm);
                let dy = dz;
                dz = self.d(2, dense.outputs);
                let weight = self.case_weight.as_ref().unwrap_or(&dy);
                launches.push(norm.slopes(device, &dy, &normal, &self.gradient));
                launches.push(norm.input_gradient(
                    device,
                    &dy,
                    &normal,
                    weight,
                    &moments,
                    params,
                    &self.gradient,
                    &dz,
                ));
            }
            let partial = self.memory.partial.slice(0..dense.scratch_words());
            launches.extend(dense.weight_gradient(
                device,
                &self.input(l),
                &dz,
                &partial,
                &self.gradient,
                false,
            ));
            if l > 0 {
                here = 1 - here;
                let (made, dx) = (self.output(l - 1), self.d(here, dense.inputs));
                launches.push(dense.input_gradient(&dz, params, (self.post(l - 1), &made), &self.draw, &dx));
            }
        }
    }

    fn update(&self, launches: &mut Vec<Launch>, anchor: Option<&Buffer>) -> Result<(), DeviceError> {
        let (device, layout, spec) = (self.device, self.batch.layout(), self.batch.spec());
        let [params, first, second] = self.state;
        let training = self.batch.training();
        if spec.l2 > 0.0 || anchor.is_some() {
            let mut decay = vec![0.0; layout.len()];
            for range in layout.penalised(spec) {
                decay[range].fill((2.0 * spec.l2) as f32);
            }
            let decay = device.put("decay", &decay)?;
            let anchor = anchor.map(|a| (training.proximal_mu, a));
            launches.push(penalty::device::add(device, params, anchor, &decay, &self.gradient));
        }
        let sizes = [layout.len(), layout.trainable()];
        let step = &self.schedule.step;
        launches.extend(match training.optimizer {
            Optimizer::Adam(adam) => {
                adam::device::step(device, adam, sizes, [params, &self.gradient, first, second], step)
            }
            Optimizer::Sgd(sgd) => {
                sgd::device::step(device, sgd, sizes, [params, &self.gradient, first], step)
            }
        });
        Ok(())
    }
}
