//! The op on the harness.

use std::collections::BTreeMap;

use super::{Neighbourhood, device, neighbourhoods};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::simd::Level;
use crate::voxels::LevelGrid;
use crate::voxels::cases::{Plain, directions, moved, of_levels};
use crate::voxels::device::Placed;

/// `neighbourhood` for the harness: outputs `dependence`, `voxels` and `apart`.
pub struct NeighbourhoodOp;

fn tensors(dependence: Vec<[u32; 3]>, voxels: Vec<u32>, apart: Vec<u32>, width: usize) -> Vec<Tensor> {
    let levels = voxels.len();
    vec![
        Tensor::u32("dependence", &[dependence.len(), 3], dependence.concat()),
        Tensor::u32("voxels", &[levels], voxels),
        Tensor::u32("apart", &[levels, width], apart),
    ]
}

fn grid(case: &Case) -> LevelGrid {
    Plain::of(case).grid(case.size("distance").max(1) as u32)
}

fn output(grid: &LevelGrid, found: Neighbourhood) -> Vec<Tensor> {
    let level = |k: u16| grid.levels[usize::from(k)];
    let rows = found.dependence.iter().map(|e| [level(e.level), e.size, e.count as u32]).collect();
    let narrow = |x: Vec<u64>| x.into_iter().map(|n| n as u32).collect();
    tensors(rows, narrow(found.voxels), narrow(found.apart), found.width)
}

impl Op for NeighbourhoodOp {
    fn name(&self) -> &'static str {
        "neighbourhood"
    }

    fn cases(&self) -> Vec<Case> {
        let alike = of_levels().into_iter().map(|mut case| {
            case.label += "_alpha_2";
            case.option("alpha", 2.0)
        });
        of_levels().into_iter().chain(alike).collect()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let plain = Plain::of(case);
        let steps = directions(case);
        let around: Vec<_> = steps.iter().flat_map(|s| [*s, s.map(|k| -k)]).collect();
        let alpha = case.size("alpha") as i64;
        let width = around.len() + 1;
        let mut dependence: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        let mut by_level: BTreeMap<u32, (u32, Vec<u32>)> = BTreeMap::new();
        for place in plain.region() {
            let own = plain.at(place);
            let there: Vec<i64> =
                around.iter().map(|&s| i64::from(plain.at(moved(place, s)))).filter(|l| *l > 0).collect();
            let alike = there.iter().filter(|l| (**l - i64::from(own)).abs() <= alpha).count() as u32;
            *dependence.entry((own, alike + 1)).or_default() += 1;
            let (voxels, apart) = by_level.entry(own).or_insert_with(|| (0, vec![0; width]));
            *voxels += 1;
            let n = there.len();
            apart[n] += (i64::from(own) * n as i64 - there.iter().sum::<i64>()).unsigned_abs() as u32;
        }
        let rows = dependence.into_iter().map(|((l, d), n)| [l, d, n]).collect();
        let (voxels, apart): (Vec<u32>, Vec<Vec<u32>>) = by_level.into_values().unzip();
        tensors(rows, voxels, apart.concat(), width)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let grid = grid(case);
        output(&grid, neighbourhoods(&grid, &directions(case), case.size("alpha") as u32))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (grid, alpha) = (grid(case), case.size("alpha") as u32);
        Ok(output(&grid, device::neighbourhoods(&Placed::new(device, &grid)?, &directions(case), alpha)?))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 2.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
