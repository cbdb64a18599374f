//! `dropout`: zeroes units at random and scales the rest, keyed by patient.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | a | `[N, H]` | activation |
//! | patient | `[N]` | 64-bit key of the patient |
//! | y | `[N, H]` | `a / keep` where kept, else 0 |
//!
//! A unit is kept if 16 bits of Philox 4x32-10 at counter (patient, layer and unit, step) under the
//! problem's key reach the threshold `round(65536 rate)`; `keep = 1 - threshold / 65536`, so the
//! expectation is exact for the rate that is realised. The mask does not depend on where a patient
//! lies in memory, on the batch or on the site. The op is its own adjoint.

mod device;
mod op;

pub use op::DropoutOp;

use osteon_core::rng::{self, Purpose};

use crate::simd::{LANES, Simd, random};

/// Units that share one Philox block.
pub const UNITS_PER_BLOCK: usize = 8;

/// Dropout of one layer in one step of one problem.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Units whose 16 bits lie below are dropped.
    threshold: u32,
    key: [u32; 2],
    layer: u32,
    step: u32,
}

impl Dropout {
    /// Dropout at `rate` in `[0, 1)`, for the problem of that seed; `None` if nothing is dropped.
    pub fn new(rate: f64, seed: u64, layer: usize, step: u64) -> Option<Self> {
        let threshold = (rate * 65536.0).round() as u32;
        let key = rng::stream_key(seed, Purpose::Dropout, step >> 32);
        (threshold > 0).then_some(Self { threshold, key, layer: layer as u32, step: step as u32 })
    }

    /// Probability that a unit is kept.
    pub fn keep(&self) -> f64 {
        1.0 - f64::from(self.threshold) / 65536.0
    }

    /// What a device kernel needs: threshold, layer and step.
    pub(crate) fn words(&self) -> [u32; 3] {
        [self.threshold, self.layer, self.step]
    }

    /// The problem's key.
    pub(crate) fn key(&self) -> [u32; 2] {
        self.key
    }

    /// Whether a unit of a patient is kept: the oracle.
    pub fn keeps(&self, patient: u64, unit: usize) -> bool {
        let words = rng::philox(self.counter(patient, unit / UNITS_PER_BLOCK), self.key);
        let within = unit % UNITS_PER_BLOCK;
        (words[within / 2] >> (16 * (within % 2))) & 0xffff >= self.threshold
    }

    fn counter(&self, patient: u64, group: usize) -> [u32; 4] {
        [patient as u32, (patient >> 32) as u32, self.layer << 16 | group as u32, self.step]
    }

    /// Masks of the units `8 group ..` of 16 patients, one bit per patient, set where kept.
    #[inline(always)]
    pub fn masks<S: Simd>(&self, s: S, patients: &[[u32; LANES]; 2], group: usize) -> [u16; UNITS_PER_BLOCK] {
        let [_, _, unit, step] = self.counter(0, group);
        // SAFETY: both arrays hold 16 lanes.
        let (low, high) = unsafe { (s.load_u(patients[0].as_ptr()), s.load_u(patients[1].as_ptr())) };
        let words = random::philox(s, [low, high, s.splat_u(unit), s.splat_u(step)], self.key);
        let (threshold, low16) = (s.splat_u(self.threshold), s.splat_u(0xffff));
        let mut masks = [0; UNITS_PER_BLOCK];
        for (i, word) in words.into_iter().enumerate() {
            masks[2 * i] = !s.mask_bits(s.lt_u(s.and_u(word, low16), threshold));
            masks[2 * i + 1] = !s.mask_bits(s.lt_u(s.shr16_u(word), threshold));
        }
        masks
    }
}

/// Patient keys as lanes: low and high words of each tile; padding has key 0.
pub fn patient_lanes(patients: &[u64]) -> Vec<[[u32; LANES]; 2]> {
    let lanes = |tile: &[u64]| {
        let mut words = [[0; LANES]; 2];
        for (i, &p) in tile.iter().enumerate() {
            (words[0][i], words[1][i]) = (p as u32, (p >> 32) as u32);
        }
        words
    };
    patients.chunks(LANES).map(lanes).collect()
}

/// Patient keys as a device kernel reads them: `[N, 2]`, low word first.
pub fn patient_words(patients: &[u64]) -> Vec<u32> {
    patients.iter().flat_map(|&p| [p as u32, (p >> 32) as u32]).collect()
}
