//! Record-level differential privacy of one problem's steps.
//!
//! A Cox loss is no sum over patients: each patient stands in the risk sets of those who died before, so
//! clipping per-patient terms bounds nothing (remove a patient, and the terms of others change too). What
//! is bounded is the gradient of a block of patients as a whole. Patients are dealt to blocks by a hash of
//! their own id, each step samples every patient with probability `q`, each block's gradient (risk sets
//! within the sampled part of the block) is clipped to norm `C`, and the blocks are added. One patient more or less
//! changes one block's clipped gradient from one vector of the ball of radius `C` to another: by at most
//! `2 C`. With Gaussian noise of deviation `z 2 C` this is the sampled Gaussian mechanism with noise multiplier `z`
//! for a function of a random subset (Mironov, Talwar and Zhang 2019, arXiv:1908.10530, definition 3), which
//! need not be a sum.

use std::sync::Arc;

use osteon_core::rng::mix64;

/// Random words nobody outside the site can know or repeat.
pub trait Noise: Send + Sync + std::fmt::Debug {
    /// The words of one step of one problem; the same whenever asked for.
    fn words(&self, problem: usize, step: u64) -> Box<dyn FnMut() -> u64 + '_>;
}

/// How a problem's gradients are clipped and blurred.
#[derive(Debug, Clone)]
pub struct Privacy {
    /// Largest norm of a block's gradient, `C`.
    pub clip: f64,
    /// Deviation of the noise over the sensitivity `2 C`, `z`.
    pub noise_multiplier: f64,
    /// Probability with which a step samples a patient, `q`, in `(0, 1]`.
    pub sample_rate: f64,
    /// Blocks of a site's patients.
    pub blocks: usize,
    /// Where the random words come from.
    pub noise: Arc<dyn Noise>,
}

impl Privacy {
    /// Steps of an epoch: so many that each patient is expected once.
    pub fn steps_per_epoch(&self) -> u64 {
        (1.0 / self.sample_rate).round().max(1.0) as u64
    }

    /// The block of a patient, from its key alone.
    pub(super) fn block(&self, key: u64) -> usize {
        // Another mixing than that of the key itself.
        (mix64(key ^ 0x5A17_B10C) % self.blocks as u64) as usize
    }

    /// Adds a block's gradient, clipped as a whole.
    pub(super) fn add_clipped(&self, sum: &mut [f64], gradient: &[f64]) {
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        // What is not finite is no information worth a step, and must not pass the bound.
        if !norm.is_finite() {
            return;
        }
        let scale = if norm > self.clip { self.clip / norm } else { 1.0 };
        sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += scale * g);
    }

    /// Adds the noise of a step and divides by the number of blocks, which does not depend on the patients.
    pub(super) fn blur(&self, sum: &mut [f64], mut word: impl FnMut() -> u64) {
        let deviation = self.noise_multiplier * 2.0 * self.clip;
        for pair in sum.chunks_mut(2) {
            let radius = deviation * (-2.0 * (1.0 - uniform(word())).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * uniform(word())).sin_cos();
            pair.iter_mut().zip([radius * cos, radius * sin]).for_each(|(s, noise)| *s += noise);
        }
        sum.iter_mut().for_each(|s| *s /= self.blocks as f64);
    }

    /// Whether a step samples a patient, given a random word.
    pub(super) fn samples(&self, word: u64) -> bool {
        uniform(word) < self.sample_rate
    }
}

/// A uniform number in `[0, 1)` with 53 bits.
fn uniform(word: u64) -> f64 {
    (word >> 11) as f64 * (-53f64).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Counted(u64);

    impl Noise for Counted {
        fn words(&self, problem: usize, step: u64) -> Box<dyn FnMut() -> u64 + '_> {
            let mut at = mix64(self.0 ^ (problem as u64) << 32 ^ step);
            Box::new(move || {
                at = at.wrapping_add(0x9E37_79B9_7F4A_7C15);
                mix64(at)
            })
        }
    }

    fn privacy(noise_multiplier: f64, sample_rate: f64) -> Privacy {
        Privacy { clip: 0.5, noise_multiplier, sample_rate, blocks: 4, noise: Arc::new(Counted(1)) }
    }

    #[test]
    fn a_block_moves_the_sum_by_no_more_than_its_clip() {
        let p = privacy(0.0, 1.0);
        for gradient in [[3.0, -4.0], [0.03, 0.04], [1e300, 1e300], [f64::NAN, 0.0]] {
            let mut sum = [0.0; 2];
            p.add_clipped(&mut sum, &gradient);
            let norm = (sum[0] * sum[0] + sum[1] * sum[1]).sqrt();
            assert!(norm <= 0.5 + 1e-12, "{gradient:?}: {sum:?}");
        }
        let mut sum = [0.0; 2];
        p.add_clipped(&mut sum, &[0.03, 0.04]);
        assert_eq!(sum, [0.03, 0.04]);
        p.add_clipped(&mut sum, &[30.0, 40.0]);
        assert!((sum[0] - 0.33).abs() < 1e-12 && (sum[1] - 0.44).abs() < 1e-12, "{sum:?}");
    }

    #[test]
    fn the_noise_has_the_deviation_of_twice_the_clip() {
        let p = privacy(1.5, 1.0);
        let mut sum = vec![0.0; 40_001];
        let noise = p.noise.clone();
        p.blur(&mut sum, noise.words(0, 3));
        let n = sum.len() as f64;
        let mean = sum.iter().sum::<f64>() / n;
        let deviation = (sum.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        // 1.5 * 2 * 0.5 over 4 blocks.
        assert!((deviation - 0.375).abs() < 0.375 * 0.02, "{deviation}");
        assert!(mean.abs() < 0.375 * 5.0 / n.sqrt(), "{mean}");
    }

    #[test]
    fn sampling_and_blocks_follow_their_rates() {
        let p = privacy(1.0, 0.25);
        assert_eq!(p.steps_per_epoch(), 4);
        let mut word = p.noise.words(0, 0);
        let taken = (0..40_000).filter(|_| p.samples(word())).count();
        assert!((taken as f64 - 10_000.0).abs() < 500.0, "{taken}");
        let mut blocks = [0; 4];
        (0..4000u64).for_each(|k| blocks[p.block(mix64(k))] += 1);
        assert!(blocks.iter().all(|&n| (850..1150).contains(&n)), "{blocks:?}");
    }

    /// The parameters after one step from the same start, patient `without` left out.
    fn stepped(privacy: &Privacy, without: Option<usize>) -> Vec<f32> {
        use crate::cohort::{Cohort, Rows};
        use crate::deepsurv::{Batch, L2Scope, Optimizer, Problem, Spec, Training};
        use osteon_kernels::ops::{activation::Activation, cox_nll::Ties, sgd::Sgd};
        let kept: Vec<u64> = (0..40).filter(|&i| Some(i as usize) != without).collect();
        // One patient is far from all others, so that risk sets carry it into every term before its time.
        let value = |i: u64, j: u64| if i == 39 { 40.0 } else { ((i * 7 + j * 3) as f64).sin() };
        let x: Vec<f64> = kept.iter().flat_map(|&i| [value(i, 0), value(i, 1)]).collect();
        let time: Vec<f64> = kept.iter().map(|&i| 1.0 + i as f64).collect();
        let event: Vec<bool> = kept.iter().map(|&i| i % 3 != 1).collect();
        let keys: Vec<u64> = kept.iter().map(|&i| mix64(i)).collect();
        let rows =
            Rows { x: &x, features: 2, time: &time, event: &event, entry: None, strata: None, keys: &keys };
        let problem =
            Problem { cohort: Arc::new(Cohort::new(rows).expect("a cohort")), seed: 3, weights: None };
        let spec = Spec {
            inputs: 2,
            hidden: vec![],
            activation: Activation::Tanh,
            dropout: 0.0,
            batch_norm: false,
            l2: 0.0,
            l2_scope: L2Scope::All,
            ties: Ties::Efron,
        };
        let sgd = Sgd { learning_rate: 1.0, momentum: 0.0, nesterov: false };
        let training = Training {
            optimizer: Optimizer::Sgd(sgd),
            learning_rate_decay: 0.0,
            batch_size: None,
            proximal_mu: 0.0,
        };
        let mut batch = Batch::new(spec, training, vec![problem]).with_privacy(privacy.clone());
        assert!(batch.train(&[0], 1)[0][0].is_nan(), "a loss of the training rows is not private");
        batch.params(0).to_vec()
    }

    #[test]
    fn a_patient_moves_a_step_by_no_more_than_twice_the_clip() {
        let largest = |clip: f64, blocks: usize| {
            let p = Privacy { clip, blocks, ..privacy(1e-9, 1.0) };
            let all = stepped(&p, None);
            let moved = |i| {
                let without = stepped(&p, Some(i));
                all.iter().zip(&without).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
            };
            (0..40).map(moved).fold(0.0, f64::max)
        };
        for (clip, blocks) in [(0.05, 1), (0.05, 4), (0.5, 4)] {
            let bound = 2.0 * clip / blocks as f64;
            assert!(largest(clip, blocks) <= bound * (1.0 + 1e-5), "{clip} {blocks}");
        }
        // The bound means something: without it one patient moves the step further.
        assert!(largest(1e6, 1) > 0.2);
        assert!(largest(0.05, 1) > 0.01);
    }
}
