//! How many parts a region has.

use super::Region;

/// Parts whose voxels touch by a face, an edge or a corner.
pub(crate) fn islands(region: &Region) -> usize {
    let size = region.size.map(|n| n + 2);
    let mut open = vec![false; size.iter().product()];
    let cell = |voxel: u32| {
        let [x, y, z] = region.place(voxel).map(|p| p + 1);
        (z * size[1] + y) * size[0] + x
    };
    region.voxels.iter().for_each(|&v| open[cell(v)] = true);
    let (row, slice) = (size[0] as isize, (size[0] * size[1]) as isize);
    let steps =
        (-1..=1).flat_map(|z| (-1..=1).flat_map(move |y| (-1..=1).map(move |x| z * slice + y * row + x)));
    let steps: Vec<isize> = steps.collect();
    let (mut parts, mut found) = (0, Vec::new());
    for start in region.voxels.iter().map(|&v| cell(v)) {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        parts += 1;
        found.push(start);
        while let Some(at) = found.pop() {
            for step in &steps {
                let next = (at as isize + step) as usize;
                if std::mem::take(&mut open[next]) {
                    found.push(next);
                }
            }
        }
    }
    parts
}
