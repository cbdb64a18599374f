//! Cross-sections of a body, to compare where two images see it.

use rayon::prelude::*;

use super::bits::Bits;
use crate::image::{Geometry, Image};

/// A slice of a body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Section {
    /// Its centre in patient space, in mm.
    pub centre: [f64; 3],
    /// Its area in mm2.
    pub area: f64,
}

/// Sections of the voxels from `least` on, a slice of the image each; slices without are left out.
pub fn sections(image: &Image, least: f64) -> Vec<Section> {
    of_bits(&Bits::of(image.geometry.size, |i| image.samples.get(i) >= least), &image.geometry)
}

pub(super) fn of_bits(body: &Bits, grid: &Geometry) -> Vec<Section> {
    let [nx, ny, nz] = grid.size;
    let slice = |z: usize| {
        let (mut n, mut sum) = (0u64, [0u64; 2]);
        for place in z * nx * ny..(z + 1) * nx * ny {
            if body.has(place) {
                n += 1;
                sum[0] += (place % nx) as u64;
                sum[1] += (place / nx % ny) as u64;
            }
        }
        let at = [sum[0] as f64 / n as f64, sum[1] as f64 / n as f64, z as f64];
        let centre = std::array::from_fn(|row| {
            let along = |k: usize| grid.direction[k][row] * grid.spacing[k] * at[k];
            grid.origin[row] + along(0) + along(1) + along(2)
        });
        (n > 0).then_some(Section { centre, area: n as f64 * grid.spacing[0] * grid.spacing[1] })
    };
    (0..nz).into_par_iter().filter_map(slice).collect()
}

/// How far the centres of two bodies lie apart across the slices, in mm: the mean over the slices of
/// `a` that `b` has a slice near to, weighted by area. `None` where the two do not overlap.
pub fn offset(a: &[Section], b: &[Section]) -> Option<f64> {
    let step =
        |s: &[Section]| s.windows(2).map(|w| (w[0].centre[2] - w[1].centre[2]).abs()).fold(0.0, f64::max);
    let near = step(a).max(step(b)).max(1e-3);
    let (mut weight, mut gap) = (0.0, [0.0; 2]);
    for here in a {
        let distance = |s: &Section| (s.centre[2] - here.centre[2]).abs();
        let Some(there) = b.iter().min_by(|s, t| distance(s).total_cmp(&distance(t))) else { continue };
        if distance(there) <= near {
            weight += here.area;
            (0..2).for_each(|k| gap[k] += here.area * (here.centre[k] - there.centre[k]));
        }
    }
    (weight > 0.0).then(|| gap[0].hypot(gap[1]) / weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Samples;

    /// A cuboid body, moved by `shift` mm along x.
    fn body(spacing: f64, shift: f64) -> Image {
        let n = (60.0 / spacing) as usize;
        let mut geometry = Geometry::aligned([n; 3], [spacing; 3]);
        geometry.origin[0] = shift;
        let inside = |i: usize| [i % n, i / n % n].iter().all(|&k| (n / 4..3 * n / 4).contains(&k));
        let samples = (0..geometry.voxels()).map(|i| f32::from(u8::from(inside(i)))).collect();
        Image { geometry, samples: Samples::F32(samples) }
    }

    #[test]
    fn a_shifted_body_is_seen_on_any_grid() {
        let ct = sections(&body(1.0, 0.0), 0.5);
        assert_eq!((ct.len(), ct[0].area), (60, 900.0));
        assert_eq!(offset(&ct, &ct), Some(0.0));
        let pet = sections(&body(3.0, 7.0), 0.5);
        // Centres of the coarse voxels lie 1 mm off those of the fine ones.
        let found = offset(&pet, &ct).expect("an overlap");
        assert!((found - (6.0f64).hypot(1.0)).abs() < 1e-9, "{found}");
        let mut away = body(3.0, 0.0);
        away.geometry.origin[2] = 500.0;
        assert_eq!(offset(&sections(&away, 0.5), &ct), None);
    }
}
