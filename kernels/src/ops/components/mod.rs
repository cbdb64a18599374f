//! `components`: numbers the connected parts of a volume.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | level | `[Z, Y, X]` | label or grey level; 0 is background |
//! | component | `[Z, Y, X]` | 0 in the background, else the component, from 1 in order of first voxels |
//! | size | `[C]` | voxels of each component |
//!
//! Neighbours of one level are connected through faces (6), edges (18) or corners (26). Union-find over
//! one pass (Rosenfeld and Pfaltz, J. ACM 13 (1966)); the lower root stays, so numbers depend on no order.

pub mod device;
mod op;

pub use op::ComponentsOp;
pub(crate) use op::lowest;

use crate::voxels::{LevelError, LevelGrid, Offset, offsets};

/// Which neighbours are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Through faces: 6.
    Faces,
    /// Through faces and edges: 18.
    Edges,
    /// Through faces, edges and corners: 26.
    Corners,
}

impl Connectivity {
    /// One step of each pair of opposite ones.
    pub fn steps(self) -> Vec<Offset> {
        let most = self as i32 + 1;
        let mut steps = offsets(&[1], None);
        steps.retain(|s| s.iter().map(|k| k.abs()).sum::<i32>() <= most);
        steps
    }
}

/// Connected parts of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Component of each of the given voxels, from 1.
    pub labels: Vec<u32>,
    /// Voxels of each component.
    pub sizes: Vec<u32>,
}

/// Components of the `voxels` (ascending indices in a box of `size`), each of one of `levels`.
///
/// # Errors
/// As [`LevelGrid::new`].
pub fn components(
    size: [usize; 3],
    voxels: &[u32],
    levels: &[u32],
    connectivity: Connectivity,
) -> Result<Components, LevelError> {
    let grid = LevelGrid::new(size, voxels, levels, 1)?;
    let strides: Vec<usize> = connectivity.steps().iter().map(|&o| grid.stride(o).unsigned_abs()).collect();
    let forest = Forest::grow(&grid.cells, &grid.voxels, &strides);
    let labels = grid.voxels.iter().map(|&cell| forest.labels[cell as usize]).collect();
    Ok(Components { labels, sizes: forest.sizes })
}

/// Components by cell of a grid with a margin.
pub(crate) struct Forest {
    /// Component of each cell, from 1; 0 where no voxel is.
    pub labels: Vec<u32>,
    /// Voxels of each component.
    pub sizes: Vec<u32>,
    /// First cell of each component.
    pub first: Vec<u32>,
}

impl Forest {
    /// Joins the `voxels` (ascending cells) that are `strides` apart and of one level.
    pub fn grow(cells: &[u16], voxels: &[u32], strides: &[usize]) -> Self {
        // Parents point to lower cells; cell 0 lies in the margin, so 0 stands for none. Zeroed memory
        // is only touched where voxels are.
        let mut parent = vec![0u32; cells.len()];
        for &cell in voxels {
            let level = cells[cell as usize];
            let mut root = cell;
            parent[cell as usize] = cell;
            for &stride in strides {
                let other = cell as usize - stride;
                if cells[other] == level {
                    root = join(&mut parent, root, other as u32);
                }
            }
        }
        // A parent is lower than its cell, so it has its label already.
        let (mut sizes, mut first) = (Vec::new(), Vec::new());
        for &cell in voxels {
            let above = parent[cell as usize];
            let label = if above == cell {
                sizes.push(0);
                first.push(cell);
                sizes.len() as u32
            } else {
                parent[above as usize]
            };
            parent[cell as usize] = label;
            sizes[label as usize - 1] += 1;
        }
        Self { labels: parent, sizes, first }
    }
}

/// The root of a cell; every second cell on the way is hung higher.
fn find(parent: &mut [u32], mut cell: u32) -> u32 {
    loop {
        let above = parent[cell as usize];
        if above == cell {
            return cell;
        }
        let higher = parent[above as usize];
        parent[cell as usize] = higher;
        cell = higher;
    }
}

/// Joins the tree of `root` with that of a cell; its root.
fn join(parent: &mut [u32], root: u32, cell: u32) -> u32 {
    let other = find(parent, cell);
    let (low, high) = (root.min(other), root.max(other));
    parent[high as usize] = low;
    low
}
