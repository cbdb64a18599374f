//! What is done to the matrices of a block besides products.

use rayon::prelude::*;

use super::products::{CHUNK, PANEL, Panels};
use crate::simd::math::exp_nonpositive;
use crate::simd::{Kernel, LANES, Level, Simd, run_on};

/// Vectors of a panel's row.
const VECTORS: usize = PANEL / LANES;

struct Logits<'a> {
    gates: &'a Panels,
    attention: &'a [f32],
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for Logits<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let panels = self.attention.len() / PANEL;
        for (t, out) in self.out.iter_mut().enumerate() {
            let mut acc = s.splat(0.0);
            for panel in 0..panels {
                let row = |p: usize| &self.gates.panel(p)[(self.first + t) * PANEL..][..PANEL];
                let (v, u) = (row(panel), row(panels + panel));
                let a = &self.attention[panel * PANEL..][..PANEL];
                for k in (0..PANEL).step_by(LANES) {
                    // SAFETY: each of the three holds 64 values.
                    unsafe {
                        let gate = s.mul(s.load(v.as_ptr().add(k)), s.load(u.as_ptr().add(k)));
                        acc = s.fma(s.load(a.as_ptr().add(k)), gate, acc);
                    }
                }
            }
            *out = s.sum(acc);
        }
    }
}

/// `a . (v * u)` of each tile.
pub(super) fn logits(level: Level, gates: &Panels, attention: &[f32], out: &mut [f32]) {
    let chunks = out.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(|(k, out)| run_on(level, Logits { gates, attention, first: k * CHUNK, out }));
}

struct Soften<'a> {
    logits: &'a [f32],
    max: f32,
    scale: f32,
    out: &'a mut [f32],
}

impl Kernel for Soften<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (max, scale) = (s.splat(self.max), s.splat(self.scale));
        for (logits, out) in self.logits.chunks(LANES).zip(self.out.chunks_mut(LANES)) {
            let mut lanes = [self.max; LANES];
            lanes[..logits.len()].copy_from_slice(logits);
            // SAFETY: an array of 16 values.
            unsafe {
                let x = s.sub(s.load(lanes.as_ptr()), max);
                s.store(lanes.as_mut_ptr(), s.mul(exp_nonpositive(s, x), scale));
            }
            out.copy_from_slice(&lanes[..out.len()]);
        }
    }
}

/// `exp(logit - max) / sum`.
pub(super) fn soften(level: Level, logits: &[f32], max: f32, sum: f64, out: &mut [f32]) {
    run_on(level, Soften { logits, max, scale: (1.0 / sum) as f32, out });
}

struct Attend<'a> {
    h: &'a Panels,
    pull: &'a [f32],
    weight: &'a [f32],
    mean: f32,
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for Attend<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (t, (out, weight)) in self.out.iter_mut().zip(self.weight).enumerate() {
            let mut acc = s.splat(0.0);
            for (panel, pull) in self.pull.chunks_exact(PANEL).enumerate() {
                let h = &self.h.panel(panel)[(self.first + t) * PANEL..][..PANEL];
                for k in (0..PANEL).step_by(LANES) {
                    // SAFETY: both hold 64 values.
                    unsafe { acc = s.fma(s.load(pull.as_ptr().add(k)), s.load(h.as_ptr().add(k)), acc) };
                }
            }
            *out = weight * (s.sum(acc) - self.mean);
        }
    }
}

/// Loss per unit of logit, `p_t (pull . h_t - mean)`.
pub(super) fn attend(level: Level, h: &Panels, pull: &[f32], weight: &[f32], mean: f32, out: &mut [f32]) {
    let chunks = out.par_chunks_mut(CHUNK).zip(weight.par_chunks(CHUNK)).enumerate();
    chunks.for_each(|(k, (out, weight))| {
        run_on(level, Attend { h, pull, weight, mean, first: k * CHUNK, out });
    });
}

struct GatesBackward<'a> {
    slope: &'a [f32],
    attention: &'a [f32],
    v: &'a mut [f32],
    u: &'a mut [f32],
    /// Sums over tiles of a panel: attention and both biases.
    sums: [&'a mut [f32]; 3],
}

impl Kernel for GatesBackward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let one = s.splat(1.0);
        // SAFETY: rows of panels, panels of sums and the attention's hold 64 values.
        unsafe {
            let a: [S::F; VECTORS] = std::array::from_fn(|k| s.load(self.attention.as_ptr().add(k * LANES)));
            let mut sums = [[s.splat(0.0); VECTORS]; 3];
            let rows = self.v.chunks_exact_mut(PANEL).zip(self.u.chunks_exact_mut(PANEL));
            for ((v, u), &slope) in rows.zip(self.slope) {
                let slope = s.splat(slope);
                for k in 0..VECTORS {
                    let (v, u) = (v.as_mut_ptr().add(k * LANES), u.as_mut_ptr().add(k * LANES));
                    let (tanh, sigmoid) = (s.load(v), s.load(u));
                    let (gate, d) = (s.mul(tanh, sigmoid), s.mul(slope, a[k]));
                    let dv = s.mul(s.mul(d, sigmoid), s.sub(one, s.mul(tanh, tanh)));
                    let du = s.mul(s.mul(d, gate), s.sub(one, sigmoid));
                    sums[0][k] = s.fma(slope, gate, sums[0][k]);
                    sums[1][k] = s.add(sums[1][k], dv);
                    sums[2][k] = s.add(sums[2][k], du);
                    s.store(v, dv);
                    s.store(u, du);
                }
            }
            for (out, sums) in self.sums.into_iter().zip(sums) {
                for (k, sum) in sums.into_iter().enumerate() {
                    s.store(out.as_mut_ptr().add(k * LANES), sum);
                }
            }
        }
    }
}

/// Replaces gates by the loss per unit of what went into them; `sums` are of attention, and of both biases.
pub(super) fn gates_backward(
    level: Level,
    slope: &[f32],
    attention: &[f32],
    gates: &mut Panels,
    sums: &mut [f32],
) {
    let (half, rows) = (attention.len(), gates.rows());
    assert_eq!((slope.len(), sums.len()), (rows, 3 * half), "attention_pool: lengths");
    let (v, u) = gates.values_mut().split_at_mut(rows * half);
    let (da, rest) = sums.split_at_mut(half);
    let (dc, dd) = rest.split_at_mut(half);
    let panels = v.par_chunks_mut((rows * PANEL).max(1)).zip(u.par_chunks_mut((rows * PANEL).max(1)));
    let sums = da.par_chunks_mut(PANEL).zip(dc.par_chunks_mut(PANEL)).zip(dd.par_chunks_mut(PANEL));
    panels.zip(attention.par_chunks(PANEL)).zip(sums).for_each(|(((v, u), attention), ((da, dc), dd))| {
        run_on(level, GatesBackward { slope, attention, v, u, sums: [da, dc, dd] });
    });
}

struct WeightedSums<'a> {
    panel: &'a [f32],
    weight: Option<&'a [f32]>,
    sums: &'a mut [f32],
}

impl Kernel for WeightedSums<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut sums = [s.splat(0.0); VECTORS];
        for (t, row) in self.panel.chunks_exact(PANEL).enumerate() {
            let weight = s.splat(self.weight.map_or(1.0, |w| w[t]));
            for (k, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a row holds 64 values.
                *sum = s.fma(weight, unsafe { s.load(row.as_ptr().add(k * LANES)) }, *sum);
            }
        }
        for (sum, out) in sums.into_iter().zip(self.sums.chunks_exact_mut(LANES)) {
            // SAFETY: 16 values.
            unsafe { s.store(out.as_mut_ptr(), sum) };
        }
    }
}

/// `sum_t weight_t x_t`, or `sum_t x_t`.
pub(super) fn weighted_sums(level: Level, x: &Panels, weight: Option<&[f32]>, sums: &mut [f32]) {
    assert!(weight.is_none_or(|w| w.len() == x.rows()), "attention_pool: weights");
    let panels = sums.par_chunks_exact_mut(PANEL).enumerate();
    panels.for_each(|(panel, sums)| run_on(level, WeightedSums { panel: x.panel(panel), weight, sums }));
}
