//! Volumes that the harness tests the ops on, and how an oracle looks at one.

use super::{LevelGrid, Offset, offsets};
use crate::ops::case::{Case, Tensor, integers};

/// Grey levels by place: the plain view of a case, 0 outside the region and the volume.
#[derive(Debug)]
pub struct Plain {
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Grey level of each voxel, x fastest.
    pub level: Vec<u32>,
}

impl Plain {
    /// Input `level` of a case.
    pub fn of(case: &Case) -> Self {
        let tensor = case.input("level");
        let level = tensor.to_f64().iter().map(|&l| l as u32).collect();
        Self { size: [tensor.shape[2], tensor.shape[1], tensor.shape[0]], level }
    }

    /// The level at a place.
    pub fn at(&self, place: [i64; 3]) -> u32 {
        let inside = (0..3).all(|k| (0..self.size[k] as i64).contains(&place[k]));
        let [x, y, z] = place.map(|p| p as usize);
        if inside { self.level[(z * self.size[1] + y) * self.size[0] + x] } else { 0 }
    }

    /// All places of the volume, x fastest.
    pub fn places(&self) -> impl Iterator<Item = [i64; 3]> + use<> {
        let [nx, ny, nz] = self.size.map(|n| n as i64);
        (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])))
    }

    /// The places of the region.
    pub fn region(&self) -> impl Iterator<Item = [i64; 3]> + '_ {
        self.places().filter(|&p| self.at(p) > 0)
    }

    /// Indices of the region's voxels, ascending.
    pub fn voxels(&self) -> Vec<u32> {
        (0..self.level.len() as u32).filter(|&v| self.level[v as usize] > 0).collect()
    }

    /// The same as the fast versions see it.
    pub fn grid(&self, reach: u32) -> LevelGrid {
        let levels: Vec<u32> = self.level.iter().copied().filter(|l| *l > 0).collect();
        LevelGrid::new(self.size, &self.voxels(), &levels, reach)
            .unwrap_or_else(|e| panic!("a case of the harness: {e}"))
    }
}

/// The place one offset further.
pub fn moved(place: [i64; 3], by: Offset) -> [i64; 3] {
    std::array::from_fn(|k| place[k] + i64::from(by[k]))
}

/// The directions of a case: option `distance` (1 where absent), `flat` (axis + 1, 0 none).
pub fn directions(case: &Case) -> Vec<Offset> {
    offsets(&[case.size("distance").max(1) as u32], case.size("flat").checked_sub(1))
}

/// Regions from nothing to more than a block of any device.
pub fn of_levels() -> Vec<Case> {
    let case = |label: &str, size: [usize; 3], levels: u64, step: u32, part: u64| {
        let n: usize = size.iter().product();
        let (level, kept) = (integers(1, n, levels.max(1)), integers(2, n, 8));
        let level = level.iter().zip(kept).map(|(l, k)| u32::from(u64::from(k) < part) * (1 + l * step));
        let [nx, ny, nz] = size;
        Case::new(label).with(Tensor::u32("level", &[nz, ny, nx], level.collect()))
    };
    vec![
        case("empty", [4, 3, 2], 3, 1, 0),
        case("one_voxel", [1, 1, 1], 1, 1, 8),
        case("one_level", [6, 5, 4], 1, 1, 8),
        case("few_levels", [9, 7, 5], 4, 3, 6),
        case("full_box", [8, 8, 8], 2, 1, 8),
        case("plane_1xNxM", [1, 23, 19], 5, 1, 7),
        case("line_Nx1x1", [41, 1, 1], 2, 1, 6),
        case("runs_of_32", [32, 2, 1], 1, 1, 8),
        case("runs_of_33", [33, 2, 1], 1, 1, 8),
        case("runs_of_70", [70, 3, 2], 1, 1, 8),
        case("scattered", [17, 13, 11], 3, 1, 1),
        case("levels_10000", [24, 20, 18], 10_000, 1, 8),
        case("distance_2", [9, 8, 7], 4, 1, 6).option("distance", 2.0),
        case("flat_z", [9, 8, 7], 4, 1, 6).option("flat", 3.0),
        case("more_than_a_block", [37, 29, 23], 6, 2, 5),
    ]
}
