//! The op on the harness.

use super::reference::{self, Reference};
use super::{BLOCK, Block, Network, Pooled, Shape, TileDropout, Workspace};
use crate::ops::Op;
use crate::ops::case::{Case, Gradient, Tensor, Values, Work, normal};
use crate::ops::dropout::Dropout;
use crate::ops::pool::Rows;
use crate::simd::Level;

/// `attention_pool` for the harness: outputs `z`, `attention` and the gradients of the parameters for the incoming
/// `pull`; `bags` are the offsets of each bag's tiles, `[N + 1]`.
pub struct AttentionPoolOp;

/// Parameters as inputs, and their gradients as outputs.
const PARAMETERS: [(&str, &str); 7] =
    [("w", "dw"), ("b", "db"), ("v", "dv"), ("c", "dc"), ("u", "du"), ("d", "dd"), ("a", "da")];

/// What a case holds.
struct Input {
    shape: Shape,
    offsets: Vec<usize>,
    shapes: Vec<Vec<usize>>,
    rate: f64,
}

impl Input {
    fn of(case: &Case) -> Self {
        let (w, v) = (&case.input("w").shape, &case.input("v").shape);
        let offsets = match &case.input("bags").values {
            Values::U32(o) => o.iter().map(|&o| o as usize).collect(),
            _ => Vec::new(),
        };
        let shapes = PARAMETERS.iter().map(|(name, _)| case.input(name).shape.clone()).collect();
        let shape = Shape { inputs: w[1], hidden: w[0], attention: v[0] };
        Self { shape, offsets, shapes, rate: case.get("rate") }
    }

    /// Bags and their tiles.
    fn bags(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        self.offsets.windows(2).map(|w| w[0]..w[1]).enumerate()
    }

    fn dropout(&self, bag: usize, first: usize) -> Option<TileDropout> {
        let dropout = Dropout::new(self.rate, 5, 0, 2)?;
        Some(TileDropout { dropout, patient: 77 + bag as u64, first })
    }

    fn tensors(&self, z: Vec<f64>, attention: Vec<f64>, gradient: &[f64]) -> Vec<Tensor> {
        let h = self.shape.hidden;
        let mut tensors = vec![
            Tensor::f64("z", &[z.len() / h, h], z),
            Tensor::f64("attention", &[attention.len()], attention),
        ];
        let mut at = 0;
        for ((_, name), shape) in PARAMETERS.iter().zip(&self.shapes) {
            let len = shape.iter().product::<usize>();
            tensors.push(Tensor::f64(name, shape, gradient[at..at + len].to_vec()));
            at += len;
        }
        tensors
    }
}

/// Bags of these many tiles; logits of standard deviation about `spread`.
fn case(label: &str, bags: &[usize], [d, h, a]: [usize; 3], spread: f32, rate: f64) -> Case {
    let tiles: usize = bags.iter().sum();
    let ends = bags.iter().scan(0, |end, &n| {
        *end += n as u32;
        Some(*end)
    });
    let scaled = |seed, n: usize, scale: f32| normal(seed, n).iter().map(|x| x * scale).collect::<Vec<f32>>();
    let weights =
        |seed, rows: usize, columns: usize| scaled(seed, rows * columns, (2.0 / columns as f32).sqrt());
    Case::new(format!("{label}_t{tiles}_d{d}_h{h}_a{a}"))
        .option("rate", rate)
        .with(Tensor::f32("rows", &[tiles, d], scaled(1, tiles * d, 1.0)))
        .with(Tensor::u32("bags", &[bags.len() + 1], std::iter::once(0).chain(ends).collect()))
        .with(Tensor::f32("w", &[h, d], weights(2, h, d)))
        .with(Tensor::f32("b", &[h], scaled(3, h, 0.3)))
        .with(Tensor::f32("v", &[a, h], weights(4, a, h)))
        .with(Tensor::f32("c", &[a], scaled(5, a, 0.3)))
        .with(Tensor::f32("u", &[a, h], weights(6, a, h)))
        .with(Tensor::f32("d", &[a], scaled(7, a, 0.3)))
        .with(Tensor::f32("a", &[a], scaled(8, a, 2.0 * spread / (a as f32).sqrt())))
        .with(Tensor::f32("pull", &[bags.len(), h], scaled(9, bags.len() * h, 1.0)))
}

impl Op for AttentionPoolOp {
    fn name(&self) -> &'static str {
        "attention_pool"
    }

    fn cases(&self) -> Vec<Case> {
        vec![
            case("no bags", &[], [3, 2, 2], 1.0, 0.0),
            case("one tile", &[1], [5, 3, 2], 1.0, 0.0),
            case("ragged", &[7, 1, 20, 2], [9, 6, 5], 1.0, 0.0),
            case("panels", &[65, 130], [130, 70, 66], 1.0, 0.0),
            case("dropout", &[50, 3], [20, 19, 7], 1.0, 0.25),
            case("sharp", &[40, 12], [16, 12, 8], 6.0, 0.0),
            case("blocks", &[2 * BLOCK + 7, 30], [12, 8, 4], 1.0, 0.3),
        ]
    }

    fn perf_cases(&self) -> Vec<Case> {
        vec![case("gigapath", &[5000], [1536, 512, 256], 1.0, 0.0)]
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let input = Input::of(case);
        let parameters: Vec<f64> =
            PARAMETERS.iter().flat_map(|(name, _)| case.input(name).to_f64()).collect();
        let (x, pull) = (case.input("rows").to_f64(), case.input("pull").to_f64());
        let (mut z, mut attention, mut gradient) = (vec![], vec![], vec![0.0; parameters.len()]);
        let Shape { inputs, hidden, .. } = input.shape;
        for (bag, tiles) in input.bags() {
            let x = &x[tiles.start * inputs..tiles.end * inputs];
            let pull = &pull[bag * hidden..][..hidden];
            let found: Reference = reference::bag(input.shape, &parameters, x, input.dropout(bag, 0), pull);
            z.extend(found.z);
            attention.extend(found.attention);
            gradient.iter_mut().zip(found.gradient).for_each(|(g, found)| *g += found);
        }
        input.tensors(z, attention, &gradient)
    }

    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor> {
        let input = Input::of(case);
        let parameters: Vec<f32> =
            PARAMETERS.iter().flat_map(|(name, _)| case.input(name).to_f32()).collect();
        let (x, pull) = (case.input("rows").to_f32(), case.input("pull").to_f32());
        let network = Network::new(level, input.shape, &parameters);
        let (mut z, mut attention, mut gradient) = (vec![], vec![], vec![0.0; parameters.len()]);
        let Shape { inputs, hidden, .. } = input.shape;
        let mut space = Workspace::default();
        for (bag, tiles) in input.bags() {
            let x = &x[tiles.start * inputs..tiles.end * inputs];
            let (mut pooled, mut logits, mut kept) = (Pooled::new(input.shape), vec![], vec![]);
            for (k, rows) in x.chunks(BLOCK * inputs).enumerate() {
                let mut block = Block::default();
                network.forward(Rows::F32(rows), input.dropout(bag, k * BLOCK), &mut space, &mut block);
                pooled.add(level, &mut space, &block);
                logits.extend_from_slice(block.logits());
                kept.push(block);
            }
            let pooled = pooled.finish().expect("a case's bag has tiles");
            let pull = &pull[bag * hidden..][..hidden];
            for (k, rows) in x.chunks(BLOCK * inputs).enumerate() {
                // Kept or computed again: the bits are the same, and every other block shows it.
                if k % 2 == 0 {
                    network.load(Rows::F32(rows), &mut space);
                } else {
                    let dropout = input.dropout(bag, k * BLOCK);
                    network.forward(Rows::F32(rows), dropout, &mut space, &mut kept[k]);
                }
                let dropout = input.dropout(bag, 0).map(|d| d.dropout);
                network.backward(&mut space, &mut kept[k], &pooled, pull, dropout, &mut gradient);
            }
            z.extend_from_slice(pooled.z());
            attention.extend(pooled.attention(&logits));
        }
        input.tensors(z, attention, &gradient)
    }

    fn gradients(&self) -> Vec<Gradient> {
        PARAMETERS
            .iter()
            .map(|&(wrt, gradient)| Gradient { of: "z", seed: Some("pull"), wrt, gradient })
            .collect()
    }

    fn work(&self, case: &Case) -> Work {
        let Shape { inputs, hidden, attention } = Input::of(case).shape;
        let t = case.input("rows").shape[0] as f64;
        let (first, gates) = ((inputs * hidden) as f64, (2 * attention * hidden) as f64);
        Work { bytes: 4.0 * t * inputs as f64, flops: 2.0 * t * (2.0 * first + 3.0 * gates) }
    }
}
