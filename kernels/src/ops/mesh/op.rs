//! The op on the harness.

use super::table::{MIDPOINTS, TRIANGLES};
use super::{Mesh, Solid, cross, device, dot};
use crate::backend::{Device, DeviceError, Source};
use crate::ops::Op;
use crate::ops::case::{Case, Tensor, Work};
use crate::simd::Level;
use crate::voxels::cases::{Plain, of_levels};

/// `mesh` for the harness: output `mesh`.
pub struct MeshOp;

/// Regions with the spacing of their grids.
pub(crate) fn of_form() -> Vec<Case> {
    let spacing = |case: Case, mm: [f64; 3]| case.with(Tensor::f64("spacing", &[3], mm.to_vec()));
    let mut cases = of_levels();
    cases.retain(|c| c.get("distance") == 0.0 && c.get("flat") == 0.0);
    let uneven = cases.clone().into_iter().map(|mut case| {
        case.label += "_uneven";
        spacing(case, [0.977, 2.0, 3.27])
    });
    cases.iter().cloned().map(|case| spacing(case, [1.0; 3])).chain(uneven).collect()
}

/// Spacing of a case.
pub(crate) fn spacing(case: &Case) -> [f64; 3] {
    let mm = case.input("spacing").to_f64();
    [mm[0], mm[1], mm[2]]
}

fn tensor(mesh: Mesh) -> Vec<Tensor> {
    vec![Tensor::f64("mesh", &[2], vec![mesh.volume, mesh.area])]
}

/// Corners of a cube as steps along x, y, z.
const CORNERS: [[i64; 3]; 8] =
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];

impl Op for MeshOp {
    fn name(&self) -> &'static str {
        "mesh"
    }

    fn cases(&self) -> Vec<Case> {
        of_form()
    }

    fn reference(&self, case: &Case) -> Vec<Tensor> {
        let (plain, mm) = (Plain::of(case), spacing(case));
        let [nx, ny, nz] = plain.size.map(|n| n as i64);
        let mut mesh = Mesh { volume: 0.0, area: 0.0 };
        for z in -1..nz {
            for y in -1..ny {
                for x in -1..nx {
                    let inside = |c: [i64; 3]| plain.at([x + c[0], y + c[1], z + c[2]]) > 0;
                    let bits: usize =
                        CORNERS.iter().enumerate().map(|(k, &c)| usize::from(inside(c)) << k).sum();
                    // The upper half of the cases are complements, turned round.
                    let (case, sign) = if bits > 127 { (255 - bits, -1.0) } else { (bits, 1.0) };
                    for triangle in TRIANGLES[case].split(' ').filter(|t| !t.is_empty()) {
                        let corners: Vec<[f64; 3]> = triangle
                            .chars()
                            .map(|edge| MIDPOINTS[edge.to_digit(16).unwrap_or(0) as usize])
                            .map(|m| {
                                // Places count from the margin: some surfaces are not closed, and the
                                // volume of such a one depends on where the origin is.
                                let at = |k: usize, p: i64| ((p + 1) as f64 + f64::from(m[k]) / 2.0) * mm[k];
                                [at(0, x), at(1, y), at(2, z)]
                            })
                            .collect();
                        let [a, b, c] = [corners[0], corners[1], corners[2]];
                        mesh.volume -= sign * dot(cross(a, b), c) / 6.0;
                        let side = |p: [f64; 3]| [p[0] - a[0], p[1] - a[1], p[2] - a[2]];
                        let normal = cross(side(b), side(c));
                        mesh.area += dot(normal, normal).sqrt() / 2.0;
                    }
                }
            }
        }
        tensor(mesh)
    }

    fn cpu(&self, case: &Case, _level: Level) -> Vec<Tensor> {
        let plain = Plain::of(case);
        tensor(Mesh::of(&Solid::new(plain.size, &plain.voxels(), spacing(case))))
    }

    fn source(&self) -> Option<Source> {
        Some(device::SOURCE)
    }

    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let plain = Plain::of(case);
        let solid = Solid::new(plain.size, &plain.voxels(), spacing(case));
        Ok(tensor(device::mesh(&device::Placed::new(device, &solid)?)?))
    }

    fn max_nmse(&self) -> f64 {
        1e-24
    }

    fn work(&self, case: &Case) -> Work {
        Work { bytes: case.input("level").len() as f64, flops: 0.0 }
    }
}
