//! The op on the harness.

use std::collections::BTreeMap;

use super::pairs;
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::simd::Level;
use crate::voxels::cases::{Plain, directions, moved, of_levels};

/// `glcm` for the harness: output `pair`.
pub struct GlcmOp;

fn tensor(rows: Vec<[u32; 4]>) -> Vec<Tensor> {
    vec![Tensor::u32("pair", &[rows.len(), 4], rows.concat())]
}

impl Op for GlcmOp {
    fn name(&self) -> &'static str {
        "glcm"
    }

    fn cases(&self) -> Vec<Case> {
        of_levels()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let plain = Plain::of(case);
        let mut rows = Vec::new();
        for (direction, offset) in directions(case).into_iter().enumerate() {
            let mut matrix: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            for place in plain.region() {
                let (a, b) = (plain.at(place), plain.at(moved(place, offset)));
                if b > 0 {
                    // The pair is seen from both of its voxels.
                    *matrix.entry((a, b)).or_default() += 1;
                    *matrix.entry((b, a)).or_default() += 1;
                }
            }
            let upper = matrix.into_iter().filter(|((a, b), _)| a <= b);
            rows.extend(upper.map(|((a, b), n)| [direction as u32, a, b, n]));
        }
        tensor(rows)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let steps = directions(case);
        let grid = Plain::of(case).grid(case.size("distance").max(1) as u32);
        let level = |k: u16| grid.levels[usize::from(k)];
        let rows = steps.iter().enumerate().flat_map(|(direction, &offset)| {
            let entries = pairs(&grid, offset).entries.into_iter();
            entries.map(move |(i, j, n)| [direction as u32, level(i), level(j), n as u32])
        });
        tensor(rows.collect())
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 2.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
