//! The op on the harness.

use std::collections::BTreeMap;

use super::zones;
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::ops::components::lowest;
use crate::simd::Level;
use crate::voxels::cases::{Plain, directions, of_levels};

/// `glszm` for the harness: output `zone`.
pub struct GlszmOp;

fn tensor(rows: Vec<[u32; 3]>) -> Vec<Tensor> {
    vec![Tensor::u32("zone", &[rows.len(), 3], rows.concat())]
}

impl Op for GlszmOp {
    fn name(&self) -> &'static str {
        "glszm"
    }

    fn cases(&self) -> Vec<Case> {
        of_levels().into_iter().filter(|c| c.get("distance") == 0.0).collect()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let plain = Plain::of(case);
        let flat = case.size("flat").checked_sub(1);
        let lowest = lowest(&plain, |s| flat.is_none_or(|axis| s[axis] == 0));
        let mut sizes: BTreeMap<usize, u32> = BTreeMap::new();
        for voxel in (0..plain.level.len()).filter(|&v| plain.level[v] > 0) {
            *sizes.entry(lowest[voxel]).or_default() += 1;
        }
        let mut matrix: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (first, size) in sizes {
            *matrix.entry((plain.level[first], size)).or_default() += 1;
        }
        tensor(matrix.into_iter().map(|((level, size), n)| [level, size, n]).collect())
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let grid = Plain::of(case).grid(1);
        let found = zones(&grid, &directions(case));
        let level = |k: u16| grid.levels[usize::from(k)];
        tensor(found.iter().map(|e| [level(e.level), e.size, e.count as u32]).collect())
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 6.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
