//! What this machine can do on one core: memory bandwidth, fused multiply-adds, and the matrix
//! products of a DeepSurv step without anything around them. One line of JSON per limit.
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;

use osteon_kernels::ops::linear::{BLOCK_TILES, Epilogue, Weights, backward_input, backward_weight, forward};
use osteon_kernels::simd::{Kernel, LANES, Level, Simd, run};
use osteon_kernels::tiles::{Lane, tiles_for};
use serde_json::json;

mod stopwatch;

/// Floats of a stream that no cache holds: 256 MiB.
const STREAM: usize = 64 << 20;

/// Adds up all values.
struct ReadSum<'a>(&'a [f32]);

impl Kernel for ReadSum<'_> {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut acc = [s.splat(0.0); 8];
        for block in self.0.chunks_exact(8 * LANES) {
            for (i, a) in acc.iter_mut().enumerate() {
                // SAFETY: a block holds 8 vectors.
                *a = s.add(*a, unsafe { s.load(block.as_ptr().add(i * LANES)) });
            }
        }
        acc.into_iter().map(|a| s.sum(a)).sum()
    }
}

/// Rounds of one multiply-add on each of 12 registers.
const FMA_ROUNDS: usize = 100_000;
const REGISTERS: usize = 12;

struct FusedMultiplyAdd(f32);

impl Kernel for FusedMultiplyAdd {
    type Out = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let x = s.splat(self.0);
        let mut acc = [x; REGISTERS];
        for _ in 0..FMA_ROUNDS {
            for a in &mut acc {
                *a = s.fma(*a, x, x);
            }
        }
        acc.into_iter().map(|a| s.sum(a)).sum()
    }
}

struct Layer {
    inputs: usize,
    outputs: usize,
    w: Vec<f32>,
    b: Vec<f32>,
    x: Vec<Lane>,
    y: Vec<Lane>,
}

/// Buffers of the products of one METABRIC step.
struct Products {
    layers: Vec<Layer>,
    sums: Vec<f32>,
}

impl Products {
    const PATIENTS: usize = 1523;
    const WIDTHS: [usize; 5] = [9, 42, 42, 42, 1];

    fn new() -> Self {
        let tiles = tiles_for(Self::PATIENTS);
        let layer = |w: &[usize]| {
            let (inputs, outputs) = (w[0], w[1]);
            let lanes = |width| vec![Lane([0.01; LANES]); tiles * width];
            let (x, y) = (lanes(inputs), lanes(outputs));
            Layer { inputs, outputs, w: vec![0.02; inputs * outputs], b: vec![0.0; outputs], x, y }
        };
        Self { layers: Self::WIDTHS.windows(2).map(layer).collect(), sums: vec![0.0; 43 * 42] }
    }

    /// Multiply-adds count two; the first layer needs no gradient of its input.
    fn gflop() -> f64 {
        let area: usize = Self::WIDTHS.windows(2).map(|w| w[0] * w[1]).sum();
        let first = Self::WIDTHS[0] * Self::WIDTHS[1];
        2e-9 * (Self::PATIENTS * (3 * area - first)) as f64
    }

    fn run(&mut self) {
        let level = Level::current();
        for (l, Layer { inputs, outputs, w, b, x, y }) in self.layers.iter_mut().enumerate() {
            let (inputs, outputs) = (*inputs, *outputs);
            forward(level, Weights { w, b, inputs, outputs }, Epilogue::NONE, x, y, &mut []);
            let sums = &mut self.sums[..inputs * outputs + outputs];
            for (x, dz) in x.chunks(inputs * BLOCK_TILES).zip(y.chunks(outputs * BLOCK_TILES)) {
                backward_weight(level, inputs, outputs, x, dz, sums);
            }
            if l > 0 {
                backward_input(level, w, inputs, outputs, y, None, x);
            }
        }
        black_box(&self.sums);
    }
}

fn main() {
    let stream = vec![1f32; STREAM];
    let mut target = vec![0f32; STREAM];
    let gbyte = 4e-9 * STREAM as f64;
    let limit = |what: &str, seconds: f64, extra: serde_json::Value, work: &mut dyn FnMut()| {
        stopwatch::time(what, "machine", seconds, 1.0, extra, work);
    };
    limit("read_sum", 1.0, json!({ "gbyte": gbyte }), &mut || {
        black_box(run(ReadSum(black_box(&stream))));
    });
    limit("copy_read_and_written", 1.0, json!({ "gbyte": 2.0 * gbyte }), &mut || {
        target.copy_from_slice(black_box(&stream));
        black_box(&target);
    });
    let gflop = 2e-9 * (FMA_ROUNDS * REGISTERS * LANES) as f64;
    limit("fused_multiply_add", 0.5, json!({ "gflop": gflop, "simd": Level::current().name() }), &mut || {
        black_box(run(FusedMultiplyAdd(black_box(0.5))));
    });
    let mut products = Products::new();
    limit("deepsurv_products", 0.5, json!({ "gflop": Products::gflop() }), &mut || products.run());
}
