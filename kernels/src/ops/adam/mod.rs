//! `adam`: one step of Adam.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | parameter | `[P]` | |
//! | gradient | `[P]` | loss per unit of parameter |
//! | mean, square | `[P]` | running moments of the gradient |
//!
//! `m += (1 - b1)(g - m)`, `v += (1 - b2)(g^2 - v)`,
//! `p -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)`. Kingma and Ba, ICLR 2015.

pub mod device;
mod op;

pub use op::AdamOp;

use crate::simd::{Kernel, LANES, Level, Simd, run_on};

/// Constants of Adam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

impl Adam {
    /// The published defaults.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }

    /// Step size and the factor of `v` after `step` steps (from 1).
    pub fn corrected(&self, step: u64) -> (f64, f64) {
        let first = 1.0 - libm::pow(self.beta1, step as f64);
        let second = 1.0 - libm::pow(self.beta2, step as f64);
        (self.learning_rate / first, 1.0 / second)
    }
}

struct Step<'a> {
    adam: Adam,
    step: u64,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (rate, second) = self.adam.corrected(self.step);
        let (rate, second) = (s.splat(rate as f32), s.splat(second as f32));
        let (b1, b2) = (s.splat((1.0 - self.adam.beta1) as f32), s.splat((1.0 - self.adam.beta2) as f32));
        let epsilon = s.splat(self.adam.epsilon as f32);
        for at in (0..self.parameter.len()).step_by(LANES) {
            let mut lanes = [[0f32; LANES]; 4];
            let width = LANES.min(self.parameter.len() - at);
            lanes[0][..width].copy_from_slice(&self.parameter[at..at + width]);
            lanes[1][..width].copy_from_slice(&self.gradient[at..at + width]);
            lanes[2][..width].copy_from_slice(&self.mean[at..at + width]);
            lanes[3][..width].copy_from_slice(&self.square[at..at + width]);
            // SAFETY: the arrays hold 16 lanes.
            unsafe {
                let [p, g, m, v] = lanes.map(|l| s.load(l.as_ptr()));
                let m = s.fma(b1, s.sub(g, m), m);
                let v = s.fma(b2, s.sub(s.mul(g, g), v), v);
                let root = s.add(s.sqrt(s.mul(v, second)), epsilon);
                let p = s.sub(p, s.div(s.mul(rate, m), root));
                for (lane, x) in lanes.iter_mut().zip([p, g, m, v]) {
                    s.store(lane.as_mut_ptr(), x);
                }
            }
            self.parameter[at..at + width].copy_from_slice(&lanes[0][..width]);
            self.mean[at..at + width].copy_from_slice(&lanes[2][..width]);
            self.square[at..at + width].copy_from_slice(&lanes[3][..width]);
        }
    }
}

/// Step `step` (from 1) in place.
///
/// # Panics
/// If the lengths differ.
pub fn adam(
    level: Level,
    adam: Adam,
    step: u64,
    parameter: &mut [f32],
    gradient: &[f32],
    mean: &mut [f32],
    square: &mut [f32],
) {
    let n = parameter.len();
    assert!([gradient.len(), mean.len(), square.len()].iter().all(|&l| l == n), "adam: lengths");
    run_on(level, Step { adam, step, parameter, gradient, mean, square });
}

/// The same step in f64: the oracle.
pub fn reference(
    adam: Adam,
    step: u64,
    parameter: &mut [f64],
    gradient: &[f64],
    mean: &mut [f64],
    square: &mut [f64],
) {
    let (rate, second) = adam.corrected(step);
    for i in 0..parameter.len() {
        mean[i] += (1.0 - adam.beta1) * (gradient[i] - mean[i]);
        square[i] += (1.0 - adam.beta2) * (gradient[i] * gradient[i] - square[i]);
        parameter[i] -= rate * mean[i] / ((square[i] * second).sqrt() + adam.epsilon);
    }
}
