//! Problems that are trained one after the other on the same bags.

use std::sync::Arc;

use osteon_kernels::ops::attention_pool::{Block, Network, Pooled, TileDropout, Workspace};
use osteon_kernels::ops::cox_nll::{CoxScratch, cox_nll_at};
use osteon_kernels::ops::dropout::Dropout;
use osteon_kernels::simd::Level;

use super::{Bags, EmptyBag, Layout, Spec};
use crate::deepsurv::{Problem, Training};
use crate::descent::State;

/// Networks to train. A problem's bits do not depend on its neighbours.
#[derive(Debug)]
pub struct Batch {
    spec: Spec,
    training: Training,
    layout: Layout,
    level: Level,
    problems: Vec<Problem>,
    /// The bag of each row of a problem's cohort.
    bags: Vec<Arc<Vec<usize>>>,
    states: Vec<State>,
    /// Bytes of activations that a step may keep.
    kept_bytes: usize,
}

impl Batch {
    /// Networks with the initial parameters of their seeds. With each problem comes the number of the bag of each row of
    /// its cohort, which has no features of its own. A step keeps at most `kept_bytes` of activations.
    ///
    /// # Panics
    /// If a problem has not as many bags as patients, or as many weights.
    pub fn new(
        spec: Spec,
        training: Training,
        problems: Vec<(Problem, Arc<Vec<usize>>)>,
        kept_bytes: usize,
    ) -> Self {
        let layout = Layout::new(spec.shape);
        let (problems, bags): (Vec<Problem>, Vec<Arc<Vec<usize>>>) = problems.into_iter().unzip();
        for (p, bags) in problems.iter().zip(&bags) {
            assert_eq!(p.cohort.len(), bags.len(), "a bag per patient");
            assert!(p.weights.as_ref().is_none_or(|w| w.len() == p.cohort.len()), "case weights are [N]");
        }
        let states = problems.iter().map(|p| State::new(layout.initial(p.seed), layout.len())).collect();
        Self { spec, training, layout, level: Level::current(), problems, bags, states, kept_bytes }
    }

    /// Where the tensors lie in a parameter vector.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Parameters of a problem, `[layout.len()]`.
    pub fn params(&self, problem: usize) -> &[f32] {
        &self.states[problem].params
    }

    /// Replaces the parameters of a problem.
    ///
    /// # Panics
    /// If the length differs.
    pub fn set_params(&mut self, problem: usize, params: &[f32]) {
        self.states[problem].params.copy_from_slice(params);
    }

    /// Forgets the moments of a problem's optimiser.
    pub fn reset_optimizer(&mut self, problem: usize) {
        self.states[problem].reset_optimizer();
    }

    /// Places a problem at the start of an epoch (from 0); see [`crate::deepsurv::Batch::start_at`].
    pub fn start_at(&mut self, problem: usize, epoch: u64) {
        let per_epoch = self.problems[problem].steps_per_epoch(self.training.batch_size);
        let state = &mut self.states[problem];
        (state.epochs, state.steps) = (epoch, epoch * per_epoch);
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
        self.states[problem].set_optimizer(moments, counters);
    }

    /// Trains the named problems for `epochs` and returns, for each, the mean loss per unit of event weight of every
    /// epoch.
    ///
    /// # Errors
    /// If tiles cannot be read, or a patient has none.
    pub fn train<B: Bags>(
        &mut self,
        bags: &B,
        which: &[usize],
        epochs: u64,
    ) -> Result<Vec<Vec<f64>>, B::Error> {
        let mut space = Space::default();
        let mut losses = Vec::with_capacity(which.len());
        for &k in which {
            let problem = self.problems[k].clone();
            let anchor = (self.training.proximal_mu > 0.0).then(|| self.states[k].params.clone());
            let mut of_problem = Vec::with_capacity(epochs as usize);
            for _ in 0..epochs {
                let (mut nll, mut events) = (0.0, 0.0);
                let n = problem.cohort.len();
                let all = || vec![(0..n as u32).collect::<Vec<u32>>()];
                let chunks = match self.training.batch_size {
                    _ if n == 0 => Vec::new(),
                    Some(size) if size < n => problem.mini_batches(Some(size), self.states[k].epochs),
                    _ => all(),
                };
                for positions in chunks {
                    let loss = self.step(bags, k, &problem, &positions, anchor.as_deref(), &mut space)?;
                    (nll, events) = (nll + loss.0, events + loss.1);
                }
                self.states[k].epochs += 1;
                of_problem.push(if events > 0.0 { nll / events } else { 0.0 });
            }
            losses.push(of_problem);
        }
        Ok(losses)
    }

    /// One step of the optimiser on the patients at ascending positions of the risk order; gives the summed loss and the
    /// event weight.
    fn step<B: Bags>(
        &mut self,
        bags: &B,
        k: usize,
        problem: &Problem,
        positions: &[u32],
        anchor: Option<&[f32]>,
        space: &mut Space,
    ) -> Result<(f64, f64), B::Error> {
        let (level, shape) = (self.level, self.spec.shape);
        let state = &mut self.states[k];
        let cohort = problem.cohort.gather(positions);
        let rows = problem.cohort.order().order();
        let bag = |at: usize| self.bags[k][rows[positions[at] as usize] as usize];
        let weights: Option<Vec<f32>> =
            problem.weights.as_ref().map(|w| positions.iter().map(|&p| w[p as usize]).collect());
        let present = |at: usize| weights.as_ref().is_none_or(|w| w[at] > 0.0);
        let (pooling, head) = state.params.split_at(self.layout.pooling());
        let network = Network::new(level, shape, pooling);
        let dropout = Dropout::new(self.spec.dropout, problem.seed, 0, state.steps);
        let n = positions.len();
        let drop = |at: usize| dropout.map(|dropout| (dropout, cohort.keys[at]));

        let mut left = self.kept_bytes;
        let mut passed: Vec<Option<(Pooled, Vec<Block>)>> = Vec::with_capacity(n);
        let mut score = vec![0f32; n];
        for at in 0..n {
            let mut kept = Vec::new();
            passed.push(None);
            if present(at) {
                let pooled = forward(bags, &network, level, bag(at), drop(at), &mut space.work, |block| {
                    let bytes = shape.kept_bytes(block.logits().len());
                    // The first blocks of a bag, so that those computed again follow one another.
                    if bytes > left {
                        left = 0;
                        return;
                    }
                    left -= bytes;
                    kept.push(std::mem::take(block));
                })?;
                score[at] = dot(head, pooled.z()) as f32;
                passed[at] = Some((pooled, kept));
            }
        }
        let mut slope = vec![0f32; n];
        let loss = cox_nll_at(
            level,
            cohort.order(),
            self.spec.ties,
            &score,
            weights.as_deref(),
            &mut slope,
            true,
            &mut space.cox,
        );
        let mut gradient = vec![0.0; self.layout.len()];
        let (of_pooling, of_head) = gradient.split_at_mut(self.layout.pooling());
        for (at, passed) in passed.into_iter().enumerate() {
            let Some((pooled, kept)) = passed.filter(|_| slope[at] != 0.0) else { continue };
            of_head.iter_mut().zip(pooled.z()).for_each(|(g, z)| *g += f64::from(slope[at]) * z);
            let pull: Vec<f32> = head.iter().map(|&w| slope[at] * w).collect();
            let (mut kept, mut first) = (kept.into_iter(), 0);
            bags.visit(bag(at), &mut |rows| {
                let mut block = match kept.next() {
                    Some(block) => {
                        network.load(rows, &mut space.work);
                        block
                    }
                    None => {
                        let mut block = std::mem::take(&mut space.block);
                        let dropout =
                            drop(at).map(|(dropout, patient)| TileDropout { dropout, patient, first });
                        network.forward(rows, dropout, &mut space.work, &mut block);
                        block
                    }
                };
                first += block.logits().len();
                network.backward(&mut space.work, &mut block, &pooled, &pull, dropout, of_pooling);
                space.block = block;
            })?;
        }
        let penalised =
            if self.spec.l2 > 0.0 { self.layout.penalised(self.spec.l2_scope) } else { Vec::new() };
        state.descend(level, &self.training, (self.spec.l2, &penalised), &mut gradient, anchor);
        Ok((loss.nll * loss.event_weight, loss.event_weight))
    }
}

/// Memory of steps, used again from block to block.
#[derive(Debug, Default)]
struct Space {
    work: Workspace,
    block: Block,
    cox: CoxScratch,
}

fn dot(head: &[f32], z: &[f64]) -> f64 {
    head.iter().zip(z).map(|(&w, z)| f64::from(w) * z).sum()
}

/// The vector of a bag; `done` sees each block and may take it.
fn forward<B: Bags>(
    bags: &B,
    network: &Network,
    level: Level,
    bag: usize,
    dropout: Option<(Dropout, u64)>,
    space: &mut Workspace,
    mut done: impl FnMut(&mut Block),
) -> Result<Pooled, B::Error> {
    let mut pooled = Pooled::new(network.shape());
    let mut block = Block::default();
    bags.visit(bag, &mut |rows| {
        let first = pooled.tiles();
        let dropout = dropout.map(|(dropout, patient)| TileDropout { dropout, patient, first });
        network.forward(rows, dropout, space, &mut block);
        pooled.add(level, space, &block);
        done(&mut block);
    })?;
    pooled.finish().ok_or(EmptyBag { bag }.into())
}

/// Log hazards of a network for bags, from its parameter vector, without dropout.
///
/// # Errors
/// If tiles cannot be read, or a bag has none.
///
/// # Panics
/// If `params` is not of the network's size.
pub fn predict<B: Bags>(
    spec: &Spec,
    params: &[f32],
    bags: &B,
    which: &[usize],
) -> Result<Vec<f64>, B::Error> {
    let level = Level::current();
    let (pooling, head) = params.split_at(Layout::new(spec.shape).pooling());
    let network = Network::new(level, spec.shape, pooling);
    let mut space = Workspace::default();
    let one = |&bag: &usize| {
        let pooled = forward(bags, &network, level, bag, None, &mut space, |_| ())?;
        Ok(f64::from(dot(head, pooled.z()) as f32))
    };
    which.iter().map(one).collect()
}

/// The log hazard of a bag and the attention of each of its tiles, which add up to 1.
///
/// # Errors
/// If tiles cannot be read, or the bag has none.
///
/// # Panics
/// If `params` is not of the network's size.
pub fn attention<B: Bags>(
    spec: &Spec,
    params: &[f32],
    bags: &B,
    bag: usize,
) -> Result<(f64, Vec<f64>), B::Error> {
    let level = Level::current();
    let (pooling, head) = params.split_at(Layout::new(spec.shape).pooling());
    let network = Network::new(level, spec.shape, pooling);
    let mut logits = Vec::new();
    let mut space = Workspace::default();
    let pooled = forward(bags, &network, level, bag, None, &mut space, |block| {
        logits.extend_from_slice(block.logits());
    })?;
    Ok((f64::from(dot(head, pooled.z()) as f32), pooled.attention(&logits)))
}
