//! `diameter`: the largest distances between vertices of a mesh.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | inside | `[Z, Y, X]` | 1 in the region, else 0 |
//! | spacing | `[3]` | mm along x, y, z |
//! | diameter | `[4]` | mm: of vertices with the same z, x, y, and of all |
//!
//! The vertices are the centres of the faces between the region and its outside. A largest
//! distance is attained between corners of the convex hull; so only those vertices are compared
//! that are corners of the hull of every plane section through them (nine families of planes),
//! and of these only pairs whose distances from the centre can add up to more than the best yet.
//! The result is that of all pairs.

pub mod device;
mod hull;
mod op;

pub use op::DiameterOp;

use std::convert::Infallible;

use rayon::prelude::*;

use crate::ops::mesh::Solid;
use crate::voxels::rows;
use hull::{Point, hull};

/// Largest distances between vertices in mm, by PyRadiomics' names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diameters {
    /// Of vertices with the same z.
    pub slice: f64,
    /// Of vertices with the same x.
    pub row: f64,
    /// Of vertices with the same y.
    pub column: f64,
    /// Of all vertices.
    pub space: f64,
}

/// A vertex in half voxels along x, y, z.
type Vertex = [i32; 3];

/// Least and greatest coordinate of the vertices on each line along an axis; lines are numbered
/// by two other coordinates.
struct Lines {
    width: usize,
    ends: Vec<(i32, i32)>,
}

impl Lines {
    fn new(height: usize, width: usize) -> Self {
        Self { width, ends: vec![(i32::MAX, i32::MIN); height * width] }
    }

    fn add(&mut self, row: i32, column: i32, along: i32) {
        let (low, high) = &mut self.ends[row as usize * self.width + column as usize];
        *low = along.min(*low);
        *high = along.max(*high);
    }

    /// The ends of the line at this row and column.
    fn ends(&self, row: usize, column: usize) -> impl Iterator<Item = i32> + use<> {
        let (low, high) = self.ends[row * self.width + column];
        (low <= high).then_some([low, high]).into_iter().flatten()
    }

    fn height(&self) -> usize {
        self.ends.len() / self.width
    }
}

/// Ends of the lines along x (by z and y) and along y (by z and x), which every vertex lies on one of.
pub struct Ends {
    along_x: Lines,
    along_y: Lines,
}

impl Ends {
    fn of(solid: &Solid) -> Self {
        let [nx, ny, nz] = solid.size.map(|n| 2 * n + 1);
        let mut along_x = Lines::new(nz, ny);
        let mut along_y = Lines::new(nz, nx);
        let strides = [1, solid.size[0], solid.size[0] * solid.size[1]];
        for row in rows(solid.size, &solid.voxels) {
            for x in row.x() {
                let (place, cell) = ([x, row.y, row.z], row.start as usize + x);
                for axis in 0..3 {
                    for (neighbour, step) in [(cell - strides[axis], -1), (cell + strides[axis], 1)] {
                        if solid.cells[neighbour] == 0 {
                            let mut vertex = place.map(|p| 2 * p as i32);
                            vertex[axis] += step;
                            along_x.add(vertex[2], vertex[1], vertex[0]);
                            along_y.add(vertex[2], vertex[0], vertex[1]);
                        }
                    }
                }
            }
        }
        Self { along_x, along_y }
    }

    /// The corners of all sections, on a grid of this spacing.
    pub fn sections(&self, spacing: [f64; 3]) -> Sections {
        let (along_x, along_y) = (&self.along_x, &self.along_y);
        let (nx, ny, nz) = (along_y.width, along_x.width, along_x.height());
        let by_z: Vec<Vec<Point>> = (0..nz)
            .into_par_iter()
            .map(|z| {
                hull(&mut (0..ny).flat_map(|y| along_x.ends(z, y).map(move |x| [x, y as i32])).collect())
            })
            .collect();
        let by_y = (0..ny).into_par_iter().map(|y| {
            hull(&mut (0..nz).flat_map(|z| along_x.ends(z, y).map(move |x| [x, z as i32])).collect())
        });
        let by_x = (0..nx).into_par_iter().map(|x| {
            hull(&mut (0..nz).flat_map(|z| along_y.ends(z, x).map(move |y| [y, z as i32])).collect())
        });
        let flat = |corners: Vec<Point>| corners.iter().map(|p| [p[0], p[1], 0]).collect();
        let (column, row) = (by_y.map(flat).collect(), by_x.map(flat).collect());
        let mut space: Vec<Vertex> = by_z
            .iter()
            .enumerate()
            .flat_map(|(z, corners)| corners.iter().map(move |p| [p[0], p[1], z as i32]))
            .collect();
        for (normal, [a, b]) in FAMILIES {
            space = corners_of_sections(space, normal, a, b);
        }
        let slice = by_z.into_iter().map(flat).collect();
        Sections { slice, row, column, space: vec![space], half: spacing.map(|s| s / 2.0) }
    }
}

/// The vertices between which the largest distances are: the corners of sections, in half voxels along the
/// two axes of their planes (and 0), and those of space along x, y, z.
pub struct Sections {
    slice: Vec<Vec<Vertex>>,
    row: Vec<Vec<Vertex>>,
    column: Vec<Vec<Vertex>>,
    space: Vec<Vec<Vertex>>,
    /// mm of half a voxel along x, y, z.
    half: [f64; 3],
}

impl Sections {
    /// The diameters, given what is the largest distance within one of some sections.
    fn families<E>(
        &self,
        widest: impl Fn(&[Vec<Vertex>], [f64; 3]) -> Result<f64, E>,
    ) -> Result<Diameters, E> {
        let [x, y, z] = self.half;
        Ok(Diameters {
            slice: widest(&self.slice, [x, y, 0.0])?,
            row: widest(&self.row, [y, z, 0.0])?,
            column: widest(&self.column, [x, z, 0.0])?,
            space: widest(&self.space, self.half)?,
        })
    }
}

/// The four diameters of a region.
pub fn diameters(solid: &Solid) -> Diameters {
    let widest = |sections: &[Vec<Vertex>], half| {
        let all = sections.par_iter().map(|corners| farthest(corners, half));
        Ok::<_, Infallible>(all.reduce(|| 0.0, f64::max))
    };
    let Ok(found) = Ends::of(solid).sections(solid.spacing).families(widest);
    found
}

/// Families of parallel planes: a normal, and two coordinates that number the points of a plane.
const FAMILIES: [(Vertex, [usize; 2]); 8] = [
    ([0, 1, 0], [0, 2]),
    ([1, 0, 0], [1, 2]),
    ([1, 1, 0], [0, 2]),
    ([1, -1, 0], [0, 2]),
    ([1, 0, 1], [0, 1]),
    ([1, 0, -1], [0, 1]),
    ([0, 1, 1], [0, 1]),
    ([0, 1, -1], [0, 1]),
];

/// The vertices that are corners of the hull of the others in their plane.
fn corners_of_sections(mut vertices: Vec<Vertex>, normal: Vertex, a: usize, b: usize) -> Vec<Vertex> {
    let plane = |v: &Vertex| (0..3).map(|k| normal[k] * v[k]).sum::<i32>();
    vertices.sort_unstable_by_key(|v| (plane(v), v[a], v[b]));
    let mut kept = Vec::new();
    for section in vertices.chunk_by(|u, v| plane(u) == plane(v)) {
        let mut corners = hull(&mut section.iter().map(|v| [v[a], v[b]]).collect());
        corners.sort_unstable();
        kept.extend(section.iter().filter(|v| corners.binary_search(&[v[a], v[b]]).is_ok()));
    }
    kept
}

/// Largest distance between two of the vertices.
fn farthest(vertices: &[Vertex], half: [f64; 3]) -> f64 {
    let Some(first) = vertices.first() else { return 0.0 };
    let (low, high) = vertices.iter().fold((*first, *first), |(low, high), v| {
        (std::array::from_fn(|k| low[k].min(v[k])), std::array::from_fn(|k| high[k].max(v[k])))
    });
    let centre: [f64; 3] = std::array::from_fn(|k| f64::from(low[k] + high[k]) / 2.0 * half[k]);
    let mut by_radius: Vec<(f64, [f64; 3])> = vertices
        .iter()
        .map(|v| {
            let at: [f64; 3] = std::array::from_fn(|k| f64::from(v[k]) * half[k]);
            (distance_squared(at, centre).sqrt() * (1.0 + 1e-12), at)
        })
        .collect();
    by_radius.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut best, mut best_squared) = (0.0, 0.0);
    for (k, &(radius, at)) in by_radius.iter().enumerate() {
        if radius + by_radius[0].0 <= best {
            break;
        }
        for &(other, there) in &by_radius[..k] {
            if radius + other <= best {
                break;
            }
            let squared = distance_squared(at, there);
            if squared > best_squared {
                best_squared = squared;
                best = squared.sqrt();
            }
        }
    }
    best
}

fn distance_squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|k| (a[k] - b[k]) * (a[k] - b[k])).sum()
}
