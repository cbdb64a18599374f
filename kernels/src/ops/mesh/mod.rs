//! `mesh`: volume and area of the surface of a region, by marching cubes.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | inside | `[Z, Y, X]` | 1 in the region, else 0 |
//! | spacing | `[3]` | mm along x, y, z |
//! | cubes | `[256, 4]` | cubes of each case, and the sums of their places along x, y, z; exact integers |
//! | mesh | `[2]` | volume in mm3, area in mm2 |
//!
//! Places count from the corner of the box with its margin (the surfaces of ambiguous cases are not
//! closed, so the volume depends on the origin). Vertices lie half way between a voxel inside and one outside. The triangles of a case are the same
//! in every cube but for its place, so cubes are only counted and `mesh` follows from `cubes`
//! whatever their order. Lorensen and Cline, Computer Graphics 21 (1987); volume by signed tetrahedra.

pub mod device;
mod op;
mod table;

pub use op::MeshOp;
pub(crate) use op::{of_form, spacing};

use rayon::prelude::*;

use crate::voxels::rows;
use table::{MIDPOINTS, TRIANGLES};

/// Volume and area of a region's mesh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mesh {
    /// mm3, the sum of signed tetrahedra.
    pub volume: f64,
    /// mm2.
    pub area: f64,
}

/// Which voxels of a box belong to a region, with a margin of one voxel.
#[derive(Debug)]
pub struct Solid {
    /// Voxels along x, y, z, margins included.
    pub(crate) size: [usize; 3],
    /// 1 inside, 0 outside, x fastest.
    pub(crate) cells: Vec<u8>,
    /// Cell of each voxel of the region, ascending.
    pub(crate) voxels: Vec<u32>,
    /// mm along x, y, z.
    pub(crate) spacing: [f64; 3],
}

impl Solid {
    /// The `voxels` (ascending indices) in a box of `size`, whose padded cells must be fewer than 2^32.
    pub fn new(size: [usize; 3], voxels: &[u32], spacing: [f64; 3]) -> Self {
        let (inner, size) = (size, size.map(|n| n + 2));
        let mut cells = vec![0u8; size.iter().product()];
        let mut places = Vec::with_capacity(voxels.len());
        for row in rows(inner, voxels) {
            let first = ((row.z + 1) * size[1] + row.y + 1) * size[0] + 1;
            places.extend(row.x().map(|x| (first + x) as u32));
            row.x().for_each(|x| cells[first + x] = 1);
        }
        Self { size, cells, voxels: places, spacing }
    }
}

/// Cubes of one case: how many, and their summed places along x, y, z.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    cubes: u64,
    places: [u64; 3],
}

/// Area and volume of a case, as functions of where its cubes lie.
struct Piece {
    area: f64,
    /// Signed volume (times 6) of the tetrahedra from the cube's own corner.
    volume: f64,
    /// What the volume (times 6) gains per mm along x, y, z.
    drift: [f64; 3],
}

impl Mesh {
    /// The mesh of a region.
    pub fn of(solid: &Solid) -> Self {
        Self::from_tallies(&tally(solid), solid.spacing)
    }

    /// The mesh that cubes of each case make together.
    fn from_tallies(tallies: &[Tally], spacing: [f64; 3]) -> Self {
        let (mut volume, mut area) = (0.0, 0.0);
        for (case, tally) in tallies.iter().enumerate().filter(|(_, t)| t.cubes > 0) {
            let flipped = case & 0x80 != 0;
            let piece = Piece::of(if flipped { case ^ 0xff } else { case }, spacing);
            let mut here = piece.volume * tally.cubes as f64;
            for k in 0..3 {
                here += piece.drift[k] * tally.places[k] as f64 * spacing[k];
            }
            volume += if flipped { -here } else { here };
            area += piece.area * tally.cubes as f64;
        }
        Self { volume: volume / 6.0, area }
    }
}

impl Piece {
    fn of(case: usize, spacing: [f64; 3]) -> Self {
        let mut piece = Self { area: 0.0, volume: 0.0, drift: [0.0; 3] };
        for triangle in TRIANGLES[case].split(' ').filter(|t| !t.is_empty()) {
            let mut corners = triangle.bytes().map(|digit| {
                let edge = (digit as char).to_digit(16).unwrap_or(0) as usize;
                std::array::from_fn(|k| f64::from(MIDPOINTS[edge][k]) / 2.0 * spacing[k])
            });
            let mut next = || corners.next().unwrap_or([0.0; 3]);
            // PyRadiomics counts axes z, y, x, which turns the orientation.
            let (a, b, c): ([f64; 3], [f64; 3], [f64; 3]) = (next(), next(), next());
            let (ab, bc, ca) = (cross(a, b), cross(b, c), cross(c, a));
            piece.volume -= dot(ab, c);
            let normal: [f64; 3] = std::array::from_fn(|k| ab[k] + bc[k] + ca[k]);
            for k in 0..3 {
                piece.drift[k] -= normal[k];
            }
            piece.area += 0.5 * dot(normal, normal).sqrt();
        }
        piece
    }
}

/// Counts the cubes of each case.
fn tally(solid: &Solid) -> Vec<Tally> {
    let slabs = (0..solid.size[2] - 1).into_par_iter().with_min_len(SLAB);
    let none = || vec![Tally::default(); 256];
    let add = |mut a: Vec<Tally>, b: Vec<Tally>| {
        for (a, b) in a.iter_mut().zip(b) {
            a.cubes += b.cubes;
            (0..3).for_each(|k| a.places[k] += b.places[k]);
        }
        a
    };
    slabs.fold(none, |tallies, z| tally_slab(solid, z, tallies)).reduce(none, add)
}

/// Slabs of cubes that are counted in one piece.
const SLAB: usize = 16;

/// Adds the cubes between two slices.
fn tally_slab(solid: &Solid, z: usize, mut tallies: Vec<Tally>) -> Vec<Tally> {
    let [nx, ny, _] = solid.size;
    for y in 0..ny - 1 {
        let row = |dy: usize, dz: usize| &solid.cells[((z + dz) * ny + y + dy) * nx..][..nx];
        let rows = [row(0, 0), row(1, 0), row(0, 1), row(1, 1)];
        // Most rows of a box are empty.
        if rows.iter().all(|row| row.iter().fold(0, |any, cell| any | cell) == 0) {
            continue;
        }
        // Corners of a face at one x, in the places they have on the lower side of a cube.
        let face = |x: usize| rows[0][x] | rows[1][x] << 3 | rows[2][x] << 4 | rows[3][x] << 7;
        let mut left = face(0);
        for x in 0..nx - 1 {
            let right = face(x + 1);
            // On the upper side corners 0, 3, 4, 7 are 1, 2, 5, 6.
            let case = left | (right & 0x11) << 1 | (right & 0x88) >> 1;
            left = right;
            if case != 0 && case != 0xff {
                let tally = &mut tallies[usize::from(case)];
                tally.cubes += 1;
                tally.places[0] += x as u64;
                tally.places[1] += y as u64;
                tally.places[2] += z as u64;
            }
        }
    }
    tallies
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_voxel_is_an_octahedron() {
        let mesh = Mesh::of(&Solid::new([1; 3], &[0], [1.0; 3]));
        assert!((mesh.volume - 1.0 / 6.0).abs() < 1e-15, "{mesh:?}");
        assert!((mesh.area - 3f64.sqrt()).abs() < 1e-15, "{mesh:?}");
    }

    #[test]
    fn a_ball_has_the_volume_of_a_ball() {
        let r = 20.0;
        let square =
            |v: u32| [v % 41, v / 41 % 41, v / 1681].iter().map(|&c| (f64::from(c) - r).powi(2)).sum::<f64>();
        let ball: Vec<u32> = (0..41 * 41 * 41).filter(|&v| square(v) <= (r + 0.25) * (r + 0.25)).collect();
        let mesh = Mesh::of(&Solid::new([41; 3], &ball, [1.0; 3]));
        let exact = 4.0 / 3.0 * std::f64::consts::PI * (r + 0.25f64).powi(3);
        assert!((mesh.volume / exact - 1.0).abs() < 0.01, "{mesh:?} {exact}");
    }

    /// Corners of the cube as steps along x, y, z.
    const CORNERS: [[u8; 3]; 8] =
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];

    #[test]
    fn every_case_cuts_the_edges_between_inside_and_outside() {
        for case in 0..128usize {
            let mut used = [false; 12];
            TRIANGLES[case]
                .bytes()
                .filter_map(|b| (b as char).to_digit(16))
                .for_each(|e| used[e as usize] = true);
            for (edge, middle) in MIDPOINTS.iter().enumerate() {
                // The two corners nearest to the middle of an edge.
                let ends: Vec<usize> = (0..8)
                    .filter(|&c| (0..3).all(|k| middle[k] == 1 || middle[k] == 2 * CORNERS[c][k]))
                    .collect();
                let crossing = (case >> ends[0] & 1) != (case >> ends[1] & 1);
                assert_eq!(used[edge], crossing, "case {case}, edge {edge}");
            }
        }
    }
}
