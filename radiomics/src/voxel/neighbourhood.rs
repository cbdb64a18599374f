//! The neighbourhoods of voxels as small regions.

use crate::error::RadiomicsError;
use crate::features::Case;
use crate::image::Samples;
use crate::roi::{Region, Window, discretise};
use crate::settings::Settings;

/// Values and grey levels of the voxels that may be neighbours.
pub(super) struct Neighbourhoods<'a> {
    settings: &'a Settings,
    label: &'a str,
    size: [usize; 3],
    spacing: [f64; 3],
    values: Vec<f64>,
    /// 0 where no voxel is a neighbour.
    levels: Vec<u32>,
    highest: u32,
}

impl<'a> Neighbourhoods<'a> {
    /// Of samples in a window, the box of the region and its margin.
    ///
    /// # Errors
    /// If a value is NaN or infinite, or the values span too many grey levels.
    pub(super) fn new(
        samples: &Samples,
        window: Window,
        region: &'a Region,
        settings: &'a Settings,
    ) -> Result<Self, RadiomicsError> {
        let voxels = (0..samples.len() as u32).collect();
        let Window { corner, size } = window;
        let whole = Region { corner, size, voxels, ..region.clone() };
        let used = if settings.voxel.masked_kernel { region } else { &whole };
        let found = used.values_in(samples, window)?;
        let found_levels = discretise(&found, settings.bins(), samples, &region.label)?;
        let highest = found_levels.iter().copied().max().unwrap_or(0);
        let (mut values, mut levels) = (vec![0.0; whole.voxels.len()], vec![0; whole.voxels.len()]);
        for ((&voxel, value), level) in used.voxels.iter().zip(found).zip(found_levels) {
            let place = used.place(voxel);
            let [x, y, z]: [usize; 3] = std::array::from_fn(|k| place[k] + used.corner[k] - corner[k]);
            let at = (z * size[1] + y) * size[0] + x;
            (values[at], levels[at]) = (value, level);
        }
        Ok(Self { settings, label: &region.label, size, spacing: region.spacing, values, levels, highest })
    }

    /// Features of the neighbourhood of a voxel.
    ///
    /// # Errors
    /// If it has too many grey levels.
    pub(super) fn features(
        &self,
        voxel: usize,
        compute: fn(&Case) -> Vec<f64>,
    ) -> Result<Vec<f64>, RadiomicsError> {
        let [nx, ny, _] = self.size;
        let place = [voxel % nx, voxel / nx % ny, voxel / (nx * ny)];
        let reach = self.settings.voxel.kernel_radius as usize;
        let reach: [usize; 3] =
            std::array::from_fn(|k| if self.settings.flat_axis() == Some(k) { 0 } else { reach });
        let low: [usize; 3] = std::array::from_fn(|k| place[k].saturating_sub(reach[k]));
        let size: [usize; 3] = std::array::from_fn(|k| (place[k] + reach[k] + 1).min(self.size[k]) - low[k]);
        let (mut voxels, mut values, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for z in 0..size[2] {
            for y in 0..size[1] {
                let start = ((z + low[2]) * ny + y + low[1]) * nx + low[0];
                let first = (z * size[1] + y) * size[0];
                for x in (0..size[0]).filter(|x| self.levels[start + x] > 0) {
                    voxels.push((first + x) as u32);
                    values.push(self.values[start + x]);
                    levels.push(self.levels[start + x]);
                }
            }
        }
        let region =
            Region { label: self.label.to_owned(), corner: low, size, spacing: self.spacing, voxels };
        let grid = region.grid(&levels, self.settings.reach())?;
        Ok(compute(&Case::new(&region, &values, &grid, self.settings).part_of(self.highest)))
    }
}
