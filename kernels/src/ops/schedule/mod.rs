//! `schedule`: what a step of a batch of problems takes from the plan that the host made for many steps.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | schedule | `[S, B, 8]` | the steps to come, a [`Row`] each |
//! | step | `[B, 8]` | the rows of this step |
//! | clock | `[1]` | steps done |
//! | loss | `[B, 2]` | loss and event weight of this step |
//! | losses | `[S, B, 2]` | those of the steps done |
//! | weight | `[B, N]` | case weight; all 1 where there are none |
//! | part | `[B, N]` | mini-batch of the epoch that the patient falls into |
//! | chosen | `[B, N]` | the weight in this step: 0 in any other mini-batch |
//!
//! Everything that changes from step to step lies in these buffers, so that the launches of a step are
//! the same every time and can be recorded once.

pub mod device;
mod op;

pub use op::ScheduleOp;

use osteon_core::rng::{self, Purpose};

/// Words of a row.
pub const WORDS: usize = 8;
/// A patient that falls into no mini-batch.
pub const ABSENT: u32 = u32::MAX;

/// Places in a row, as the device sources name them.
pub(crate) const PLACES: [(&str, usize); 7] = [
    ("STEP_WORDS", WORDS),
    ("STEP_KEY", 0),
    ("STEP_NUMBER", 2),
    ("STEP_ACTIVE", 3),
    ("STEP_RATE", 4),
    ("STEP_SECOND", 5),
    ("STEP_PART", 6),
];

/// One step of one problem.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Seed of the problem, which keys its dropout.
    pub seed: u64,
    /// Its step, which keys its dropout too.
    pub step: u64,
    /// Whether the problem moves at all.
    pub active: bool,
    /// Step size; that of Adam with its correction.
    pub rate: f32,
    /// Adam's factor of the second moment.
    pub second: f32,
    /// Mini-batch of the epoch.
    pub part: u32,
}

impl Default for Row {
    fn default() -> Self {
        Self { seed: 0, step: 0, active: true, rate: 0.0, second: 1.0, part: 0 }
    }
}

impl Row {
    /// The row as kernels read it.
    pub fn words(&self) -> [u32; WORDS] {
        let [key0, key1] = rng::stream_key(self.seed, Purpose::Dropout, self.step >> 32);
        let active = self.active.into();
        [key0, key1, self.step as u32, active, self.rate.to_bits(), self.second.to_bits(), self.part, 0]
    }
}
