//! Parameters of a problem, and the optimiser that moves them.

use std::ops::Range;

use osteon_kernels::ops::adam::{Adam, adam};
use osteon_kernels::ops::sgd::{Sgd, sgd};
use osteon_kernels::simd::Level;

/// How parameters move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// Adam.
    Adam(Adam),
    /// Gradient descent with momentum.
    Sgd(Sgd),
}

/// Fixed choices of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The optimiser at epoch 0.
    pub optimizer: Optimizer,
    /// The learning rate of epoch `e` (from 0) is divided by `1 + e decay`.
    pub learning_rate_decay: f64,
    /// Patients per step; `None` is all of them. Risk sets are those of the step's patients.
    pub batch_size: Option<usize>,
    /// Pull towards the parameters at the start of a run of epochs: `mu / 2 |p - p0|^2` (FedProx).
    pub proximal_mu: f64,
}

/// Parameters and optimiser of one problem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub params: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    pub optimizer_steps: u64,
    pub steps: u64,
    pub epochs: u64,
    /// Added to every gradient; empty for none.
    pub correction: Vec<f32>,
    /// Sum of the gradients without it, and how many; kept only with a correction.
    pub gradients: (Vec<f64>, u64),
}

impl State {
    /// At the start, of which the first `trainable` parameters are moved.
    pub fn new(params: Vec<f32>, trainable: usize) -> Self {
        Self {
            params,
            first: vec![0.0; trainable],
            second: vec![0.0; trainable],
            optimizer_steps: 0,
            steps: 0,
            epochs: 0,
            correction: Vec::new(),
            gradients: (Vec::new(), 0),
        }
    }

    /// Forgets the moments.
    pub fn reset_optimizer(&mut self) {
        self.first.fill(0.0);
        self.second.fill(0.0);
        self.optimizer_steps = 0;
    }

    /// Moments and counters, to be kept in a checkpoint.
    pub fn optimizer(&self) -> ([&[f32]; 2], [u64; 3]) {
        ([&self.first, &self.second], [self.optimizer_steps, self.steps, self.epochs])
    }

    /// Restores what [`Self::optimizer`] gave.
    pub fn set_optimizer(&mut self, moments: [&[f32]; 2], counters: [u64; 3]) {
        self.first.copy_from_slice(moments[0]);
        self.second.copy_from_slice(moments[1]);
        [self.optimizer_steps, self.steps, self.epochs] = counters;
    }

    /// Moves the parameters along the gradient of the loss, `[P]`, to which what does not depend on the
    /// patients is added: the penalty of `l2` on some parameters, and the pull towards `anchor`.
    pub fn descend(
        &mut self,
        level: Level,
        training: &Training,
        (l2, penalised): (f64, &[Range<usize>]),
        gradient: &mut [f64],
        anchor: Option<&[f32]>,
    ) {
        for i in penalised.iter().cloned().flatten() {
            gradient[i] += 2.0 * l2 * f64::from(self.params[i]);
        }
        let trainable = self.first.len();
        if let Some(anchor) = anchor {
            for i in 0..trainable {
                let away = f64::from(self.params[i]) - f64::from(anchor[i]);
                gradient[i] += training.proximal_mu * away;
            }
        }
        if !self.correction.is_empty() {
            let (sum, steps) = &mut self.gradients;
            *steps += 1;
            for i in 0..trainable {
                sum[i] += gradient[i];
                gradient[i] += f64::from(self.correction[i]);
            }
        }
        let gradient: Vec<f32> = gradient.iter().map(|&g| g as f32).collect();
        self.steps += 1;
        self.optimizer_steps += 1;
        let decay = 1.0 + self.epochs as f64 * training.learning_rate_decay;
        let params = &mut self.params[..trainable];
        match training.optimizer {
            Optimizer::Adam(constants) => {
                let constants = Adam { learning_rate: constants.learning_rate / decay, ..constants };
                let (m, v) = (&mut self.first, &mut self.second);
                adam(level, constants, self.optimizer_steps, params, &gradient, m, v);
            }
            Optimizer::Sgd(constants) => {
                let constants = Sgd { learning_rate: constants.learning_rate / decay, ..constants };
                sgd(constants, params, &gradient, &mut self.first);
            }
        }
    }
}
