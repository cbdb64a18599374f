//! The device versions: one group of threads per problem.
//!
//! As the wide path of the CPU, every sum is a pair of exponent and value, and no two positive
//! numbers are subtracted: Efron's terms are `P + E (d - r) / d` with `P` at risk before the first
//! of the tied events. So one path serves any range of scores. CUDA sums in `f64`; WGSL has none and
//! sums in `f32`, over trees whose depth grows as log N. With left truncation a row is at risk from one event time to
//! another; it is summed into the nodes of a binary tree over the times that make up its stretch, and reads its rate
//! from them, which is `O(N log N)` and subtracts nothing either. A score that is not a number is not promised
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
    tree: Option<Tree>,
}

/// The stretches of left-truncated rows on a device.
#[derive(Clone)]
struct Tree {
    words: Buffer,
    leaves: usize,
    segments: usize,
}

/// Rows that a thread sums.
const SEGMENT: usize = 128;

impl Outcome {
    /// Brings a risk order to the device.
    ///
    /// # Errors
    /// What the device says.
    pub fn new(device: &dyn Device, order: &RiskOrder) -> Result<Self, DeviceError> {
        let (rows, groups) = words(order);
        let tree = order.truncation.as_ref().map(|truncation| {
            let (words, leaves, segments) = stretches(&rows, order, &truncation.until);
            Ok(Tree { words: device.put_words("tree", &words)?, leaves, segments })
        });
        Ok(Self {
            tree: tree.transpose()?,
            rows: device.put_words("rows", &rows)?,
            groups: device.put_words("groups", &groups)?,
            n: order.len(),
            count: order.groups.len(),
        })
    }

    /// Words of [`Self::loss`]'s scratch buffer per problem.
    pub fn scratch_words(&self) -> usize {
        let of_tree = self.tree.as_ref().map_or(0, |tree| tree_words(tree.leaves, tree.segments));
        5 * self.count + of_tree
    }

    /// The same of an order that is not on a device yet.
    pub fn scratch_words_of(order: &RiskOrder) -> usize {
        let of_tree = order.truncation.as_ref().map_or(0, |truncation| {
            let (_, leaves, segments) = stretches(&words(order).0, order, &truncation.until);
            tree_words(leaves, segments)
        });
        5 * order.groups.len() + of_tree
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
        let mut params = vec![
            problems as u32,
            self.n as u32,
            self.count as u32,
            u32::from(ties == Ties::Efron),
            normalise.into(),
            weight.is_some().into(),
        ];
        // An unweighted kernel never reads the buffer that stands in for the weights.
        let weight = weight.unwrap_or(score);
        let mut buffers = vec![&self.rows, &self.groups, score, weight, gradient, loss, scratch];
        let mut entry = "cox_nll";
        if let Some(Tree { words, leaves, segments }) = &self.tree {
            entry = "cox_nll_truncated";
            buffers.push(words);
            params.extend([*leaves as u32, *segments as u32]);
        }
        Launch::new(SOURCE, entry, &buffers, &params, device.line(problems))
    }
}

/// Exponent and sum of every segment and node.
fn tree_words(leaves: usize, segments: usize) -> usize {
    2 * (segments + 2 * leaves)
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

/// Of each row, the groups before whose events it is at risk, `from..until` counted over all strata; the rows of each
/// node of a binary tree over the groups, in segments of at most [`SEGMENT`]. A row is in the nodes that make up its
/// stretch. The words as the kernels read them, leaves of the tree, and segments.
fn stretches(rows: &[u32], order: &RiskOrder, until: &[u32]) -> (Vec<u32>, usize, usize) {
    let leaves = order.groups.len().next_power_of_two();
    let mut words = Vec::with_capacity(2 * rows.len());
    let mut at: Vec<Vec<u32>> = vec![Vec::new(); 2 * leaves];
    for stratum in &order.strata {
        for i in stratum.rows.clone() {
            let group = rows[i] & NO_GROUP;
            // An event is at risk at its own time as one of the dying.
            let from = group + u32::from(rows[i] & EVENT != 0);
            let until = stratum.groups.start as u32 + until[i];
            let (from, until) = if group == NO_GROUP || from >= until { (0, 0) } else { (from, until) };
            words.extend([from, until]);
            let (mut l, mut r) = (leaves + from as usize, leaves + until as usize);
            while l < r {
                if l % 2 == 1 {
                    at[l].push(i as u32);
                    l += 1;
                }
                if r % 2 == 1 {
                    r -= 1;
                    at[r].push(i as u32);
                }
                (l, r) = (l / 2, r / 2);
            }
        }
    }
    let (mut first_segment, mut first_row, mut listed) = (vec![0], vec![0], Vec::new());
    for rows in at {
        for segment in rows.chunks(SEGMENT) {
            listed.extend_from_slice(segment);
            first_row.push(listed.len() as u32);
        }
        first_segment.push(first_row.len() as u32 - 1);
    }
    let segments = first_row.len() - 1;
    words.extend([first_segment, first_row, listed].concat());
    (words, leaves, segments)
}
