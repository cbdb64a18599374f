//! Regions: the voxels of a label, inside their bounding box.

mod binning;
mod crop;
mod islands;
mod resegment;
mod selection;
mod window;

pub(crate) use binning::edges;
pub use binning::{Binning, discretise};
pub(crate) use crop::cropped;
pub(crate) use islands::islands;
pub use resegment::{Resegment, ResegmentMode};
pub use selection::Selection;
pub(crate) use window::Window;

use osteon_kernels::voxels::{LevelError, LevelGrid, rows};
use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::image::{Image, Labels, Samples};

/// The voxels of one label (or of several together) inside their bounding box.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Its label, or the name of a union.
    pub label: String,
    /// Index of the box's first voxel in the image.
    pub corner: [usize; 3],
    /// Voxels of the box along x, y, z.
    pub size: [usize; 3],
    /// Voxel spacing in mm.
    pub spacing: [f64; 3],
    /// Index of each voxel within the box, x fastest, ascending.
    pub voxels: Vec<u32>,
}

/// The least box round some voxels.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: [usize; 3],
    high: [usize; 3],
    voxels: usize,
}

impl Bounds {
    const NONE: Self = Self { low: [usize::MAX; 3], high: [0; 3], voxels: 0 };

    fn add(&mut self, at: [usize; 3]) {
        self.join(&Self { low: at, high: at, voxels: 1 });
    }

    fn join(&mut self, other: &Self) {
        for k in 0..3 {
            self.low[k] = self.low[k].min(other.low[k]);
            self.high[k] = self.high[k].max(other.high[k]);
        }
        self.voxels += other.voxels;
    }
}

impl Region {
    /// The selected regions of a mask, in order of their labels, a union last. Labels are counted
    /// in one pass over the mask.
    ///
    /// # Errors
    /// If a label that was asked for is absent, or the mask is empty.
    pub fn find(labels: &Labels, selection: &Selection) -> Result<Vec<Self>, RadiomicsError> {
        let bounds = bounds(labels);
        let present: Vec<u16> = (1..=u16::MAX).filter(|&l| bounds[usize::from(l)].voxels > 0).collect();
        let wanted = selection.resolve(&present)?;
        let mut jobs: Vec<(String, Bounds, Vec<u16>)> =
            wanted.iter().map(|&l| (l.to_string(), bounds[usize::from(l)], vec![l])).collect();
        if selection.whole {
            let mut all = Bounds::NONE;
            wanted.iter().for_each(|&l| all.join(&bounds[usize::from(l)]));
            jobs.push(("all".into(), all, wanted));
        }
        jobs.into_par_iter()
            .map(|(label, bounds, members)| Self::collect(labels, label, bounds, &members))
            .collect()
    }

    fn collect(
        labels: &Labels,
        label: String,
        bounds: Bounds,
        members: &[u16],
    ) -> Result<Self, RadiomicsError> {
        let [nx, ny, _] = labels.geometry.size;
        let size: [usize; 3] = std::array::from_fn(|k| bounds.high[k] - bounds.low[k] + 1);
        // With the margin of a mesh.
        if u32::try_from(size.iter().map(|n| n + 2).product::<usize>()).is_err() {
            let reason = format!("its bounding box of {size:?} voxels is too large");
            return Err(RadiomicsError::Region { label, reason });
        }
        let mut member = vec![false; usize::from(u16::MAX) + 1];
        members.iter().for_each(|&l| member[usize::from(l)] = true);
        let mut voxels = Vec::with_capacity(bounds.voxels);
        for z in 0..size[2] {
            for y in 0..size[1] {
                let start = ((z + bounds.low[2]) * ny + y + bounds.low[1]) * nx + bounds.low[0];
                let first = (z * size[1] + y) * size[0];
                let row = &labels.values[start..start + size[0]];
                voxels.extend(
                    row.iter()
                        .enumerate()
                        .filter(|(_, l)| member[usize::from(**l)])
                        .map(|(x, _)| (first + x) as u32),
                );
            }
        }
        Ok(Self { label, corner: bounds.low, size, spacing: labels.geometry.spacing, voxels })
    }

    /// Place of a voxel within the box along x, y, z.
    pub fn place(&self, voxel: u32) -> [usize; 3] {
        let [nx, ny, _] = self.size;
        let v = voxel as usize;
        [v % nx, v / nx % ny, v / (nx * ny)]
    }

    /// Whether a voxel of the image belongs to the region.
    pub fn contains(&self, at: [usize; 3]) -> bool {
        if (0..3).any(|k| at[k] < self.corner[k] || at[k] >= self.corner[k] + self.size[k]) {
            return false;
        }
        let [x, y, z]: [usize; 3] = std::array::from_fn(|k| at[k] - self.corner[k]);
        self.voxels.binary_search(&(((z * self.size[1] + y) * self.size[0] + x) as u32)).is_ok()
    }

    /// Its box.
    pub(crate) fn window(&self) -> Window {
        Window { corner: self.corner, size: self.size }
    }

    /// The values of an image at the voxels of the region, in their order.
    ///
    /// # Errors
    /// If one of them is NaN or infinite.
    pub fn values(&self, image: &Image) -> Result<Vec<f64>, RadiomicsError> {
        self.values_in(&image.samples, Window::whole(image.geometry.size))
    }

    /// The same from samples that cover a window round the region.
    pub(crate) fn values_in(&self, samples: &Samples, window: Window) -> Result<Vec<f64>, RadiomicsError> {
        match samples {
            Samples::I16(v) => self.gather(window, |k| f64::from(v[k])),
            Samples::F32(v) => self.gather(window, |k| f64::from(v[k])),
            Samples::F64(v) => self.gather(window, |k| v[k]),
        }
    }

    fn gather(&self, window: Window, value: impl Fn(usize) -> f64) -> Result<Vec<f64>, RadiomicsError> {
        let [x, y, z]: [usize; 3] = std::array::from_fn(|k| self.corner[k] - window.corner[k]);
        let mut values = Vec::with_capacity(self.voxels.len());
        for row in rows(self.size, &self.voxels) {
            let start = ((z + row.z) * window.size[1] + y + row.y) * window.size[0] + x;
            values.extend(row.x().map(|x| value(start + x)));
        }
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(k) => {
                let place = self.place(self.voxels[k]);
                let index = std::array::from_fn(|a| place[a] + self.corner[a]);
                Err(RadiomicsError::Voxel { label: self.label.clone(), index, value: values[k] })
            }
        }
    }

    /// Grey levels of the voxels in their places; neighbours will be sought up to `reach` away.
    ///
    /// # Errors
    /// If there are more than 65535 distinct levels, or the padded box has more than 2^32 cells.
    pub fn grid(&self, levels: &[u32], reach: u32) -> Result<LevelGrid, RadiomicsError> {
        LevelGrid::new(self.size, &self.voxels, levels, reach).map_err(|e| {
            let advice = match e {
                LevelError::Levels(_) => "; use a larger binWidth, or binCount",
                _ => "",
            };
            RadiomicsError::Region { label: self.label.clone(), reason: format!("{e}{advice}") }
        })
    }

    /// The voxels in the bounding box of `other`; `None` if that is all of them, or none.
    pub(crate) fn within(&self, other: &Self) -> Option<Self> {
        if self.corner == other.corner && self.size == other.size {
            return None;
        }
        self.subset(|k| {
            let place = self.place(self.voxels[k]);
            (0..3).all(|a| {
                let at = place[a] + self.corner[a];
                (other.corner[a]..other.corner[a] + other.size[a]).contains(&at)
            })
        })
    }

    /// The voxels for which `keep` holds, in their own bounding box; `None` if there are none.
    pub(crate) fn subset(&self, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let mut bounds = Bounds::NONE;
        let kept: Vec<[usize; 3]> =
            self.voxels.iter().enumerate().filter(|(k, _)| keep(*k)).map(|(_, &v)| self.place(v)).collect();
        kept.iter().for_each(|&at| bounds.add(at));
        if kept.is_empty() {
            return None;
        }
        let size: [usize; 3] = std::array::from_fn(|k| bounds.high[k] - bounds.low[k] + 1);
        let index = |at: &[usize; 3]| {
            ((at[2] - bounds.low[2]) * size[1] + at[1] - bounds.low[1]) * size[0] + at[0] - bounds.low[0]
        };
        Some(Self {
            label: self.label.clone(),
            corner: std::array::from_fn(|k| self.corner[k] + bounds.low[k]),
            size,
            spacing: self.spacing,
            voxels: kept.iter().map(|at| index(at) as u32).collect(),
        })
    }
}

/// Bounding box and voxel count of every label, by label.
fn bounds(labels: &Labels) -> Vec<Bounds> {
    let [nx, ny, _] = labels.geometry.size;
    let none = || vec![Bounds::NONE; usize::from(u16::MAX) + 1];
    let slice = |(z, slice): (usize, &[u16])| {
        let mut found: Vec<(u16, Bounds)> = Vec::new();
        // Most rows are empty, and most voxels of the others have the label of the one before.
        for (y, row) in slice.chunks(nx).enumerate() {
            if row.iter().fold(0, |any, label| any | label) == 0 {
                continue;
            }
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                let (label, start) = (run[0], x);
                x += run.len();
                if label == 0 {
                    continue;
                }
                let here = Bounds { low: [start, y, z], high: [x - 1, y, z], voxels: run.len() };
                match found.iter_mut().find(|(l, _)| *l == label) {
                    Some((_, bounds)) => bounds.join(&here),
                    None => found.push((label, here)),
                }
            }
        }
        found
    };
    let per_slice: Vec<_> = labels.values.par_chunks(nx * ny).enumerate().map(slice).collect();
    let mut all = none();
    for (label, b) in per_slice.into_iter().flatten() {
        all[usize::from(label)].join(&b);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Geometry;

    fn mask() -> Labels {
        let mut values = vec![0; 4 * 3 * 2];
        values[5] = 2; // (1, 1, 0)
        values[6] = 2; // (2, 1, 0)
        values[18] = 7; // (2, 1, 1)
        Labels { geometry: Geometry::aligned([4, 3, 2], [1.0; 3]), values }
    }

    #[test]
    fn labels_and_their_union() {
        let regions = Region::find(&mask(), &Selection { labels: None, whole: true }).expect("regions");
        let seen: Vec<_> =
            regions.iter().map(|r| (r.label.as_str(), r.corner, r.size, r.voxels.clone())).collect();
        assert_eq!(
            seen,
            [
                ("2", [1, 1, 0], [2, 1, 1], vec![0, 1]),
                ("7", [2, 1, 1], [1, 1, 1], vec![0]),
                ("all", [1, 1, 0], [2, 1, 2], vec![0, 1, 3]),
            ]
        );
    }

    #[test]
    fn an_absent_label_is_named_with_those_present() {
        let absent = Selection { labels: Some(vec![3]), whole: false };
        let text = Region::find(&mask(), &absent).expect_err("label 3 is absent").to_string();
        assert!(text.contains("label 3") && text.contains("2, 7"), "{text}");
    }

    #[test]
    fn a_subset_has_its_own_box() {
        let all = &Region::find(&mask(), &Selection { labels: None, whole: true }).expect("regions")[2];
        let part = all.subset(|k| k > 0).expect("two voxels");
        assert_eq!((part.corner, part.size, part.voxels), ([2, 1, 0], [1, 1, 2], vec![0, 1]));
        assert_eq!(all.subset(|_| false), None);
    }
}
