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

    /// The ends of the line at this row and column: two, one where they meet, or none.
    fn ends(&self, row: usize, column: usize) -> impl Iterator<Item = i32> + use<> {
        let (low, high) = self.ends[row * self.width + column];
        (low <= high).then_some(low).into_iter().chain((low < high).then_some(high))
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

    /// Number of planes across x, y, z.
    fn planes(&self) -> [usize; 3] {
        [self.along_y.width, self.along_x.width, self.along_x.height()]
    }

    // Points of planes come in ascending order, with the number of their line first.

    fn on_z(&self, z: usize) -> impl Iterator<Item = Point> {
        (0..self.along_x.width).flat_map(move |y| self.along_x.ends(z, y).map(move |x| [y as i32, x]))
    }

    fn on_y(&self, y: usize) -> impl Iterator<Item = Point> {
        (0..self.along_x.height()).flat_map(move |z| self.along_x.ends(z, y).map(move |x| [z as i32, x]))
    }

    fn on_x(&self, x: usize) -> impl Iterator<Item = Point> {
        (0..self.along_y.height()).flat_map(move |z| self.along_y.ends(z, x).map(move |y| [z as i32, y]))
    }

    fn diameters(&self, spacing: [f64; 3]) -> Diameters {
        let half = spacing.map(|s| s / 2.0);
        let [nx, ny, nz] = self.planes();
        let (slice, (column, row)) = rayon::join(
            || widest(nz, |z| self.on_z(z), [half[1], half[0]]),
            || {
                rayon::join(
                    || widest(ny, |y| self.on_y(y), [half[2], half[0]]),
                    || widest(nx, |x| self.on_x(x), [half[2], half[1]]),
                )
            },
        );
        let all = (0..nz).flat_map(|z| self.on_z(z).map(move |[y, x]| [x, y, z as i32]));
        let mut vertices = far_out(all.collect(), half);
        if vertices.len() > FEW {
            for (normal, [a, b]) in FAMILIES {
                vertices = corners_of_sections(vertices, normal, a, b);
            }
        }
        Diameters { slice, row, column, space: farthest(&vertices, half) }
    }

    /// The corners of all sections, on a grid of this spacing.
    pub fn sections(&self, spacing: [f64; 3]) -> Sections {
        let [nx, ny, nz] = self.planes();
        let corners = |points: Vec<Point>| hull(&points).iter().map(|p| [p[0], p[1], 0]).collect();
        let slice = (0..nz).into_par_iter().map(|z| corners(self.on_z(z).collect())).collect();
        let column = (0..ny).into_par_iter().map(|y| corners(self.on_y(y).collect())).collect();
        let row = (0..nx).into_par_iter().map(|x| corners(self.on_x(x).collect())).collect();
        let mut space = (0..nz).flat_map(|z| self.on_z(z).map(move |[y, x]| [x, y, z as i32])).collect();
        for (normal, [a, b]) in FAMILIES {
            space = corners_of_sections(space, normal, a, b);
        }
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
            slice: widest(&self.slice, [y, x, 0.0])?,
            row: widest(&self.row, [z, y, 0.0])?,
            column: widest(&self.column, [z, x, 0.0])?,
            space: widest(&self.space, self.half)?,
        })
    }
}

/// The four diameters of a region.
pub fn diameters(solid: &Solid) -> Diameters {
    Ends::of(solid).diameters(solid.spacing)
}

/// So few vertices are compared at once.
const FEW: usize = 256;

/// Part by which bounds are widened, so that rounding loses no pair.
const SLACK: f64 = 1.0 + 1e-12;

/// Largest distance of points in one of some planes, whose points ascend.
fn widest<I: Iterator<Item = Point>>(planes: usize, points: impl Fn(usize) -> I, half: [f64; 2]) -> f64 {
    // No two points of a plane are farther apart than the corners of their box.
    let mut by_diagonal: Vec<(f64, usize)> = (0..planes)
        .filter_map(|plane| {
            let mut points = points(plane);
            let first = points.next()?;
            let (low, high) = points.fold((first, first), |(low, high), p| {
                ([low[0], low[1].min(p[1])], [p[0], high[1].max(p[1])])
            });
            let gap = |k: usize| f64::from(high[k] - low[k]) * half[k];
            Some((gap(0).hypot(gap(1)) * SLACK, plane))
        })
        .collect();
    by_diagonal.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = 0.0;
    for (diagonal, plane) in by_diagonal {
        if diagonal <= best {
            break;
        }
        let corners = hull(&points(plane).collect::<Vec<_>>());
        let corners: Vec<Vertex> = corners.iter().map(|p| [p[0], p[1], 0]).collect();
        best = farthest(&corners, [half[0], half[1], 0.0]).max(best);
    }
    best
}

/// The vertices so far from the middle of all that one of the largest distance may be among them.
fn far_out(vertices: Vec<Vertex>, half: [f64; 3]) -> Vec<Vertex> {
    let Some(&first) = vertices.first() else { return vertices };
    let from = |a: [f64; 3]| vertices.iter().map(move |&v| (distance_squared(place(v, half), a), v));
    let most = |a: [f64; 3]| from(a).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, first));
    let centre = middle(&vertices, half);
    let (radius, one) = most(centre);
    let (_, other) = most(place(one, half));
    let (apart, _) = most(place(other, half));
    let least = apart.sqrt() - radius.sqrt() * SLACK;
    from(centre).filter(|(square, _)| square.sqrt() * SLACK >= least).map(|(_, v)| v).collect()
}

/// Families of parallel planes: a normal, and two coordinates that number the points of a plane.
const FAMILIES: [(Vertex, [usize; 2]); 9] = [
    ([0, 0, 1], [0, 1]),
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
        // Sorted by these two, in which the vertices of a plane differ.
        let mut corners = hull(&section.iter().map(|v| [v[a], v[b]]).collect::<Vec<_>>());
        corners.sort_unstable();
        kept.extend(section.iter().filter(|v| corners.binary_search(&[v[a], v[b]]).is_ok()));
    }
    kept
}

/// Largest distance between two of the vertices.
fn farthest(vertices: &[Vertex], half: [f64; 3]) -> f64 {
    let centre = middle(vertices, half);
    let mut by_radius: Vec<(f64, [f64; 3])> = vertices
        .iter()
        .map(|&v| place(v, half))
        .map(|at| (distance_squared(at, centre).sqrt() * SLACK, at))
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

/// Centre of the box of the vertices in mm.
fn middle(vertices: &[Vertex], half: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| {
        let along = || vertices.iter().map(|v| v[k]);
        f64::from(along().min().unwrap_or(0) + along().max().unwrap_or(0)) / 2.0 * half[k]
    })
}

/// Place of a vertex in mm.
fn place(vertex: Vertex, half: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| f64::from(vertex[k]) * half[k])
}

fn distance_squared(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|k| (a[k] - b[k]) * (a[k] - b[k])).sum()
}
