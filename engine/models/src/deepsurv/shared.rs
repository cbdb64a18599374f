//! Training on patients who are spread over sites, as if they were in one place.
//!
//! One step: each participant computes the log-risks of its own patients; the sums over risk sets
//! are added over all ([`crate::exact::sums`]); each forms d loss / d log-risk of its patients from
//! the totals and goes back through the network; the gradients of the parameters are added over all,
//! and each takes the same step of the optimiser. A step costs four maxima and three sums.
//!
//! Every term of a sum over patients depends on that patient and the agreed numbers alone, and every
//! such sum is free of order (exact, or on an agreed [`Grid`]). So the parameters have the same bits
//! for any spread of the patients over participants. Dropout is keyed by patient, and so are the
//! mini-batches.

use osteon_core::reduce::{key, number};
use osteon_core::rng::{Purpose, philox, stream_key};
use osteon_core::{ExactSum, Reduce};
use osteon_kernels::ops::linear::{BLOCK_TILES, Grid, Produced, weight_sums};
use osteon_kernels::simd::LANES;
use osteon_kernels::tiles::{Lane, tiles_for};
use rayon::prelude::*;

use super::Batch;
use super::batch::Run;
use super::fused::{Network, StepInput, Workspace, transpose};
use super::layout::LayerAt;
use crate::cohort::Cohort;
use crate::cox::CoxError;
use crate::cox::likelihood::Likelihood;
use crate::cox::risk_sets::{EventTime, Outcome, RiskSets};
use crate::exact::SharedTimes;
use crate::exact::sums::{Part, risk_sums, risks};

/// Accumulators of one collective; each takes half a kilobyte.
const ACCUMULATORS: usize = 1 << 17;
/// Problems of one collective at most: their activations are in memory together.
const TOGETHER: usize = 16;

const NOT_A_NUMBER: CoxError = CoxError::Numerical("a log-risk is not a number: the training diverged");

/// The patients held here among the event times of all participants.
#[derive(Debug, Clone)]
pub struct SharedOutcome {
    /// Outcome in the risk order of the cohort, times grouped.
    time: Vec<f64>,
    event: Vec<bool>,
    entry: Option<Vec<f64>>,
    strata: Option<Vec<u32>>,
    times: Vec<EventTime>,
    /// All patients held here.
    sets: RiskSets,
    /// Patients of all participants.
    patients: u64,
}

impl SharedOutcome {
    /// Places the patients of a cohort among shared times. `outcome` follows the table's rows.
    ///
    /// # Errors
    /// If a participant is lost.
    pub fn new(
        cohort: &Cohort,
        outcome: &Outcome<'_>,
        times: &SharedTimes,
        reduce: &dyn Reduce,
    ) -> Result<Self, CoxError> {
        let (time, entry) = times.group(outcome);
        let mut patients = [cohort.len() as u64];
        reduce.count(&mut patients)?;
        let mut shared = Self {
            time: cohort.to_risk_order(&time),
            event: cohort.to_risk_order(outcome.event),
            entry: entry.map(|e| cohort.to_risk_order(&e)),
            strata: outcome.strata.map(|s| cohort.to_risk_order(s)),
            times: times.times.clone(),
            sets: RiskSets::new(
                &Outcome { time: &[], event: &[], entry: None, strata: None, weights: None },
                Vec::new(),
            ),
            patients: patients[0],
        };
        shared.sets = shared.sets_of(None);
        Ok(shared)
    }

    /// The risk sets of the patients at these positions of risk order, or of all.
    fn sets_of(&self, positions: Option<&[u32]>) -> RiskSets {
        fn pick<T: Copy>(all: &[T], positions: Option<&[u32]>) -> Vec<T> {
            positions.map_or_else(|| all.to_vec(), |p| p.iter().map(|&p| all[p as usize]).collect())
        }
        let (time, event) = (pick(&self.time, positions), pick(&self.event, positions));
        let entry = self.entry.as_ref().map(|e| pick(e, positions));
        let strata = self.strata.as_ref().map(|s| pick(s, positions));
        let outcome = Outcome {
            time: &time,
            event: &event,
            entry: entry.as_deref(),
            strata: strata.as_deref(),
            weights: None,
        };
        RiskSets::new(&outcome, self.times.clone())
    }
}

/// What one step works on, and how its sums are made.
struct Step<'s> {
    cohort: &'s Cohort,
    sets: &'s RiskSets,
    /// Positions of the step's patients in the cohort's risk order; `None` for all.
    positions: Option<&'s [u32]>,
    patients: u64,
    weighted: bool,
}

/// One problem within a step.
struct Pass {
    ws: Workspace,
    /// Case weights and log-risks in the order of the risk sets' rows.
    weight: Vec<f64>,
    log_risk: Vec<f64>,
}

impl Batch {
    /// Trains all problems for `epochs` on the patients of all participants and returns the mean loss
    /// per unit of event weight of each problem's last epoch. All problems share one cohort: the
    /// patients held here, maybe none. A mini-batch holds each patient with equal chance; its size
    /// varies about [`super::Training::batch_size`].
    ///
    /// # Errors
    /// On all participants: the training diverged; log-risks of one risk set more than about 700
    /// apart; a participant is lost.
    ///
    /// # Panics
    /// If the network normalises batches, or problems have different cohorts.
    pub fn train_shared(
        &mut self,
        outcome: &SharedOutcome,
        epochs: u64,
        reduce: &dyn Reduce,
    ) -> Result<Vec<f64>, CoxError> {
        assert!(!self.spec.batch_norm, "batch-norm statistics are not summed over participants");
        let cohort = self.problems[0].cohort.clone();
        assert!(self.problems.iter().all(|p| p.cohort.len() == cohort.len()), "one cohort for all problems");
        let any =
            self.problems.iter().flat_map(|p| p.weights.iter().flatten()).any(|&w| w != 0.0 && w != 1.0);
        let mut weighted = [u64::from(any)];
        reduce.max(&mut weighted)?;
        let weighted = weighted[0] == 1;
        let per_problem = 3 * outcome.times.len() + 1;
        let together = (ACCUMULATORS / per_problem).clamp(1, TOGETHER);
        let batches = match self.training.batch_size {
            Some(size) => outcome.patients.div_ceil(size.max(1) as u64).max(1),
            None => 1,
        };
        let mut losses = vec![0.0; self.problems.len()];
        for _ in 0..epochs {
            for first in (0..self.problems.len()).step_by(together) {
                let which = first..(first + together).min(self.problems.len());
                let mut total = vec![(0.0, 0.0); which.len()];
                let patients = outcome.patients;
                let mut add = |step: Vec<(f64, f64)>| {
                    total.iter_mut().zip(step).for_each(|(t, s)| *t = (t.0 + s.0, t.1 + s.1));
                };
                if batches == 1 {
                    let (sets, positions) = (&outcome.sets, None);
                    let step = Step { cohort: &cohort, sets, positions, patients, weighted };
                    add(self.shared_step(which.clone(), &step, reduce)?);
                } else {
                    // Batches differ between problems, so each takes its own.
                    for problem in which.clone() {
                        let drawn = self.shared_batches(problem, &cohort, batches);
                        for positions in &drawn {
                            let part = cohort.gather(positions);
                            let sets = outcome.sets_of(Some(positions));
                            let (cohort, sets, positions) = (&part, &sets, Some(positions.as_slice()));
                            let step = Step { cohort, sets, positions, patients, weighted };
                            let one = self.shared_step(problem..problem + 1, &step, reduce)?[0];
                            let mut padded = vec![(0.0, 0.0); which.len()];
                            padded[problem - which.start] = one;
                            add(padded);
                        }
                    }
                }
                for (problem, (nll, events)) in which.zip(total) {
                    self.states[problem].epochs += 1;
                    losses[problem] = if events > 0.0 { nll / events } else { 0.0 };
                }
            }
        }
        Ok(losses)
    }

    /// Positions of the patients held here in each mini-batch of a problem's current epoch. Keyed by
    /// patient, so that a patient's batch does not depend on where the patient is held.
    fn shared_batches(&self, problem: usize, cohort: &Cohort, batches: u64) -> Vec<Vec<u32>> {
        let (seed, epoch) = (self.problems[problem].seed, self.states[problem].epochs);
        let stream = stream_key(seed, Purpose::Batch, epoch);
        let mut drawn = vec![Vec::new(); batches as usize];
        for (position, &patient) in cohort.keys.iter().enumerate() {
            let words = philox([patient as u32, (patient >> 32) as u32, 0, 0], stream);
            let uniform = u64::from(words[0]) | u64::from(words[1]) << 32;
            let batch = (u128::from(uniform) * u128::from(batches)) >> 64;
            drawn[batch as usize].push(position as u32);
        }
        drawn
    }

    /// One step of the optimiser of each of these problems; gives summed loss and event weight.
    fn shared_step(
        &mut self,
        which: std::ops::Range<usize>,
        step: &Step<'_>,
        reduce: &dyn Reduce,
    ) -> Result<Vec<(f64, f64)>, CoxError> {
        let passes: Vec<Pass> = which.clone().into_par_iter().map(|k| self.shared_forward(k, step)).collect();
        let shifts = shifts(&passes, reduce)?;
        let risk: Vec<Vec<f64>> =
            passes.iter().zip(&shifts).map(|(p, &shift)| risks(&p.weight, &p.log_risk, shift)).collect();
        let mut parts = Vec::with_capacity(passes.len());
        for ((Pass { weight, log_risk, .. }, risk), &shift) in passes.iter().zip(&risk).zip(&shifts) {
            parts.push(Part { sets: step.sets, weight, x: &[], features: 0, log_risk, risk, shift });
        }
        let ties = self.spec.ties;
        let sums = risk_sums(&parts, ties, step.weighted, reduce)?;
        let mut losses = Vec::with_capacity(sums.len());
        let mut slopes = Vec::with_capacity(sums.len());
        for ((pass, risk), sums) in passes.iter().zip(&risk).zip(&sums) {
            let likelihood = Likelihood::from_sums(sums, ties).ok_or(CoxError::Numerical(
                "the log-risks of a risk set differ by more than numbers can hold (about 700)",
            ))?;
            let events: f64 = sums.w.iter().sum();
            losses.push((-likelihood.value, events));
            let expected = likelihood.expected_events(step.sets, risk);
            slopes.push(slope(step, &pass.weight, &expected, events));
        }
        let gradients = self.shared_backward(which.clone(), step, &passes, slopes, reduce)?;
        for ((problem, pass), mut gradient) in which.zip(passes).zip(gradients) {
            let Self { spec, training, layout, level, problems, states, .. } = self;
            let network = Network { spec, layout, level: *level, parallel: true };
            let run = Run { network, training, privacy: None, index: problem, problem: &problems[problem] };
            run.descend(&mut states[problem], &mut gradient, None);
            if let Ok(mut spaces) = self.spaces.lock() {
                spaces.push(pass.ws);
            }
        }
        Ok(losses)
    }

    fn network(&self) -> Network<'_> {
        Network { spec: &self.spec, layout: &self.layout, level: self.level, parallel: true }
    }

    fn shared_forward(&self, problem: usize, step: &Step<'_>) -> Pass {
        let n = step.cohort.len();
        let (of, state) = (&self.problems[problem], &self.states[problem]);
        let mut ws = self.spaces.lock().ok().and_then(|mut s| s.pop()).unwrap_or_default();
        ws.layers.resize_with(self.layout.layers.len(), Default::default);
        // Case weights matter to the loss only.
        let input = StepInput { cohort: step.cohort, weights: None, seed: of.seed, step: state.steps };
        if n > 0 {
            self.network().forward(&mut state.params.clone(), input, tiles_for(n), &mut ws);
        }
        let last = &ws.layers[self.layout.layers.len() - 1].y;
        let score = |row: u32| f64::from(last[row as usize / LANES].0[row as usize % LANES]);
        let weight = |row: u32| {
            let row = step.positions.map_or(row, |p| p[row as usize]) as usize;
            of.weights.as_ref().map_or(1.0, |w| f64::from(w[row]))
        };
        Pass {
            weight: step.sets.rows.iter().map(|&row| weight(row)).collect(),
            log_risk: step.sets.rows.iter().map(|&row| score(row)).collect(),
            ws,
        }
    }

    /// Gradients of the parameters `[P]` of each problem, summed over all participants.
    fn shared_backward(
        &self,
        which: std::ops::Range<usize>,
        step: &Step<'_>,
        passes: &[Pass],
        slopes: Vec<Vec<Lane>>,
        reduce: &dyn Reduce,
    ) -> Result<Vec<Vec<f64>>, CoxError> {
        let network = self.network();
        let layers = &self.layout.layers;
        let jobs: Vec<(usize, &Pass, Vec<Lane>)> =
            which.zip(passes).zip(slopes).map(|((k, pass), slope)| (k, pass, slope)).collect();
        let deltas: Vec<Vec<Vec<Lane>>> = jobs
            .into_par_iter()
            .map(|(k, pass, slope)| backward(network, &self.states[k].params, &pass.ws, slope))
            .collect();
        let n = step.cohort.len();
        let mut bounds: Vec<u64> = Vec::new();
        for (pass, deltas) in passes.iter().zip(&deltas) {
            for (l, layer) in layers.iter().enumerate() {
                bounds.push(greatest(input_of(step, &pass.ws, l), layer.inputs, n));
                bounds.push(greatest(&deltas[l], layer.outputs, n));
            }
        }
        reduce.max(&mut bounds)?;
        let mut grids = Vec::with_capacity(bounds.len() / 2);
        for pair in bounds.chunks_exact(2) {
            let [x, d] = [pair[0], pair[1]].map(|b| f64::from(f32::from_bits(b as u32)));
            match (Grid::new(x * d, step.patients), Grid::new(d, step.patients)) {
                (Some(weights), Some(biases)) => grids.push([weights, biases]),
                _ => return Err(NOT_A_NUMBER),
            }
        }
        let mut gradients = Vec::with_capacity(passes.len());
        for ((pass, deltas), grids) in passes.iter().zip(&deltas).zip(grids.chunks_exact(layers.len())) {
            let mut gradient = vec![0.0; self.layout.trainable()];
            for (l, &LayerAt { inputs, outputs, w, .. }) in layers.iter().enumerate() {
                let x = input_of(step, &pass.ws, l).par_chunks(inputs * BLOCK_TILES);
                let width = inputs * outputs + outputs;
                let zero = || vec![0.0; width];
                // On the grid any order of additions gives the same sum.
                let sums =
                    x.zip(deltas[l].par_chunks(outputs * BLOCK_TILES)).fold(zero, |mut sums, (x, dz)| {
                        weight_sums(self.level, (inputs, outputs), x, dz, grids[l], &mut sums);
                        sums
                    });
                let total = sums.reduce(zero, |mut a, b| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    a
                });
                gradient[w..w + width].copy_from_slice(&total);
            }
            gradients.push(gradient);
        }
        for gradient in &mut gradients {
            for piece in gradient.chunks_mut(ACCUMULATORS) {
                let mut sums = vec![ExactSum::new(); piece.len()];
                sums.iter_mut().zip(&*piece).for_each(|(sum, &g)| sum.add(g));
                reduce.sum(&mut sums)?;
                piece.iter_mut().zip(&sums).for_each(|(g, sum)| *g = sum.value().unwrap_or(f64::NAN));
            }
        }
        Ok(gradients)
    }
}

/// The greatest log-risk of each problem over all participants.
fn shifts(passes: &[Pass], reduce: &dyn Reduce) -> Result<Vec<f64>, CoxError> {
    let present = |pass: &Pass| {
        let rows = pass.log_risk.iter().zip(&pass.weight).filter(|(_, w)| **w > 0.0);
        // A number that is none counts as the greatest of all.
        rows.map(|(&h, _)| if h.is_finite() { key(h) } else { u64::MAX }).max().unwrap_or(0)
    };
    let mut greatest: Vec<u64> = passes.iter().map(present).collect();
    reduce.max(&mut greatest)?;
    let shift = |key: u64| match key {
        0 => Ok(0.0),
        u64::MAX => Err(NOT_A_NUMBER),
        key => Ok(number(key)),
    };
    greatest.into_iter().map(shift).collect()
}

/// d loss / d log-risk of the step's patients, per unit of event weight, as lanes.
fn slope(step: &Step<'_>, weight: &[f64], expected: &[f64], events: f64) -> Vec<Lane> {
    let scale = if events > 0.0 { 1.0 / events } else { 0.0 };
    let mut lanes = vec![Lane::ZERO; tiles_for(step.cohort.len())];
    for (p, &row) in step.sets.rows.iter().enumerate() {
        let seen = if step.sets.event[p] { weight[p] } else { 0.0 };
        lanes[row as usize / LANES].0[row as usize % LANES] = (scale * (expected[p] - seen)) as f32;
    }
    lanes
}

/// d loss / d pre-activation of every layer, `[T, O, 16]`.
fn backward(network: Network<'_>, params: &[f32], ws: &Workspace, slope: Vec<Lane>) -> Vec<Vec<Lane>> {
    let layers = &network.layout.layers;
    let mut deltas = vec![slope];
    let mut transposed = Vec::new();
    for (l, &LayerAt { inputs, outputs, w, .. }) in layers.iter().enumerate().skip(1).rev() {
        let dz = &deltas[deltas.len() - 1];
        transpose(&params[w..w + inputs * outputs], outputs, inputs, &mut transposed);
        let mut dx = vec![Lane::ZERO; dz.len() / outputs * inputs];
        let space = &ws.layers[l - 1];
        let kept = (!space.kept.is_empty()).then_some((space.kept.as_slice(), space.keep));
        // The workspace may be of a larger step.
        let output = &space.y[..dx.len()];
        let produced = Produced { activation: network.activation(l - 1), output, kept };
        network.input_gradient(&transposed, inputs, outputs, dz, produced, &mut dx);
        deltas.push(dx);
    }
    deltas.reverse();
    deltas
}

fn input_of<'i>(step: &Step<'i>, ws: &'i Workspace, layer: usize) -> &'i [Lane] {
    match layer.checked_sub(1) {
        None => &step.cohort.x,
        Some(before) if step.cohort.is_empty() => &ws.layers[before].y[..0],
        Some(before) => &ws.layers[before].y,
    }
}

/// Bits of the greatest magnitude among the `n` patients; those of magnitudes have their order. The
/// lanes that pad the last tile are no patients.
fn greatest(lanes: &[Lane], width: usize, n: usize) -> u64 {
    let tile = |(t, tile): (usize, &[Lane])| {
        let here = (n - (t * LANES).min(n)).min(LANES);
        let lanes = tile.iter().flat_map(|lane| &lane.0[..here]);
        lanes.map(|x| x.abs().to_bits()).max().unwrap_or(0)
    };
    lanes.chunks(width).enumerate().map(tile).max().map_or(0, u64::from)
}
