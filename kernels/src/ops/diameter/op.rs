//! The op on the harness.

use super::{Diameters, device, diameters};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::ops::mesh::device::Placed;
use crate::ops::mesh::{Solid, of_form, spacing};
use crate::simd::Level;
use crate::voxels::cases::{Plain, moved};

/// `diameter` for the harness: output `diameter`.
pub struct DiameterOp;

fn tensor(d: Diameters) -> Vec<Tensor> {
    vec![Tensor::f64("diameter", &[4], vec![d.slice, d.row, d.column, d.space])]
}

impl Op for DiameterOp {
    fn name(&self) -> &'static str {
        "diameter"
    }

    fn cases(&self) -> Vec<Case> {
        // The oracle compares all pairs: the largest box is cut for its sake.
        let mut cases = of_form();
        cases.retain(|c| c.input("level").len() < 9000);
        let ball =
            |v: u32| [v % 15, v / 15 % 15, v / 225].map(|k| (k as i32 - 7).pow(2)).iter().sum::<i32>() < 50;
        let inside = (0..15u32.pow(3)).map(|v| u32::from(ball(v))).collect();
        cases.push(Case::new("ball").with(Tensor::u32("level", &[15, 15, 15], inside)).with(Tensor::f64(
            "spacing",
            &[3],
            vec![4.0, 4.0, 3.0],
        )));
        cases
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (plain, mm) = (Plain::of(case), spacing(case));
        // In half voxels.
        let mut vertices: Vec<[i64; 3]> = Vec::new();
        for place in plain.region() {
            for axis in 0..3 {
                for step in [-1, 1] {
                    let mut by = [0; 3];
                    by[axis] = step;
                    if plain.at(moved(place, by)) == 0 {
                        vertices.push(moved(place.map(|p| 2 * p), by));
                    }
                }
            }
        }
        let longest = |same: Option<usize>| {
            let mut best: f64 = 0.0;
            for a in &vertices {
                for b in vertices.iter().filter(|b| same.is_none_or(|k| a[k] == b[k])) {
                    let square: f64 = (0..3).map(|k| ((a[k] - b[k]) as f64 * mm[k] / 2.0).powi(2)).sum();
                    best = best.max(square);
                }
            }
            best.sqrt()
        };
        tensor(Diameters {
            slice: longest(Some(2)),
            row: longest(Some(0)),
            column: longest(Some(1)),
            space: longest(None),
        })
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let plain = Plain::of(case);
        tensor(diameters(&Solid::new(plain.size, &plain.voxels(), spacing(case))))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let plain = Plain::of(case);
        let solid = Solid::new(plain.size, &plain.voxels(), spacing(case));
        let sections = device::ends(&Placed::new(device, &solid)?)?.sections(solid.spacing);
        Ok(tensor(device::longest(device, &sections)?))
    }

    fn max_nmse(&self) -> f64 {
        1e-28
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: case.input("level").len() as f64, flops: 0.0 }
    }
}
