//! A batch of independent problems and their optimisers.

use std::sync::{Arc, Mutex};

use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::simd::Level;
use osteon_kernels::tiles::{Lane, from_rows, to_rows};
use rayon::prelude::*;

use super::fused::{Network, StepInput, Workspace};
use super::private::Privacy;
use super::{Layout, Spec};
use crate::cohort::Cohort;
use crate::descent::{State, Training};

/// One network to train.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its patients.
    pub cohort: Arc<Cohort>,
    /// Seed of its initial parameters, dropout and batches.
    pub seed: u64,
    /// Case weights in risk order (a bootstrap, a fold, or given); `None` is 1. Weight 0 is absent.
    pub weights: Option<Vec<f32>>,
}

impl Problem {
    /// Positions of the patients of each mini-batch of an epoch, ascending. Patients of weight 0 are left
    /// out.
    pub(crate) fn mini_batches(&self, size: Option<usize>, epoch: u64) -> Vec<Vec<u32>> {
        let weights = self.weights.as_deref();
        let present = |p: &u32| weights.is_none_or(|w| w[*p as usize] > 0.0);
        let mut positions: Vec<u32> = (0..self.cohort.len() as u32).filter(present).collect();
        // The draw is keyed by row of the table through the patient keys' risk order, which is fixed.
        Stream::new(self.seed, Purpose::Batch, epoch).shuffle(&mut positions);
        let size = size.unwrap_or(positions.len()).max(1);
        let mut chunks: Vec<Vec<u32>> = positions.chunks(size).map(<[u32]>::to_vec).collect();
        chunks.iter_mut().for_each(|chunk| chunk.sort_unstable());
        chunks
    }

    /// Steps of an epoch.
    pub(crate) fn steps_per_epoch(&self, size: Option<usize>) -> u64 {
        let all = self.cohort.len();
        let present = self.weights.as_ref().map_or(all, |w| w.iter().filter(|&&w| w > 0.0).count());
        match size {
            Some(size) if size < all => present.div_ceil(size.max(1)) as u64,
            _ => 1,
        }
    }
}

/// Problems that are trained together. A problem's bits do not depend on its neighbours.
#[derive(Debug)]
pub struct Batch {
    pub(super) spec: Spec,
    pub(super) training: Training,
    pub(super) layout: Layout,
    pub(super) level: Level,
    pub(super) problems: Vec<Problem>,
    pub(super) states: Vec<State>,
    privacy: Option<Privacy>,
    /// Grows whenever a state is set from outside, so that a device knows that its copy is old.
    revision: u64,
    pub(super) spaces: Mutex<Vec<Workspace>>,
}

impl Batch {
    /// Networks with the initial parameters of their seeds.
    ///
    /// # Panics
    /// If a problem's shapes do not fit its cohort or the network.
    pub fn new(spec: Spec, training: Training, problems: Vec<Problem>) -> Self {
        let layout = Layout::new(&spec);
        for p in &problems {
            assert_eq!(p.cohort.features(), spec.inputs, "features of a cohort and inputs of the network");
            assert!(p.weights.as_ref().is_none_or(|w| w.len() == p.cohort.len()), "case weights are [N]");
        }
        let state = |p: &Problem| State::new(layout.initial(p.seed), layout.trainable());
        let states = problems.iter().map(state).collect();
        let spaces = Mutex::new(Vec::new());
        let (level, privacy) = (Level::current(), None);
        Self { spec, training, layout, level, problems, states, privacy, revision: 0, spaces }
    }

    /// Runs on another instruction set, for tests that compare them.
    #[must_use]
    pub fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Clips and blurs every step from here on, in place of full or mini-batches. Losses are then NaN: a loss
    /// of the training rows is not private.
    ///
    /// # Panics
    /// If the network has batch norm, whose statistics no noise covers.
    #[must_use]
    pub fn with_privacy(mut self, privacy: Privacy) -> Self {
        assert!(!self.spec.batch_norm, "batch statistics are not private");
        self.privacy = Some(privacy);
        self
    }

    /// The network.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Where its tensors lie in a parameter vector.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Parameters and buffers of a problem, `[layout.len()]`.
    pub fn params(&self, problem: usize) -> &[f32] {
        &self.states[problem].params
    }

    /// Replaces the parameters and buffers of a problem.
    ///
    /// # Panics
    /// If the length differs.
    pub fn set_params(&mut self, problem: usize, params: &[f32]) {
        self.revision += 1;
        self.states[problem].params.copy_from_slice(params);
    }

    /// Epochs a problem was trained for.
    pub fn epochs(&self, problem: usize) -> u64 {
        self.states[problem].epochs
    }

    /// Forgets the moments of a problem's optimiser.
    pub fn reset_optimizer(&mut self, problem: usize) {
        self.revision += 1;
        self.states[problem].reset_optimizer();
    }

    /// Places a problem at the start of an epoch (from 0) for what is drawn anew in each: dropout,
    /// mini-batches, and the decay of the learning rate. So a problem that is trained in pieces, by a
    /// process that may have been resumed, draws the same as in one piece.
    pub fn start_at(&mut self, problem: usize, epoch: u64) {
        let per_epoch = self.steps_per_epoch(problem);
        let state = &mut self.states[problem];
        (state.epochs, state.steps) = (epoch, epoch * per_epoch);
    }

    /// Adds `correction` (`[P]`, trainable parameters) to every gradient of a problem from here on, before
    /// the optimiser sees it (SCAFFOLD), and begins to add up the gradients without it.
    ///
    /// # Panics
    /// If the length differs.
    pub fn correct_gradients(&mut self, problem: usize, correction: Vec<f32>) {
        assert_eq!(correction.len(), self.layout.trainable(), "a correction of the trainable parameters");
        let state = &mut self.states[problem];
        state.gradients = (vec![0.0; correction.len()], 0);
        state.correction = correction;
    }

    /// Mean of the gradients since [`Self::correct_gradients`], without the correction, `[P]`; zero where no
    /// step was made.
    pub fn mean_gradient(&self, problem: usize) -> Vec<f32> {
        let (sum, steps) = &self.states[problem].gradients;
        let steps = (*steps).max(1) as f64;
        sum.iter().map(|g| (g / steps) as f32).collect()
    }

    /// Steps of an epoch of a problem.
    pub(super) fn steps_per_epoch(&self, problem: usize) -> u64 {
        match &self.privacy {
            Some(privacy) => privacy.steps_per_epoch(),
            None => self.problems[problem].steps_per_epoch(self.training.batch_size),
        }
    }

    /// The fixed choices.
    pub(super) fn training(&self) -> &Training {
        &self.training
    }

    /// Changes whenever a state was set, not trained.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Positions of the patients of each mini-batch of an epoch, ascending.
    pub(super) fn mini_batches(&self, problem: usize, epoch: u64) -> Vec<Vec<u32>> {
        self.problems[problem].mini_batches(self.training.batch_size, epoch)
    }

    /// What so many epochs elsewhere made of a problem.
    pub(super) fn advance(&mut self, problem: usize, params: &[f32], moments: [&[f32]; 2], epochs: u64) {
        let steps = epochs * self.steps_per_epoch(problem);
        let state = &mut self.states[problem];
        state.params.copy_from_slice(params);
        state.first.copy_from_slice(moments[0]);
        state.second.copy_from_slice(moments[1]);
        state.optimizer_steps += steps;
        state.steps += steps;
        state.epochs += epochs;
    }

    /// Epochs without patients move nothing.
    pub(super) fn skip_epochs(&mut self, problem: usize, epochs: u64) {
        self.states[problem].epochs += epochs;
    }

    /// Optimiser moments and counters of a problem, to be kept in a checkpoint.
    pub fn optimizer_state(&self, problem: usize) -> ([&[f32]; 2], [u64; 3]) {
        self.states[problem].optimizer()
    }

    /// Restores what [`Self::optimizer_state`] gave.
    ///
    /// # Panics
    /// If a length differs.
    pub fn set_optimizer_state(&mut self, problem: usize, moments: [&[f32]; 2], counters: [u64; 3]) {
        self.revision += 1;
        self.states[problem].set_optimizer(moments, counters);
    }

    /// Trains the named problems for `epochs` and returns, for each, the mean loss per unit of event
    /// weight of every epoch.
    pub fn train(&mut self, which: &[usize], epochs: u64) -> Vec<Vec<f64>> {
        let parallel = which.len() < rayon::current_num_threads();
        let mut chosen = vec![false; self.states.len()];
        which.iter().for_each(|&b| chosen[b] = true);
        let (spec, layout) = (&self.spec, &self.layout);
        let network = Network { spec, layout, level: self.level, parallel };
        let (training, privacy, spaces) = (&self.training, self.privacy.as_ref(), &self.spaces);
        let work: Vec<(usize, (&Problem, &mut State))> = self
            .problems
            .iter()
            .zip(&mut self.states)
            .enumerate()
            .filter(|(index, _)| chosen[*index])
            .collect();
        self.revision += 1;
        let losses: Vec<Vec<f64>> = work
            .into_par_iter()
            .with_max_len(1)
            .map(|(index, (problem, state))| {
                let mut ws = spaces.lock().ok().and_then(|mut s| s.pop()).unwrap_or_default();
                let losses =
                    Run { network, training, privacy, index, problem }.epochs(state, epochs, &mut ws);
                if let Ok(mut spaces) = spaces.lock() {
                    spaces.push(ws);
                }
                losses
            })
            .collect();
        // Results came in order of the problems; give them in order of `which`.
        let mut sorted: Vec<usize> = which.to_vec();
        sorted.sort_unstable();
        which.iter().map(|b| losses[sorted.partition_point(|s| s < b)].clone()).collect()
    }

    /// Log hazards of a problem's network for the patients of a cohort, in risk order: the
    /// forward pass of training without dropout.
    pub fn scores(&self, problem: usize, cohort: &Cohort) -> Vec<f32> {
        self.predict_lanes(problem, &cohort.x, cohort.len())
    }

    /// Log hazards of a problem's network for rows of preprocessed features, `[N, F]`.
    ///
    /// # Panics
    /// If `x` is not a whole number of rows.
    pub fn predict(&self, problem: usize, x: &[f32]) -> Vec<f32> {
        let n = x.len() / self.spec.inputs;
        self.predict_lanes(problem, &from_rows(x, n, self.spec.inputs), n)
    }

    fn predict_lanes(&self, problem: usize, x: &[Lane], n: usize) -> Vec<f32> {
        let network = Network { spec: &self.spec, layout: &self.layout, level: self.level, parallel: true };
        to_rows(&network.predict(self.params(problem), x), n, 1)
    }
}

/// Log hazards of a network for rows of preprocessed features (`[N, F]`), from its parameter vector.
///
/// # Panics
/// If `params` or `x` is not of the network's size.
pub fn predict(spec: &Spec, params: &[f32], x: &[f32]) -> Vec<f32> {
    let layout = Layout::new(spec);
    assert_eq!(params.len(), layout.len(), "parameters of a network");
    let n = x.len() / spec.inputs;
    let network = Network { spec, layout: &layout, level: Level::current(), parallel: true };
    to_rows(&network.predict(params, &from_rows(x, n, spec.inputs)), n, 1)
}

/// Epochs of one problem.
pub(super) struct Run<'a> {
    pub network: Network<'a>,
    pub training: &'a Training,
    pub privacy: Option<&'a Privacy>,
    /// Place in the batch.
    pub index: usize,
    pub problem: &'a Problem,
}

impl Run<'_> {
    fn epochs(&self, state: &mut State, epochs: u64, ws: &mut Workspace) -> Vec<f64> {
        let cohort = &*self.problem.cohort;
        if cohort.is_empty() {
            state.epochs += epochs;
            return vec![0.0; epochs as usize];
        }
        let anchor = (self.training.proximal_mu > 0.0).then(|| state.params.clone());
        let mut losses = Vec::with_capacity(epochs as usize);
        for _ in 0..epochs {
            let (mut nll, mut events) = (0.0, 0.0);
            if let Some(privacy) = self.privacy {
                (0..privacy.steps_per_epoch())
                    .for_each(|_| self.private_step(state, privacy, anchor.as_deref(), ws));
                state.epochs += 1;
                losses.push(f64::NAN);
                continue;
            }
            let full = self.training.batch_size.is_none_or(|size| size >= cohort.len());
            if full {
                let weights = self.problem.weights.as_deref();
                let loss = self.step(state, cohort, weights, anchor.as_deref(), ws);
                (nll, events) = (nll + loss.0, events + loss.1);
            } else {
                for (part, weights) in self.batches(state.epochs) {
                    let loss = self.step(state, &part, weights.as_deref(), anchor.as_deref(), ws);
                    (nll, events) = (nll + loss.0, events + loss.1);
                }
            }
            state.epochs += 1;
            losses.push(if events > 0.0 { nll / events } else { 0.0 });
        }
        losses
    }

    /// The mini-batches of an epoch, each in risk order.
    fn batches(&self, epoch: u64) -> impl Iterator<Item = (Cohort, Option<Vec<f32>>)> {
        let weights = self.problem.weights.as_deref();
        self.problem.mini_batches(self.training.batch_size, epoch).into_iter().map(move |chunk| {
            let part_weights = weights.map(|w| chunk.iter().map(|&p| w[p as usize]).collect());
            (self.problem.cohort.gather(&chunk), part_weights)
        })
    }

    /// One optimiser step; returns the summed loss and the event weight.
    fn step(
        &self,
        state: &mut State,
        cohort: &Cohort,
        weights: Option<&[f32]>,
        anchor: Option<&[f32]>,
        ws: &mut Workspace,
    ) -> (f64, f64) {
        let input = StepInput { cohort, weights, seed: self.problem.seed, step: state.steps };
        let loss = self.network.step(&mut state.params, input, ws);
        self.descend(state, &mut ws.gradient, anchor);
        (loss.nll * loss.event_weight, loss.event_weight)
    }

    /// One step of [`super::private`]: blocks of sampled patients, clipped, added and blurred.
    fn private_step(&self, state: &mut State, privacy: &Privacy, anchor: Option<&[f32]>, ws: &mut Workspace) {
        let cohort = &*self.problem.cohort;
        let weights = self.problem.weights.as_deref();
        let mut word = privacy.noise.words(self.index, state.steps);
        let mut blocks: Vec<Vec<u32>> = vec![Vec::new(); privacy.blocks];
        for position in 0..cohort.len() as u32 {
            let present = weights.is_none_or(|w| w[position as usize] > 0.0);
            if privacy.samples(word()) && present {
                blocks[privacy.block(cohort.keys[position as usize])].push(position);
            }
        }
        let mut sum = vec![0.0; self.network.layout.trainable()];
        for block in blocks.iter().filter(|b| !b.is_empty()) {
            let part = cohort.gather(block);
            let weights: Option<Vec<f32>> = weights.map(|w| block.iter().map(|&p| w[p as usize]).collect());
            let seed = self.problem.seed;
            let input = StepInput { cohort: &part, weights: weights.as_deref(), seed, step: state.steps };
            self.network.step(&mut state.params, input, ws);
            privacy.add_clipped(&mut sum, &ws.gradient);
        }
        privacy.blur(&mut sum, word);
        self.descend(state, &mut sum, anchor);
    }

    /// Moves the parameters along the gradient of the loss, `[P]`, to which what does not depend on the
    /// patients is added.
    pub(super) fn descend(&self, state: &mut State, gradient: &mut [f64], anchor: Option<&[f32]>) {
        let spec = self.network.spec;
        let penalised = if spec.l2 > 0.0 { self.network.layout.penalised(spec) } else { Vec::new() };
        state.descend(self.network.level, self.training, (spec.l2, &penalised), gradient, anchor);
    }
}
