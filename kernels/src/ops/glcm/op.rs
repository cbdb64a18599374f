//! The op on the harness.

use std::collections::BTreeMap;

use super::{Pairs, device, pairs};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::simd::Level;
use crate::voxels::LevelGrid;
use crate::voxels::cases::{Plain, directions, moved, of_levels};
use crate::voxels::device::Placed;

/// `glcm` for the harness: output `pair`.
pub struct GlcmOp;

fn tensor(rows: Vec<[u32; 4]>) -> Vec<Tensor> {
    vec![Tensor::u32("pair", &[rows.len(), 4], rows.concat())]
}

fn grid(case: &Case) -> LevelGrid {
    Plain::of(case).grid(case.size("distance").max(1) as u32)
}

/// Direction, levels and count of every entry.
fn rows(grid: &LevelGrid, found: &[Pairs]) -> Vec<[u32; 4]> {
    let level = |k: u16| grid.levels[usize::from(k)];
    let of = |(direction, pairs): (usize, &Pairs)| -> Vec<[u32; 4]> {
        let entries = pairs.entries.iter();
        entries.map(|&(i, j, n)| [direction as u32, level(i), level(j), n as u32]).collect()
    };
    found.iter().enumerate().flat_map(of).collect()
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
        let grid = grid(case);
        let found: Vec<Pairs> = directions(case).into_iter().map(|offset| pairs(&grid, offset)).collect();
        tensor(rows(&grid, &found))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let grid = grid(case);
        Ok(tensor(rows(&grid, &device::pairs(&Placed::new(device, &grid)?, &directions(case))?)))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 2.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
