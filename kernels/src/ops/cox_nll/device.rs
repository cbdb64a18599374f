//! The device versions: one group of threads per problem.
//!
//! As the wide path of the CPU, every sum is a pair of exponent and value, and no two positive
//! numbers are subtracted: Efron's terms are `P + E (d - r) / d` with `P` at risk before the first
//! of the tied events. So one path serves any range of scores. CUDA sums in `f64`; WGSL has none and
//! sums in `f32`, over trees whose depth grows as log N. A score that is not a number is not promised
//! to come through on WGSL.

use super::{RiskOrder, Ties, op};
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "cox_nll", wgsl: include_str!("cox_nll.wgsl"), cuda: include_str!("cox_nll.cu") };

/// Set on the first row, and on the last group, of a stratum.
pub(crate) const HEAD: u32 = 1 << 31;
/// Set on a row that had the event.
pub(crate) const EVENT: u32 = 1 << 30;
/// Group of a row behind all events of its stratum.
pub(crate) const NO_GROUP: u32 = EVENT - 1;

/// A risk order on a device.
#[derive(Clone)]
pub struct Outcome {
    rows: Buffer,
    groups: Buffer,
    n: usize,
    count: usize,
}

impl Outcome {
    /// Brings a risk order to the device.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] for left truncation, else what the device says.
    pub fn new(device: &dyn Device, order: &RiskOrder) -> Result<Self, DeviceError> {
        if order.truncation.is_some() {
            return Err(DeviceError::Unsupported {
                op: "cox_nll",
                device: device.name(),
                reason: "left truncation has no device version: its risk sets are differences".to_owned(),
            });
        }
        let (rows, groups) = words(order);
        Ok(Self {
            rows: device.put_words("rows", &rows)?,
            groups: device.put_words("groups", &groups)?,
            n: order.len(),
            count: order.groups.len(),
        })
    }

    /// Words of [`Self::loss`]'s scratch buffer per problem.
    pub fn scratch_words(&self) -> usize {
        5 * self.count
    }

    /// Loss and event weight `[B, 2]` of `problems` scores `[B, N]`, and their gradient. Without
    /// `weight` all case weights are 1.
    pub fn loss(
        &self,
        device: &dyn Device,
        (problems, ties, normalise): (usize, Ties, bool),
        score: &Buffer,
        weight: Option<&Buffer>,
        gradient: &Buffer,
        loss: &Buffer,
        scratch: &Buffer,
    ) -> Launch {
        let params = [
            problems as u32,
            self.n as u32,
            self.count as u32,
            u32::from(ties == Ties::Efron),
            normalise.into(),
            weight.is_some().into(),
        ];
        // An unweighted kernel never reads the buffer that stands in for the weights.
        let weight = weight.unwrap_or(score);
        let buffers = [&self.rows, &self.groups, score, weight, gradient, loss, scratch];
        Launch::new(SOURCE, "cox_nll", &buffers, &params, device.line(problems))
    }
}

/// Outputs `loss` and `gradient`; as many problems at once as one binding can see.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let (order, ties) = op::outcome(case);
    let outcome = Outcome::new(device, &order)?;
    let (n, b) = (order.len(), case.size("problems"));
    let (score, weight) = (case.input("score").to_f32(), case.find("weight").map(Tensor::to_f32));
    let together = device.limits().binding_words / n.max(outcome.scratch_words()).max(2);
    let together = together.clamp(1, b.max(1));
    let scratch = device.alloc("work", together * outcome.scratch_words())?;
    let (mut losses, mut gradients) = (Vec::new(), Vec::new());
    for first in (0..b).step_by(together) {
        let count = together.min(b - first);
        let part = |all: &[f32]| all[first * n..(first + count) * n].to_vec();
        let score = device.put("score", &part(&score))?;
        let weight = weight.as_ref().map(|w| device.put("weight", &part(w))).transpose()?;
        let gradient = device.alloc("gradient", count * n)?;
        let loss = device.alloc("loss", 2 * count)?;
        let how = (count, ties, case.get("normalise") != 0.0);
        device.launch(&outcome.loss(device, how, &score, weight.as_ref(), &gradient, &loss, &scratch))?;
        losses.extend(device.get(&loss)?);
        gradients.extend(device.get(&gradient)?);
    }
    Ok(vec![Tensor::f32("loss", &[b, 2], losses), Tensor::f32("gradient", &[b, n], gradients)])
}

/// The order as the kernels read it: a word per row, two per group.
fn words(order: &RiskOrder) -> (Vec<u32>, Vec<u32>) {
    let (mut rows, mut groups) = (vec![NO_GROUP; order.len()], Vec::with_capacity(2 * order.groups.len()));
    for stratum in &order.strata {
        let start = stratum.rows.start as u32;
        let mut from = stratum.rows.start;
        for g in stratum.groups.clone() {
            let (first, end) = (start + order.groups[g].first, start + order.groups[g].end);
            let tail = if g + 1 == stratum.groups.end { HEAD } else { 0 };
            groups.extend([first, end | tail]);
            rows[from..first as usize].fill(g as u32);
            rows[first as usize..end as usize].fill(g as u32 | EVENT);
            from = end as usize;
        }
        rows[stratum.rows.start] |= HEAD;
    }
    (rows, groups)
}
