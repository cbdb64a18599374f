//! The device versions.

use super::{ScheduleOp, WORDS, op};
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "schedule", wgsl: include_str!("schedule.wgsl"), cuda: include_str!("schedule.cu") };

/// A plan of up to `steps` steps on a device.
pub struct Schedule {
    /// `[S, B, 8]`.
    pub schedule: Buffer,
    /// `[B, 8]`.
    pub step: Buffer,
    /// `[B, 2]`.
    pub loss: Buffer,
    /// `[S, B, 2]`.
    pub losses: Buffer,
    clock: Buffer,
    problems: usize,
    steps: usize,
}

impl Schedule {
    /// Room for the steps of so many problems.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(device: &dyn Device, problems: usize, steps: usize) -> Result<Self, DeviceError> {
        Ok(Self {
            schedule: device.alloc("schedule", steps * problems * WORDS)?,
            step: device.alloc("step", problems * WORDS)?,
            loss: device.alloc("loss", 2 * problems)?,
            losses: device.alloc("losses", 2 * steps * problems)?,
            clock: device.alloc("clock", 1)?,
            problems,
            steps,
        })
    }

    /// Begins with the first of `rows`, `[S, B, 8]` words of at most as many steps as there is room for.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn begin(&self, device: &dyn Device, rows: &[u32]) -> Result<(), DeviceError> {
        device.upload(&self.clock, &[0])?;
        device.upload(&self.step, &rows[..self.problems * WORDS])?;
        device.upload(&self.schedule, rows)
    }

    /// The losses of the first `steps` steps, `[S, B, 2]`.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn losses(&self, device: &dyn Device, steps: usize) -> Result<Vec<f32>, DeviceError> {
        device.get(&self.losses.slice(0..2 * steps * self.problems))
    }

    /// Keeps the losses of this step and goes on to the next.
    pub fn next(&self) -> Launch {
        let buffers = [&self.schedule, &self.loss, &self.step, &self.losses, &self.clock];
        Launch::new(SOURCE, "schedule_next", &buffers, &self.params(0, false), [1, 1, 1])
    }

    /// The weights of the `n` patients in this step's mini-batch.
    pub fn weights(
        &self,
        device: &dyn Device,
        n: usize,
        part: &Buffer,
        weight: Option<&Buffer>,
        chosen: &Buffer,
    ) -> Launch {
        let params = self.params(n, weight.is_some());
        // An unweighted kernel never reads the buffer that stands in for the weights.
        let buffers = [&self.step, part, weight.unwrap_or(part), chosen];
        Launch::new(SOURCE, "schedule_weights", &buffers, &params, device.elementwise(self.problems * n))
    }

    fn params(&self, n: usize, weighted: bool) -> [u32; 4] {
        [self.problems as u32, self.steps as u32, n as u32, weighted.into()]
    }
}

/// Outputs `losses`, and `chosen` of every step.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let [s, b, n] = op::shape(case);
    let rows: Vec<u32> = (0..s * b).flat_map(|i| op::row(case, i).words()).collect();
    let losses = case.input("loss").to_f32();
    let part: Vec<u32> = case.input("part").to_f64().iter().map(|&p| p as u32).collect();
    let part = device.put_words("part", &part)?;
    let weight = case.find("weight").map(|w| device.put("weight", &w.to_f32())).transpose()?;
    let chosen = device.alloc("chosen", b * n)?;
    // Room for more steps than there are: what is behind them is not touched.
    let schedule = Schedule::new(device, b, s + 1)?;
    schedule.begin(device, &rows)?;
    let list = vec![schedule.weights(device, n, &part, weight.as_ref(), &chosen), schedule.next()];
    let recording = device.record(list)?;
    let mut all = Vec::new();
    for loss in losses.chunks(2 * b) {
        device.upload(&schedule.loss, bytemuck::cast_slice(loss))?;
        device.replay(&recording)?;
        all.extend(device.get(&chosen)?);
    }
    Ok(ScheduleOp.outputs(case, schedule.losses(device, s)?, all))
}
