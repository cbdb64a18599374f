//! Training on a device: data, parameters, moments and activations lie there, and a step is a list of
//! launches that is recorded once and replayed. The same op list as [`super::fused`].
//!
//! | what | shape | when the host touches it |
//! |---|---|---|
//! | features, patient keys, risk order | `[N, F]`, `[N, 2]`, `[N]` of each cohort | at the start |
//! | parameters, moments | `[B, P]` | before a call if they were set; read at the end of a call |
//! | plan of the steps to come | `[S, B, 8]` | written every `S` steps, at least one epoch |
//! | mini-batch of each patient | `[B, N]` | written before each epoch, where there are mini-batches |
//! | losses | `[S, B, 2]` | read every `S` steps |
//!
//! A mini-batch is a set of case weights over all patients, 0 for those outside it. Problems that
//! share a cohort take their steps together; where their activations do not fit, fewer at once.

use std::rc::Rc;
use std::sync::Arc;

use osteon_kernels::backend::{Buffer, Device, DeviceError};
use osteon_kernels::ops::dropout::patient_words;
use osteon_kernels::ops::schedule::{ABSENT, Row, WORDS};

use super::batch::{Batch, Problem};
use super::step_list::{Data, Memory, Needs, Part};
use crate::cohort::Cohort;
use crate::descent::{Optimizer, Training};

/// Most steps that are planned at once, unless an epoch has more.
const STEPS: usize = 64;

/// A device with the problems of one [`Batch`].
pub struct Resident {
    device: Rc<dyn Device>,
    parts: Vec<Part>,
    /// State of the batch on the host that the device has.
    revision: Option<u64>,
}

impl Resident {
    /// Brings the patients of a batch to a device. Problems whose activations do not fit at once take
    /// their steps one group after the other, which changes no bit.
    ///
    /// # Errors
    /// If the outcome has no device version, or the memory is too small for one problem at a time; the
    /// error names the buffer and its size.
    pub fn new(device: Rc<dyn Device>, batch: &Batch) -> Result<Self, DeviceError> {
        let cohorts = by_cohort(batch.problems());
        let mut most = cohorts.iter().map(|(_, problems)| problems.len()).max().unwrap_or(0);
        most = most.min(
            cohorts
                .iter()
                .map(|(cohort, _)| Needs::of(batch, cohort).at_once(device.limits()))
                .min()
                .unwrap_or(1),
        );
        loop {
            match Self::parts(&device, batch, &cohorts, most.max(1)) {
                Ok(parts) => return Ok(Self { device, parts, revision: None }),
                // Half as many at once need half the activations.
                Err(DeviceError::OutOfMemory { .. }) if most > 1 => most = most.div_ceil(2),
                Err(error) => return Err(error),
            }
        }
    }

    fn parts(
        device: &Rc<dyn Device>,
        batch: &Batch,
        cohorts: &[(Arc<Cohort>, Vec<usize>)],
        most: usize,
    ) -> Result<Vec<Part>, DeviceError> {
        let device = device.as_ref();
        let chunks = || {
            cohorts.iter().filter(|(c, _)| !c.is_empty()).flat_map(|(cohort, problems)| {
                let needs = Needs::of(batch, cohort);
                problems.chunks(most).map(move |chunk| (needs.clone(), chunk.len()))
            })
        };
        let memory = Memory::new(device, chunks())?;
        let mut parts = Vec::new();
        for (cohort, problems) in cohorts.iter().filter(|(c, _)| !c.is_empty()) {
            let data = Data::new(device, cohort, &patient_words(&cohort.keys))?;
            for chunk in problems.chunks(most) {
                let steps = STEPS.max(most_batches(batch, chunk));
                parts.push(Part::new(device, batch, cohort, &data, &memory, chunk.to_vec(), steps)?);
            }
        }
        Ok(parts)
    }

    /// Problems that take their steps at once, of each group.
    pub fn groups(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.problems.len()).collect()
    }

    /// As [`Batch::train`], on the device. Parameters, moments and losses come back once per call.
    ///
    /// # Errors
    /// What the device says; the batch is then as it was.
    pub fn train(
        &mut self,
        batch: &mut Batch,
        which: &[usize],
        epochs: u64,
    ) -> Result<Vec<Vec<f64>>, DeviceError> {
        let device = self.device.as_ref();
        let mut losses = vec![vec![0.0; epochs as usize]; batch.problems().len()];
        let mut chosen = vec![false; batch.problems().len()];
        which.iter().for_each(|&k| chosen[k] = true);
        if self.revision != Some(batch.revision()) {
            for part in &self.parts {
                part.upload(device, batch)?;
            }
        }
        // Unless all goes well, the device no longer has what the host has.
        self.revision = None;
        let mut moved = Vec::new();
        for part in &self.parts {
            if part.problems.iter().any(|&k| chosen[k]) {
                moved.push((part, part.run(device, batch, &chosen, epochs, &mut losses)?));
            }
        }
        device.synchronize()?;
        for (part, state) in moved {
            part.store(batch, &chosen, epochs, &state);
        }
        for &k in which {
            if batch.problems()[k].cohort.is_empty() {
                batch.skip_epochs(k, epochs);
            }
        }
        self.revision = Some(batch.revision());
        Ok(which.iter().map(|&k| losses[k].clone()).collect())
    }
}

/// Problems by the cohort that they share, in order.
fn by_cohort(problems: &[Problem]) -> Vec<(Arc<Cohort>, Vec<usize>)> {
    let mut groups: Vec<(Arc<Cohort>, Vec<usize>)> = Vec::new();
    for (k, problem) in problems.iter().enumerate() {
        match groups.iter_mut().find(|(cohort, _)| Arc::ptr_eq(cohort, &problem.cohort)) {
            Some((_, members)) => members.push(k),
            None => groups.push((problem.cohort.clone(), vec![k])),
        }
    }
    groups
}

/// Steps of an epoch of the problem that has most.
fn most_batches(batch: &Batch, problems: &[usize]) -> usize {
    problems.iter().map(|&k| batch.steps_per_epoch(k) as usize).max().unwrap_or(1)
}

/// The parameters and the two moments of a part, each `[B, P]`.
pub(super) struct Moved {
    state: [Vec<f32>; 3],
}

impl Part {
    /// Brings parameters and moments to the device.
    fn upload(&self, device: &dyn Device, batch: &Batch) -> Result<(), DeviceError> {
        let stride = batch.layout().len();
        let mut state = [const { Vec::new() }; 3];
        for &k in &self.problems {
            let ([first, second], _) = batch.optimizer_state(k);
            for (all, own) in state.iter_mut().zip([batch.params(k), first, second]) {
                all.extend_from_slice(own);
                all.resize(all.len().next_multiple_of(stride), 0.0);
            }
        }
        let write = |buffer: &Buffer, values: &[f32]| device.upload(buffer, bytemuck::cast_slice(values));
        self.state.iter().zip(&state).try_for_each(|(buffer, values)| write(buffer, values))
    }

    /// Takes the steps of so many epochs and reads what they moved.
    fn run(
        &self,
        device: &dyn Device,
        batch: &Batch,
        chosen: &[bool],
        epochs: u64,
        losses: &mut [Vec<f64>],
    ) -> Result<Moved, DeviceError> {
        if let Some(anchor) = &self.anchor {
            let params: Vec<f32> = self.problems.iter().flat_map(|&k| batch.params(k).to_vec()).collect();
            device.upload(anchor, bytemuck::cast_slice(&params))?;
        }
        let per_epoch = most_batches(batch, &self.problems);
        let b = self.problems.len();
        let at_once = (self.steps / per_epoch).max(1) as u64;
        for from in (0..epochs).step_by(at_once as usize) {
            let epochs = from..(from + at_once).min(epochs);
            let mut rows = Vec::new();
            for epoch in epochs.clone() {
                for step in 0..per_epoch {
                    for &k in &self.problems {
                        rows.extend(row(batch, k, chosen[k], epoch, step).words());
                    }
                }
            }
            self.schedule.begin(device, &rows)?;
            for epoch in epochs.clone() {
                if let Some(member) = &self.member {
                    let words: Vec<u32> =
                        self.problems.iter().flat_map(|&k| members(batch, k, epoch)).collect();
                    device.upload(member, &words)?;
                }
                for _ in 0..per_epoch {
                    device.replay(&self.recording)?;
                }
            }
            let steps = rows.len() / (b * WORDS);
            let of_steps = self.schedule.losses(device, steps)?;
            for (place, &k) in self.problems.iter().enumerate().filter(|(_, k)| chosen[**k]) {
                for epoch in epochs.clone() {
                    let (mut nll, mut events) = (0.0, 0.0);
                    for step in 0..batch.steps_per_epoch(k) as usize {
                        let at = 2 * (((epoch - from) as usize * per_epoch + step) * b + place);
                        let weight = f64::from(of_steps[at + 1]);
                        (nll, events) = (nll + f64::from(of_steps[at]) * weight, events + weight);
                    }
                    losses[k][epoch as usize] = if events > 0.0 { nll / events } else { 0.0 };
                }
            }
        }
        let [params, first, second] = &self.state;
        Ok(Moved { state: [device.get(params)?, device.get(first)?, device.get(second)?] })
    }

    /// Gives the batch what the device made of it.
    fn store(&self, batch: &mut Batch, chosen: &[bool], epochs: u64, moved: &Moved) {
        let (stride, trainable) = (batch.layout().len(), batch.layout().trainable());
        for (place, &k) in self.problems.iter().enumerate().filter(|(_, k)| chosen[**k]) {
            let at = place * stride;
            let [params, first, second] = &moved.state;
            let moments = [first, second].map(|m| &m[at..at + trainable]);
            batch.advance(k, &params[at..at + stride], moments, epochs);
        }
    }
}

/// The plan of a problem for one step of an epoch, counted from the epoch it stands at.
fn row(batch: &Batch, k: usize, chosen: bool, epoch: u64, step: usize) -> Row {
    let per_epoch = batch.steps_per_epoch(k);
    let (_, [optimizer_steps, steps, epochs]) = batch.optimizer_state(k);
    let done = epoch * per_epoch + step as u64;
    let Training { optimizer, learning_rate_decay, .. } = *batch.training();
    let decay = 1.0 + (epochs + epoch) as f64 * learning_rate_decay;
    let (rate, second) = match optimizer {
        Optimizer::Adam(mut adam) => {
            adam.learning_rate /= decay;
            adam.corrected(optimizer_steps + done + 1)
        }
        Optimizer::Sgd(sgd) => (sgd.learning_rate / decay, 1.0),
    };
    Row {
        seed: batch.problems()[k].seed,
        step: steps + done,
        active: chosen && (step as u64) < per_epoch,
        rate: rate as f32,
        second: second as f32,
        part: step as u32,
    }
}

/// The mini-batch of each patient in an epoch, in risk order.
fn members(batch: &Batch, k: usize, epoch: u64) -> Vec<u32> {
    let (_, [_, _, epochs]) = batch.optimizer_state(k);
    let mut of = vec![ABSENT; batch.problems()[k].cohort.len()];
    for (part, positions) in (0..).zip(batch.mini_batches(k, epochs + epoch)) {
        positions.iter().for_each(|&p| of[p as usize] = part);
    }
    of
}
