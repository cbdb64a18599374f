//! An image or a mask on the grid of the other: any two grids of one patient space.

use rayon::prelude::*;

use super::{Interpolator, inside, inverse, linear, spline};
use crate::image::{Geometry, Image, Labels, Samples};

/// Indices of the old grid where the voxels of the new one lie.
struct Affine {
    start: [f64; 3],
    steps: [[f64; 3]; 3],
}

impl Affine {
    fn new(old: &Geometry, new: &Geometry) -> Self {
        let inverse = inverse(&old.direction, old.spacing);
        let index = |v: [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|k| (0..3).map(|row| inverse[k][row] * v[row]).sum())
        };
        let start = index(std::array::from_fn(|k| new.origin[k] - old.origin[k]));
        let steps = std::array::from_fn(|k| index(new.direction[k].map(|c| c * new.spacing[k])));
        Self { start, steps }
    }

    fn at(&self, voxel: [usize; 3]) -> [f64; 3] {
        std::array::from_fn(|k| {
            let place =
                (0..3).fold(self.start[k], |sum, axis| sum + self.steps[axis][k] * voxel[axis] as f64);
            // A millionth of a voxel is rounding of the headers; it must not decide for a neighbour.
            if (place - place.round()).abs() < 1e-6 { place.round() } else { place }
        })
    }
}

/// A value per voxel of the new grid; `None` for places outside the old one.
fn map<T: Send>(old: &Geometry, new: &Geometry, value: impl Fn(Option<[f64; 3]>) -> T + Sync) -> Vec<T> {
    let affine = Affine::new(old, new);
    let [nx, ny, nz] = new.size;
    let lines = (0..nz * ny).into_par_iter();
    lines
        .flat_map_iter(|line| {
            let (affine, value) = (&affine, &value);
            (0..nx).map(move |x| {
                let at = affine.at([x, line % ny, line / ny]);
                value((0..3).all(|k| inside(at[k], old.size[k])).then_some(at))
            })
        })
        .collect()
}

/// Index of the nearest voxel.
fn nearest(grid: &Geometry, at: [f64; 3]) -> usize {
    grid.index(std::array::from_fn(|k| ((at[k] + 0.5).floor() as usize).min(grid.size[k] - 1)))
}

impl Labels {
    /// The mask on another grid: each voxel takes the label of the nearest one, 0 outside.
    pub fn onto(&self, grid: &Geometry) -> Self {
        let label = |at: Option<[f64; 3]>| at.map_or(0, |at| self.values[nearest(&self.geometry, at)]);
        Self { geometry: grid.clone(), values: map(&self.geometry, grid, label) }
    }
}

impl Image {
    /// The image on another grid. Voxels outside the image are NaN, so that a region that reaches
    /// there is refused instead of getting invented values.
    pub fn onto(&self, grid: &Geometry, interpolator: Interpolator) -> Self {
        let old = &self.geometry;
        let values = match interpolator {
            Interpolator::Nearest => {
                map(old, grid, |at| at.map_or(f64::NAN, |at| self.samples.get(nearest(old, at))))
            }
            Interpolator::Linear => map(old, grid, |at| at.map_or(f64::NAN, |at| linear(self, at))),
            Interpolator::BSpline => {
                let coefficients = spline::coefficients(self);
                map(old, grid, |at| at.map_or(f64::NAN, |at| spline::value(&coefficients, old.size, at)))
            }
        };
        let samples = match self.samples {
            Samples::F32(_) => Samples::F32(values.into_iter().map(|v| v as f32).collect()),
            _ => Samples::F64(values),
        };
        Self { geometry: grid.clone(), samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x + 10 y + 100 z` in mm on a grid of 2 x 2 x 3 mm.
    fn ramp() -> Image {
        let geometry = Geometry { origin: [1.0, 2.0, 3.0], ..Geometry::aligned([6, 5, 4], [2.0, 2.0, 3.0]) };
        let value = |k: usize| {
            let (x, y, z) = (k % 6, k / 6 % 5, k / 30);
            (1.0 + 2.0 * x as f64) + 10.0 * (2.0 + 2.0 * y as f64) + 100.0 * (3.0 + 3.0 * z as f64)
        };
        let samples = Samples::F64((0..120).map(value).collect());
        Image { geometry, samples }
    }

    #[test]
    fn a_ramp_is_itself_on_a_turned_grid() {
        // The new x runs along the old y, the new y against the old x.
        let direction = [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let grid = Geometry { size: [3, 3, 2], spacing: [1.5, 1.0, 2.0], origin: [6.0, 3.0, 4.0], direction };
        let image = ramp().onto(&grid, Interpolator::Linear);
        for k in 0..18 {
            let (i, j, z) = ((k % 3) as f64, (k / 3 % 3) as f64, (k / 9) as f64);
            let wanted = (6.0 - j) + 10.0 * (3.0 + 1.5 * i) + 100.0 * (4.0 + 2.0 * z);
            assert!((image.samples.get(k) - wanted).abs() < 1e-9, "{k}");
        }
        let far = Geometry { origin: [90.0, 0.0, 0.0], ..grid };
        assert!(ramp().onto(&far, Interpolator::BSpline).samples.get(0).is_nan());
    }

    #[test]
    fn a_mask_takes_the_nearest_label_and_nothing_outside() {
        let old = Geometry::aligned([2, 1, 1], [2.0; 3]);
        let labels = Labels { geometry: old, values: vec![3, 7] };
        let grid = Geometry { origin: [-2.0, 0.0, 0.0], ..Geometry::aligned([7, 1, 1], [1.0; 3]) };
        // Centres at -2, -1, ..., 4 mm; voxels reach from -1 to 1 and from 1 to 3 mm.
        assert_eq!(labels.onto(&grid).values, [0, 3, 3, 7, 7, 0, 0]);
    }
}
