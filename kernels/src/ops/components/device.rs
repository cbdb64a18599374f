//! The device versions: trees of cells that threads join by atomic minima, so that a component's root is its
//! lowest cell whatever the order was.

use super::{Components, Connectivity};
use crate::backend::{Buffer, DeviceError, Launch, Source};
use crate::voxels::Offset;
use crate::voxels::device::Placed;

pub(super) const SOURCE: Source =
    Source { op: "components", wgsl: include_str!("components.wgsl"), cuda: include_str!("components.cu") };

/// Components of a grid on a device.
pub(crate) struct Roots {
    /// Lowest cell of each voxel's component.
    pub root: Buffer,
    /// A word for each cell of the grid, free to be used.
    pub by_cell: Buffer,
}

/// Joins the voxels of one level that are `steps` apart.
pub(crate) fn roots(placed: &Placed, steps: &[Offset]) -> Result<Roots, DeviceError> {
    let Placed { device, grid, cells, voxel } = placed;
    // The farthest first: its trees are the flattest.
    let mut strides: Vec<u32> = steps.iter().map(|&o| grid.stride(o).unsigned_abs() as u32).collect();
    strides.sort_unstable_by(|a, b| b.cmp(a));
    let back = device.put_words("back", &strides)?;
    let parent = device.alloc("parent", grid.cells.len())?;
    let root = device.alloc("root", grid.count())?;
    let (params, groups) = ([grid.count() as u32, strides.len() as u32], device.elementwise(grid.count()));
    let launch = |entry, buffers: &[_]| Launch::new(SOURCE, entry, buffers, &params, groups);
    device.run([
        launch("components_start", &[voxel, &parent]),
        launch("components_join", &[voxel, &parent, cells, &back]),
        launch("components_root", &[voxel, &parent, &root]),
    ])?;
    Ok(Roots { root, by_cell: parent })
}

/// As [`components`](super::components), to the bit.
///
/// # Errors
/// If the cells are more than the device can see at once, or it fails.
pub fn components(placed: &Placed, connectivity: Connectivity) -> Result<Components, DeviceError> {
    let roots = roots(placed, &connectivity.steps())?;
    let root = placed.device.download(&roots.root)?;
    // A root is the first of its component's voxels. Zeroed memory is only touched where roots are.
    let mut label = vec![0u32; placed.grid.cells.len()];
    let mut found = Components { labels: Vec::with_capacity(root.len()), sizes: Vec::new() };
    for (&root, &voxel) in root.iter().zip(&placed.grid.voxels) {
        if root == voxel {
            found.sizes.push(0);
            label[root as usize] = found.sizes.len() as u32;
        }
        let label = label[root as usize];
        found.sizes[label as usize - 1] += 1;
        found.labels.push(label);
    }
    Ok(found)
}
