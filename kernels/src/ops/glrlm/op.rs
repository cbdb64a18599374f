//! The op on the harness.

use std::collections::BTreeMap;

use super::{device, runs};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::simd::Level;
use crate::voxels::cases::{Plain, directions, moved, of_levels};
use crate::voxels::device::Placed;
use crate::voxels::{Extent, LevelGrid};

/// `glrlm` for the harness: output `run`.
pub struct GlrlmOp;

fn tensor(rows: Vec<[u32; 4]>) -> Vec<Tensor> {
    vec![Tensor::u32("run", &[rows.len(), 4], rows.concat())]
}

/// Direction, level, length and count of every entry.
fn rows(grid: &LevelGrid, found: &[Vec<Extent>]) -> Vec<[u32; 4]> {
    let level = |k: u16| grid.levels[usize::from(k)];
    let of = |(direction, runs): (usize, &Vec<Extent>)| -> Vec<[u32; 4]> {
        runs.iter().map(|e| [direction as u32, level(e.level), e.size, e.count as u32]).collect()
    };
    found.iter().enumerate().flat_map(of).collect()
}

impl Op for GlrlmOp {
    fn name(&self) -> &'static str {
        "glrlm"
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = of_levels();
        cases.retain(|c| c.get("distance") == 0.0);
        // Runs beyond the table of lengths, and directions without two voxels in a line.
        let long = (0..3 * 90).map(|k| 1 + u32::from(k % 90 > 70)).collect();
        cases.push(Case::new("long_runs").with(Tensor::u32("level", &[1, 3, 90], long)));
        // Fewer voxels than levels: runs of every length are listed.
        let rare = (0..7 * 90).map(|k| if k % 90 > 50 { 1 } else { 2 + k % 300 }).collect();
        cases.push(Case::new("long_runs_of_300_levels").with(Tensor::u32("level", &[1, 7, 90], rare)));
        let lonely = (0..64).map(|k| u32::from([0, 27, 42].contains(&k))).collect();
        cases.push(Case::new("voxels_apart").with(Tensor::u32("level", &[4, 4, 4], lonely)));
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let plain = Plain::of(case);
        let inside = |p: [i64; 3]| (0..3).all(|k| (0..plain.size[k] as i64).contains(&p[k]));
        let mut rows = Vec::new();
        for (direction, step) in directions(case).into_iter().enumerate() {
            let mut matrix: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            let mut most_in_a_line = 0;
            for start in plain.places().filter(|&p| !inside(moved(p, step.map(|k| -k)))) {
                let mut line = Vec::new();
                let mut at = start;
                while inside(at) {
                    line.push(plain.at(at));
                    at = moved(at, step);
                }
                most_in_a_line = most_in_a_line.max(line.iter().filter(|l| **l > 0).count());
                for run in line.chunk_by(|a, b| a == b).filter(|r| r[0] > 0) {
                    *matrix.entry((run[0], run.len() as u32)).or_default() += 1;
                }
            }
            // PyRadiomics leaves out a direction in which no line holds two voxels.
            if most_in_a_line > 1 {
                rows.extend(matrix.into_iter().map(|((l, n), count)| [direction as u32, l, n, count]));
            }
        }
        tensor(rows)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let grid = Plain::of(case).grid(1);
        let found: Vec<_> = directions(case).into_iter().map(|step| runs(&grid, step)).collect();
        tensor(rows(&grid, &found))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let grid = Plain::of(case).grid(1);
        Ok(tensor(rows(&grid, &device::runs(&Placed::new(device, &grid)?, &directions(case))?)))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 2.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
