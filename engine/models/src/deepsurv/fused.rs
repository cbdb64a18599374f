//! One training step of one problem, fused: the op list of [`super::op_list`] with each
//! `linear -> activation -> dropout` run as a single kernel.

use osteon_kernels::ops::batch_norm::{self, MOMENTUM};
use osteon_kernels::ops::cox_nll::{CoxLoss, CoxScratch, cox_nll_at};
use osteon_kernels::ops::dropout::Dropout;
use osteon_kernels::ops::linear::{self, BLOCK_TILES, Epilogue, Produced, Weights};
use osteon_kernels::ops::moments::{Statistics, statistics};
use osteon_kernels::simd::{LANES, Level};
use osteon_kernels::tiles::{Lane, tiles_for};
use rayon::prelude::*;

use super::layout::LayerAt;
use super::{Layout, Spec};
use crate::cohort::Cohort;

/// What one step works on.
#[derive(Clone, Copy)]
pub(super) struct StepInput<'a> {
    pub cohort: &'a Cohort,
    /// Case weights in risk order.
    pub weights: Option<&'a [f32]>,
    /// Seed of the problem and its step, which key the dropout.
    pub seed: u64,
    pub step: u64,
}

#[derive(Debug, Default)]
pub(super) struct LayerSpace {
    /// Output after nonlinearity and dropout, `[T, O, 16]`.
    pub y: Vec<Lane>,
    /// Units that dropout kept, `[T, O]`.
    pub kept: Vec<u16>,
    /// Keep probability; 1 without dropout.
    pub keep: f64,
    /// Normalised pre-activation and its statistics.
    normal: Vec<Lane>,
    statistics: Statistics,
    transposed: Vec<f32>,
}

/// Buffers of a step, reused from step to step.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(super) layers: Vec<LayerSpace>,
    d: [Vec<Lane>; 2],
    sums: Vec<f32>,
    case_weight: Vec<Lane>,
    score: Vec<f32>,
    dscore: Vec<f32>,
    cox: CoxScratch,
    /// Gradient of the last step, `[P]`, in f64.
    pub(super) gradient: Vec<f64>,
}

/// Fixed choices of a run of steps.
#[derive(Clone, Copy)]
pub(super) struct Network<'a> {
    pub spec: &'a Spec,
    pub layout: &'a Layout,
    pub level: Level,
    /// Spread the blocks of a layer over threads; the bits stay the same.
    pub parallel: bool,
}

impl Network<'_> {
    fn weights<'p>(&self, layer: LayerAt, params: &'p [f32]) -> Weights<'p> {
        let LayerAt { inputs, outputs, w, b, .. } = layer;
        Weights { w: &params[w..w + inputs * outputs], b: &params[b..b + outputs], inputs, outputs }
    }

    /// Log hazards of all patients of `x` (`[T, F, 16]`), without dropout; `[T, 1, 16]`.
    pub fn predict(&self, params: &[f32], x: &[Lane]) -> Vec<Lane> {
        let mut current = Vec::new();
        for (l, &layer) in self.layout.layers.iter().enumerate() {
            let input = if l == 0 { x } else { &current };
            let mut y = vec![Lane::ZERO; input.len() / layer.inputs * layer.outputs];
            let weights = self.weights(layer, params);
            let activation = self.activation(l);
            let epilogue = Epilogue { activation, dropout: None };
            let direct = if layer.norm.is_some() { Epilogue::NONE } else { epilogue };
            self.layer_forward(weights, direct, input, &mut y, &mut []);
            if let Some(norm) = layer.norm {
                let h = layer.outputs;
                let at = |offset: usize| &params[offset..offset + h];
                let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect();
                let running = Statistics { mean: wide(at(norm.mean)), var: wide(at(norm.var)) };
                let mut normal = y.clone();
                batch_norm::forward(
                    self.level,
                    &running,
                    at(norm.scale),
                    at(norm.shift),
                    &mut y,
                    &mut normal,
                );
                linear::apply_epilogue(self.level, h, epilogue, &mut y, &mut []);
            }
            current = y;
        }
        current
    }

    pub fn activation(&self, layer: usize) -> osteon_kernels::ops::activation::Activation {
        use osteon_kernels::ops::activation::Activation;
        if layer < self.spec.hidden.len() { self.spec.activation } else { Activation::Identity }
    }

    /// A layer over all tiles, block by block.
    fn layer_forward(
        &self,
        weights: Weights,
        epilogue: Epilogue,
        x: &[Lane],
        y: &mut [Lane],
        kept: &mut [u16],
    ) {
        let (inputs, outputs) = (weights.inputs * BLOCK_TILES, weights.outputs * BLOCK_TILES);
        let one = |block: usize, x: &[Lane], y: &mut [Lane], kept: &mut [u16]| {
            let first = block * BLOCK_TILES;
            let dropout = epilogue.dropout.map(|(d, p)| (d, &p[first..first + y.len() / weights.outputs]));
            linear::forward(self.level, weights, Epilogue { dropout, ..epilogue }, x, y, kept);
        };
        if !self.parallel {
            return one(0, x, y, kept);
        }
        if epilogue.dropout.is_some() {
            let blocks =
                x.par_chunks(inputs).zip(y.par_chunks_mut(outputs)).zip(kept.par_chunks_mut(outputs));
            blocks.enumerate().for_each(|(block, ((x, y), kept))| one(block, x, y, kept));
        } else {
            let blocks = x.par_chunks(inputs).zip(y.par_chunks_mut(outputs));
            blocks.enumerate().for_each(|(block, (x, y))| one(block, x, y, &mut []));
        }
    }

    /// Loss and gradient of the partial likelihood per unit of event weight; updates the running
    /// statistics of batch norm in `params`. The gradient is left in the workspace.
    pub fn step(&self, params: &mut [f32], input: StepInput, ws: &mut Workspace) -> CoxLoss {
        let n = input.cohort.len();
        let tiles = tiles_for(n);
        ws.layers.resize_with(self.layout.layers.len(), LayerSpace::default);
        ws.gradient.clear();
        ws.gradient.resize(self.layout.trainable(), 0.0);
        if self.spec.batch_norm {
            fill_case_weight(&mut ws.case_weight, input.weights, n);
        }
        self.forward(params, input, tiles, ws);

        let last = ws.layers.len() - 1;
        ws.score.clear();
        ws.score.extend(ws.layers[last].y.iter().flat_map(|lane| lane.0).take(n));
        ws.dscore.clear();
        ws.dscore.resize(n, 0.0);
        let order = input.cohort.order();
        let loss = cox_nll_at(
            self.level,
            order,
            self.spec.ties,
            &ws.score,
            input.weights,
            &mut ws.dscore,
            true,
            &mut ws.cox,
        );
        ws.d[0].clear();
        ws.d[0].resize(tiles, Lane::ZERO);
        for (i, &d) in ws.dscore.iter().enumerate() {
            ws.d[0][i / LANES].0[i % LANES] = d;
        }
        self.backward(params, input, ws);
        loss
    }

    pub fn forward(&self, params: &mut [f32], input: StepInput, tiles: usize, ws: &mut Workspace) {
        for (l, &layer) in self.layout.layers.iter().enumerate() {
            let (before, rest) = ws.layers.split_at_mut(l);
            let space = &mut rest[0];
            let x = before.last().map_or(&input.cohort.x, |b| &b.y);
            // Grown, never cleared: every lane is written.
            space.y.resize(tiles * layer.outputs, Lane::ZERO);
            let hidden = l < self.spec.hidden.len();
            let rate = if hidden { self.spec.dropout } else { 0.0 };
            let dropout = Dropout::new(rate, input.seed, l, input.step);
            space.keep = dropout.map_or(1.0, |d| d.keep());
            space.kept.resize(if dropout.is_some() { space.y.len() } else { 0 }, 0);
            let patients = input.cohort.patients.as_slice();
            let epilogue =
                Epilogue { activation: self.activation(l), dropout: dropout.map(|d| (d, patients)) };
            let weights = self.weights(layer, params);
            let Some(norm) = layer.norm else {
                self.layer_forward(weights, epilogue, x, &mut space.y, &mut space.kept);
                continue;
            };
            self.layer_forward(weights, Epilogue::NONE, x, &mut space.y, &mut []);
            let (h, total) = (layer.outputs, case_weight_total(input.weights, input.cohort.len()));
            space.normal.resize(space.y.len(), Lane::ZERO);
            space.statistics = statistics(self.level, h, &space.y, &ws.case_weight, total);
            let (scale, shift) = (&params[norm.scale..norm.scale + h], &params[norm.shift..norm.shift + h]);
            batch_norm::forward(self.level, &space.statistics, scale, shift, &mut space.y, &mut space.normal);
            linear::apply_epilogue(self.level, h, epilogue, &mut space.y, &mut space.kept);
            for j in 0..h {
                let blend = |running: f32, new: f64| {
                    (f64::from(running) + MOMENTUM * (new - f64::from(running))) as f32
                };
                params[norm.mean + j] = blend(params[norm.mean + j], space.statistics.mean[j]);
                params[norm.var + j] = blend(params[norm.var + j], space.statistics.var[j]);
            }
        }
    }

    fn backward(&self, params: &[f32], input: StepInput, ws: &mut Workspace) {
        let Workspace { layers, d, sums, case_weight, gradient, .. } = ws;
        let [d, next] = d;
        for (l, &layer) in self.layout.layers.iter().enumerate().rev() {
            let LayerAt { inputs, outputs, w, .. } = layer;
            if let Some(norm) = layer.norm {
                let space = &layers[l];
                let total = case_weight_total(input.weights, input.cohort.len());
                let scale = &params[norm.scale..norm.scale + outputs];
                let (dscale, dshift) = batch_norm::backward(
                    self.level,
                    &space.statistics,
                    scale,
                    case_weight,
                    total,
                    &space.normal,
                    d,
                );
                gradient[norm.scale..norm.scale + outputs].copy_from_slice(&dscale);
                gradient[norm.shift..norm.shift + outputs].copy_from_slice(&dshift);
            }
            let x = if l == 0 { &input.cohort.x } else { &layers[l - 1].y };
            // The bias follows the weights in the layout, as in the sums.
            let target = &mut gradient[w..w + inputs * outputs + outputs];
            self.weight_gradient(inputs, outputs, x, d, sums, target);
            if l == 0 {
                break;
            }
            let mut transposed = std::mem::take(&mut layers[l].transposed);
            transpose(&params[w..w + inputs * outputs], outputs, inputs, &mut transposed);
            next.resize(d.len() / outputs * inputs, Lane::ZERO);
            let space = &layers[l - 1];
            let kept = (!space.kept.is_empty()).then_some((space.kept.as_slice(), space.keep));
            let produced = Produced { activation: self.activation(l - 1), output: &space.y, kept };
            self.input_gradient(&transposed, inputs, outputs, d, produced, next);
            layers[l].transposed = transposed;
            std::mem::swap(d, next);
        }
    }

    fn weight_gradient(
        &self,
        inputs: usize,
        outputs: usize,
        x: &[Lane],
        dz: &[Lane],
        sums: &mut Vec<f32>,
        target: &mut [f64],
    ) {
        let (width, bx, bz) = (target.len(), inputs * BLOCK_TILES, outputs * BLOCK_TILES);
        sums.resize(width * x.len().div_ceil(bx), 0.0);
        let one = |(x, (dz, sums)): (&[Lane], (&[Lane], &mut [f32]))| {
            linear::backward_weight(self.level, inputs, outputs, x, dz, sums);
        };
        if self.parallel {
            x.par_chunks(bx).zip(dz.par_chunks(bz).zip(sums.par_chunks_mut(width))).for_each(one);
        } else {
            x.chunks(bx).zip(dz.chunks(bz).zip(sums.chunks_mut(width))).for_each(one);
        }
        for block in sums.chunks(width) {
            target.iter_mut().zip(block).for_each(|(t, &s)| *t += f64::from(s));
        }
    }

    pub fn input_gradient(
        &self,
        transposed: &[f32],
        inputs: usize,
        outputs: usize,
        dz: &[Lane],
        produced: Produced,
        dx: &mut [Lane],
    ) {
        let block = inputs * BLOCK_TILES;
        let one = |(b, (dz, dx)): (usize, (&[Lane], &mut [Lane]))| {
            let range = b * block..b * block + dx.len();
            let kept = produced.kept.map(|(kept, keep)| (&kept[range.clone()], keep));
            let produced = Produced { output: &produced.output[range.clone()], kept, ..produced };
            linear::backward_input(self.level, transposed, inputs, outputs, dz, Some(produced), dx);
        };
        if self.parallel {
            dz.par_chunks(outputs * BLOCK_TILES).zip(dx.par_chunks_mut(block)).enumerate().for_each(one);
        } else {
            dz.chunks(outputs * BLOCK_TILES).zip(dx.chunks_mut(block)).enumerate().for_each(one);
        }
    }
}

pub(super) fn transpose(w: &[f32], rows: usize, columns: usize, out: &mut Vec<f32>) {
    out.resize(w.len(), 0.0);
    for r in 0..rows {
        for c in 0..columns {
            out[c * rows + r] = w[r * columns + c];
        }
    }
}

/// Case weights as lanes; 0 for padding, so that it counts nowhere.
fn fill_case_weight(lanes: &mut Vec<Lane>, weights: Option<&[f32]>, n: usize) {
    lanes.clear();
    lanes.resize(tiles_for(n), Lane::ZERO);
    for i in 0..n {
        lanes[i / LANES].0[i % LANES] = weights.map_or(1.0, |w| w[i]);
    }
}

fn case_weight_total(weights: Option<&[f32]>, n: usize) -> f64 {
    weights.map_or(n as f64, |w| w.iter().map(|&w| f64::from(w)).sum())
}
