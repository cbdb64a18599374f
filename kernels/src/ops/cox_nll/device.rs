//! The device versions: one group of threads per problem.
//!
//! As the wide path of the CPU, every sum is a pair of exponent and value, and no two positive
//! numbers are subtracted: Efron's terms are `P + E (d - r) / d` with `P` at risk before the first
//! of the tied events. So one path serves any range of scores. CUDA sums in `f64`; WGSL has none and
//! sums in `f32`, over trees whose depth grows as log N. A score that is not a number is not promised
//! to come through on WGSL.

use super::{RiskOrder, Ties, op};
use crate::backend::{Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "cox_nll", wgsl: include_str!("cox_nll.wgsl"), cuda: include_str!("cox_nll.cu") };

/// Set on the first row, and on the last group, of a stratum.
pub(crate) const HEAD: u32 = 1 << 31;
/// Set on a row that had the event.
pub(crate) const EVENT: u32 = 1 << 30;
/// Group of a row behind all events of its stratum.
pub(crate) const NO_GROUP: u32 = EVENT - 1;

/// Outputs `loss` and `gradient`.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let (order, ties) = op::outcome(case);
    if order.truncation.is_some() {
        return Err(DeviceError::Unsupported {
            op: "cox_nll",
            device: device.name(),
            reason: "left truncation has no device version: its risk sets are differences".to_owned(),
        });
    }
    let (n, b, groups) = (order.len(), case.size("problems"), order.groups.len());
    let (row_words, group_words) = words(&order);
    let rows = device.put_words("rows", &row_words)?;
    let event_groups = device.put_words("groups", &group_words)?;
    let score = device.put("score", &case.input("score").to_f32())?;
    let weight = case.find("weight").map_or(vec![], Tensor::to_f32);
    let weighted = u32::from(!weight.is_empty());
    let weight = device.put("weight", &weight)?;
    let gradient = device.alloc("gradient", b * n)?;
    let loss = device.alloc("loss", 2 * b)?;
    let work = device.alloc("work", 5 * b * groups)?;
    let efron = u32::from(ties == Ties::Efron);
    let normalise = u32::from(case.get("normalise") != 0.0);
    device.launch(&Launch {
        source: SOURCE,
        entry: "cox_nll",
        buffers: &[&rows, &event_groups, &score, &weight, &gradient, &loss, &work],
        params: &[b as u32, n as u32, groups as u32, efron, normalise, weighted],
        groups: device.line(b),
    })?;
    Ok(vec![
        Tensor::f32("loss", &[b, 2], device.get(&loss)?),
        Tensor::f32("gradient", &[b, n], device.get(&gradient)?),
    ])
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
