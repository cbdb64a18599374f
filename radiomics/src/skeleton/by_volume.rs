//! A mask on another grid: PET voxels are several CT voxels wide.

use rayon::prelude::*;

use crate::image::{Geometry, Labels};

/// Greatest number of points along an axis of a voxel.
const MOST: usize = 8;

impl Labels {
    /// The mask on another grid. A voxel there is looked at in points that lie no farther apart than
    /// the voxels here; it is in the mask if half of them or more are, with the label that most have
    /// (the lowest of equals).
    pub fn by_volume(&self, grid: &Geometry) -> Self {
        let points: [usize; 3] = std::array::from_fn(|k| {
            // Axes may be exchanged between the grids; the finest spacing serves all.
            let finest = self.geometry.spacing.iter().copied().fold(f64::INFINITY, f64::min);
            ((grid.spacing[k] / finest - 1e-6).ceil() as usize).clamp(1, MOST)
        });
        let total = points.iter().product::<usize>();
        let step = |k: usize, p: usize| (p as f64 + 0.5) / points[k] as f64 - 0.5;
        let [nx, ny, nz] = grid.size;
        let values = (0..ny * nz)
            .into_par_iter()
            .flat_map_iter(|row| {
                let mut votes: Vec<(u16, usize)> = Vec::new();
                (0..nx).map(move |x| {
                    votes.clear();
                    let at = [x, row % ny, row / ny].map(|i| i as f64);
                    for p in 0..total {
                        let p = [p % points[0], p / points[0] % points[1], p / (points[0] * points[1])];
                        let label = self.at(grid, std::array::from_fn(|k| at[k] + step(k, p[k])));
                        match votes.iter_mut().find(|(l, _)| *l == label) {
                            Some((_, n)) => *n += 1,
                            None => votes.push((label, 1)),
                        }
                    }
                    let inside: usize = votes.iter().filter(|(l, _)| *l > 0).map(|(_, n)| n).sum();
                    let best = votes.iter().filter(|(l, _)| *l > 0).max_by_key(|(l, n)| (*n, u16::MAX - l));
                    best.filter(|_| 2 * inside >= total).map_or(0, |(l, _)| *l)
                })
            })
            .collect();
        Self { geometry: grid.clone(), values }
    }

    /// Part of the mask, from 0 to 1, whose voxels have their centres beyond another grid; 0 for an empty
    /// mask.
    pub fn beyond(&self, grid: &Geometry) -> f64 {
        let there = Self { geometry: grid.clone(), values: Vec::new() };
        let [nx, ny, _] = self.geometry.size;
        let inside = |i: usize| {
            let at = [i % nx, i / nx % ny, i / (nx * ny)].map(|k| k as f64);
            there.place(&self.geometry, at).is_some()
        };
        let labelled = (0..self.values.len()).into_par_iter().filter(|&i| self.values[i] > 0);
        let count = |i: usize| [1, usize::from(!inside(i))];
        let [all, out] = labelled.map(count).reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        if all == 0 { 0.0 } else { out as f64 / all as f64 }
    }

    /// The label of the voxel nearest to an index of another grid; 0 beyond the image.
    fn at(&self, grid: &Geometry, index: [f64; 3]) -> u16 {
        self.place(grid, index).map_or(0, |place| self.values[self.geometry.index(place)])
    }

    /// The voxel nearest to an index of another grid.
    fn place(&self, grid: &Geometry, index: [f64; 3]) -> Option<[usize; 3]> {
        let here = &self.geometry;
        let gap: [f64; 3] = std::array::from_fn(|row| {
            let away = |k: usize| grid.direction[k][row] * grid.spacing[k] * index[k];
            grid.origin[row] + away(0) + away(1) + away(2) - here.origin[row]
        });
        let mut place = [0; 3];
        for k in 0..3 {
            // The axes are orthonormal, so their transpose turns back.
            let along = (0..3).map(|row| here.direction[k][row] * gap[row]).sum::<f64>() / here.spacing[k];
            let nearest = (along + 0.5).floor();
            if !(0.0..here.size[k] as f64).contains(&nearest) {
                return None;
            }
            place[k] = nearest as usize;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[u16], spacing: f64) -> Labels {
        let geometry = Geometry::aligned([values.len(), 1, 1], [spacing, 1.0, 1.0]);
        Labels { geometry, values: values.to_vec() }
    }

    #[test]
    fn half_of_a_voxel_decides() {
        let mut grid = Geometry::aligned([3, 1, 1], [4.0, 1.0, 1.0]);
        // Voxels here are centred on 0..12; those there begin at -0.5.
        grid.origin[0] = 1.5;
        let mask = line(&[1, 1, 0, 0, 7, 7, 7, 9, 2, 0, 0, 0], 1.0);
        assert_eq!(mask.by_volume(&grid).values, [1, 7, 0]);
        assert_eq!(mask.by_volume(&mask.geometry), mask);
    }

    #[test]
    fn beyond_the_image_there_is_nothing() {
        let mask = line(&[3; 4], 1.0);
        let mut grid = Geometry::aligned([6, 1, 1], [1.0; 3]);
        grid.origin[0] = -1.0;
        assert_eq!(mask.by_volume(&grid).values, [0, 3, 3, 3, 3, 0]);
        assert_eq!(mask.beyond(&grid), 0.0);
        grid.size[0] = 2;
        assert_eq!(mask.beyond(&grid), 0.75);
        grid.size[0] = 6;
        // The same places, counted from the other end.
        grid.origin[0] = 4.0;
        grid.direction = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(mask.by_volume(&grid).values, [0, 3, 3, 3, 3, 0]);
    }
}
