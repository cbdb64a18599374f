//! The op on the harness.

use std::collections::BTreeMap;

use super::{device, zones};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::ops::components::lowest;
use crate::simd::Level;
use crate::voxels::cases::{Plain, directions, of_levels};
use crate::voxels::device::Placed;
use crate::voxels::{Extent, LevelGrid};

/// `glszm` for the harness: output `zone`.
pub struct GlszmOp;

fn tensor(rows: Vec<[u32; 3]>) -> Vec<Tensor> {
    vec![Tensor::u32("zone", &[rows.len(), 3], rows.concat())]
}

/// Level, size and count of every entry.
fn rows(grid: &LevelGrid, found: &[Extent]) -> Vec<[u32; 3]> {
    found.iter().map(|e| [grid.levels[usize::from(e.level)], e.size, e.count as u32]).collect()
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
        tensor(rows(&grid, &zones(&grid, &directions(case))))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let grid = Plain::of(case).grid(1);
        Ok(tensor(rows(&grid, &device::zones(&Placed::new(device, &grid)?, &directions(case))?)))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 6.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
