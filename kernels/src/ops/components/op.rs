//! The op on the harness.

use super::{Components, Connectivity, components, device};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::simd::Level;
use crate::voxels::cases::{Plain, moved, of_levels};
use crate::voxels::device::Placed;

/// `components` for the harness: outputs `component` and `size`.
pub struct ComponentsOp;

const KINDS: [Connectivity; 3] = [Connectivity::Faces, Connectivity::Edges, Connectivity::Corners];

fn tensors(plain: &Plain, component: Vec<u32>, size: Vec<u32>) -> Vec<Tensor> {
    let [nx, ny, nz] = plain.size;
    vec![Tensor::u32("component", &[nz, ny, nx], component), Tensor::u32("size", &[size.len()], size)]
}

/// Components by place.
fn placed(plain: &Plain, found: Components) -> Vec<Tensor> {
    let mut component = vec![0; plain.level.len()];
    plain.voxels().iter().zip(found.labels).for_each(|(&v, label)| component[v as usize] = label);
    tensors(plain, component, found.sizes)
}

/// Lowest index of the voxels connected to each, found by passing indices on until none changes.
pub(crate) fn lowest(plain: &Plain, connected: impl Fn([i64; 3]) -> bool) -> Vec<usize> {
    let around: Vec<[i32; 3]> = (-1..=1)
        .flat_map(|z| (-1..=1).flat_map(move |y| (-1..=1).map(move |x| [x, y, z])))
        .filter(|s| *s != [0; 3] && connected(s.map(i64::from)))
        .collect();
    let index = |p: [i64; 3]| {
        let [x, y, z] = p.map(|k| k as usize);
        (z * plain.size[1] + y) * plain.size[0] + x
    };
    let mut lowest: Vec<usize> = (0..plain.level.len()).collect();
    loop {
        let mut changed = false;
        for place in plain.region() {
            for &step in &around {
                let next = moved(place, step);
                if plain.at(next) == plain.at(place) && lowest[index(next)] < lowest[index(place)] {
                    lowest[index(place)] = lowest[index(next)];
                    changed = true;
                }
            }
        }
        if !changed {
            return lowest;
        }
    }
}

impl Op for ComponentsOp {
    fn name(&self) -> &'static str {
        "components"
    }

    fn cases(&self) -> Vec<Case> {
        let kinds = (0..3usize).zip(["faces", "edges", "corners"]);
        // One part that is one voxel wide: columns of y joined at their ends by turns.
        let (nx, ny) = (63usize, 40);
        let bend = |x: usize| if (x / 2).is_multiple_of(2) { 0 } else { ny - 1 };
        let snake =
            (0..nx * ny).map(|v| u32::from((v % nx).is_multiple_of(2) || v / nx == bend(v % nx))).collect();
        let snake = Case::new("snake").with(Tensor::u32("level", &[1, ny, nx], snake));
        let with = |(kind, name): (usize, &'static str)| {
            of_levels().into_iter().chain([snake.clone()]).map(move |mut case| {
                case.label = format!("{}_{name}", case.label);
                case.option("connectivity", kind as f64)
            })
        };
        kinds.flat_map(with).filter(|c| c.get("distance") == 0.0 && c.get("flat") == 0.0).collect()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let plain = Plain::of(case);
        let most = case.size("connectivity") as i64 + 1;
        let lowest = lowest(&plain, |s| s.iter().map(|k| k.abs()).sum::<i64>() <= most);
        let (mut component, mut size) = (vec![0; plain.level.len()], Vec::new());
        for voxel in (0..plain.level.len()).filter(|&v| plain.level[v] > 0) {
            if lowest[voxel] == voxel {
                size.push(0);
                component[voxel] = size.len() as u32;
            }
            component[voxel] = component[lowest[voxel]];
            size[component[voxel] as usize - 1] += 1;
        }
        tensors(&plain, component, size)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let plain = Plain::of(case);
        let voxels = plain.voxels();
        let levels: Vec<u32> = voxels.iter().map(|&v| plain.level[v as usize]).collect();
        let found = components(plain.size, &voxels, &levels, KINDS[case.size("connectivity")])
            .unwrap_or_else(|e| panic!("a case of the harness: {e}"));
        placed(&plain, found)
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let (plain, connectivity) = (Plain::of(case), KINDS[case.size("connectivity")]);
        let grid = plain.grid(1);
        Ok(placed(&plain, device::components(&Placed::new(device, &grid)?, connectivity)?))
    }

    fn max_nmse(&self) -> f64 {
        0.0
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: 8.0 * case.input("level").len() as f64, flops: 0.0 }
    }
}
