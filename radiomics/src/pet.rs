//! Features of positron emission tomography beyond PyRadiomics: uptake, metabolic volume and glycolysis
//! of a region, from the image as it was read.
//!
//! Names end with the threshold: `pet_MTV_4.0` is the volume of the region's voxels with at least 4.0,
//! `pet_MTV_41pct` that of those with at least 41 % of the region's maximum (Boellaard et al. 2015,
//! EANM procedure guidelines 2.0); `pet_TLG_*` is the volume times the mean of its values (Larson et al.
//! 1999). SUVpeak is the highest mean in a sphere of 1 cm3 round a voxel of the region (Wahl et al. 2009,
//! PERCIST; the "global intensity peak" of the IBSI): voxels whose centres lie in the sphere count, those
//! outside the region too. Values are those of the image (SUV in g/ml), volumes ml.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::image::Image;
use crate::roi::Region;

/// Thresholds that are values.
const FIXED: [f64; 2] = [2.5, 4.0];
/// Thresholds that are parts of the maximum, in percent.
const RELATIVE: [f64; 2] = [41.0, 50.0];

/// The features of a region, NaN where no voxel reaches a threshold and there is no mean.
///
/// # Errors
/// If a value is NaN or infinite.
pub fn pet(image: &Image, region: &Region) -> Result<Vec<(String, f64)>, RadiomicsError> {
    let values = region.values(image)?;
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let voxel = region.spacing.iter().product::<f64>() / 1000.0;
    let fixed = FIXED.map(|limit| (format!("{limit:.1}"), limit));
    let relative = RELATIVE.map(|part| (format!("{part:.0}pct"), part / 100.0 * highest));
    let above = |limit: f64| values.iter().filter(move |v| **v >= limit);
    let thresholds = || fixed.iter().chain(&relative);
    let volume =
        |(name, limit): &(String, f64)| (format!("pet_MTV_{name}"), above(*limit).count() as f64 * voxel);
    let glycolysis =
        |(name, limit): &(String, f64)| (format!("pet_TLG_{name}"), above(*limit).sum::<f64>() * voxel);
    let uptake = [("SUVmax", highest), ("SUVmean", mean), ("SUVpeak", peak(image, region))];
    let mut all: Vec<(String, f64)> = uptake.map(|(name, value)| (format!("pet_{name}"), value)).to_vec();
    all.extend(thresholds().map(volume));
    all.extend(thresholds().map(glycolysis));
    Ok(all)
}

/// The highest mean in a sphere of 1 cm3 round a voxel of the region; a sphere at the border of the
/// image is cut off there.
fn peak(image: &Image, region: &Region) -> f64 {
    let radius = 10.0 * (3.0 / (4.0 * PI)).cbrt();
    let reach = region.spacing.map(|s| (radius / s).floor() as i64);
    let mut steps = Vec::new();
    for z in -reach[2]..=reach[2] {
        for y in -reach[1]..=reach[1] {
            for x in -reach[0]..=reach[0] {
                let mm =
                    [x, y, z].iter().zip(region.spacing).map(|(n, s)| (*n as f64 * s).powi(2)).sum::<f64>();
                if mm <= radius * radius {
                    steps.push([x, y, z]);
                }
            }
        }
    }
    let size = image.geometry.size;
    let mean = |&voxel: &u32| {
        let place = region.place(voxel);
        let (mut sum, mut count) = (0.0, 0.0);
        for step in &steps {
            let at: [i64; 3] = std::array::from_fn(|k| (place[k] + region.corner[k]) as i64 + step[k]);
            if (0..3).all(|k| (0..size[k] as i64).contains(&at[k])) {
                let value = image.samples.get(image.geometry.index(at.map(|p| p as usize)));
                // A voxel outside the region may be none of the body's.
                if value.is_finite() {
                    sum += value;
                    count += 1.0;
                }
            }
        }
        sum / count
    };
    region.voxels.par_iter().map(mean).reduce(|| f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Geometry, Samples};

    /// A ball of radius 10 mm and value 8 with a core of radius 3 mm and value 12, in 1.0.
    fn ball() -> (Image, Region) {
        let geometry = Geometry::aligned([25, 25, 25], [1.0; 3]);
        let distance = |k: usize| {
            let place = [k % 25, k / 25 % 25, k / 625];
            place.iter().map(|&p| (p as f64 - 12.0).powi(2)).sum::<f64>().sqrt()
        };
        let value = |k: usize| {
            if distance(k) <= 3.0 {
                12.0
            } else if distance(k) <= 10.0 {
                8.0
            } else {
                1.0
            }
        };
        let samples = Samples::F64((0..25 * 25 * 25).map(value).collect());
        let voxels = (0..25 * 25 * 25).collect();
        let whole = Region { label: "1".into(), corner: [0; 3], size: [25; 3], spacing: [1.0; 3], voxels };
        (Image { geometry, samples }, whole)
    }

    #[test]
    fn a_hot_ball() {
        let (image, region) = ball();
        let found = pet(&image, &region).expect("features");
        let named = |name: &str| found.iter().find(|(n, _)| n == name).expect("a feature").1;
        // Lattice points in balls of radius 3 and 10: OEIS A000605. The threshold of 50 % is 6, of 41 % 4.92.
        let (core, all) = (123.0, 4169.0);
        assert_eq!(named("pet_SUVmax"), 12.0);
        for name in ["2.5", "4.0", "41pct", "50pct"] {
            assert!((named(&format!("pet_MTV_{name}")) - all / 1000.0).abs() < 1e-12, "{name}");
            let expected = (12.0 * core + 8.0 * (all - core)) / 1000.0;
            assert!((named(&format!("pet_TLG_{name}")) - expected).abs() < 1e-9, "{name}");
        }
        // In the sphere of 6.2035 mm round the centre lie 1021 voxels, 123 of them hotter.
        let inside = (-6i32..=6)
            .flat_map(|z| (-6..=6).flat_map(move |y| (-6..=6).map(move |x| x * x + y * y + z * z)));
        let count = inside.filter(|d| f64::from(*d) <= 6.2035 * 6.2035).count() as f64;
        assert!((named("pet_SUVpeak") - (8.0 + 4.0 * core / count)).abs() < 1e-12);
    }
}
