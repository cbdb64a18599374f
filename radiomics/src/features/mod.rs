//! Feature classes, by PyRadiomics' names and in its order. A new class is one file and one line
//! of [`CLASSES`].

mod counted;
mod emphasis;
mod firstorder;
mod glcm;
mod glcm_one_way;
mod gldm;
mod glrlm;
mod glszm;
mod mcc;
mod ngtdm;
mod shape;
mod shape2d;

use std::borrow::Cow;
use std::sync::OnceLock;

pub(crate) use counted::{Counted, levels_on};
use osteon_kernels::backend::Shared;
use osteon_kernels::ops::glcm::pairs;
use osteon_kernels::ops::glrlm::runs;
use osteon_kernels::ops::glszm::zones;
use osteon_kernels::ops::neighbourhood::{Neighbourhood, neighbourhoods};
use osteon_kernels::voxels::{Extent, LevelGrid, Offset, offsets};

use crate::error::RadiomicsError;
use crate::roi::Region;
use crate::settings::Settings;

/// What features are computed from: one region of one image.
#[derive(Debug)]
pub struct Case<'a> {
    /// The region.
    pub region: &'a Region,
    /// Values at the voxels of `region`.
    pub values: &'a [f64],
    /// Grey levels at the voxels of `region`.
    pub grid: &'a LevelGrid,
    /// Parameters.
    pub settings: &'a Settings,
    /// The highest grey level of the region that this one is the neighbourhood of a voxel in.
    part_of: Option<u32>,
    /// What a device has counted.
    counted: Counted,
    /// What surrounds each voxel, once some class asks for it.
    around: OnceLock<Neighbourhood>,
}

impl<'a> Case<'a> {
    /// A region with the values and grey levels of its voxels.
    pub fn new(region: &'a Region, values: &'a [f64], grid: &'a LevelGrid, settings: &'a Settings) -> Self {
        let counted = Counted::default();
        Self { region, values, grid, settings, part_of: None, counted, around: OnceLock::new() }
    }

    /// The same with matrices that were counted before.
    pub(crate) fn with(self, mut counted: Counted) -> Self {
        let around = counted.around.take().map_or_else(OnceLock::new, OnceLock::from);
        Self { counted, around, ..self }
    }

    /// The same as the neighbourhood of a voxel in a region whose highest grey level is `highest`.
    pub(crate) fn part_of(self, highest: u32) -> Self {
        Self { part_of: Some(highest), ..self }
    }

    /// The pairs at the offset that is number `k` of the settings'.
    fn pairs(&self, (k, offset): (usize, Offset)) -> Cow<'_, [(u16, u16, u64)]> {
        match &self.counted.pairs {
            Some(all) => Cow::Borrowed(&all[k].entries),
            None => Cow::Owned(pairs(self.grid, offset).entries),
        }
    }

    /// The runs along the offset that is number `k` of those at distance 1.
    fn runs(&self, (k, offset): (usize, Offset)) -> Cow<'_, [Extent]> {
        match &self.counted.runs {
            Some(all) => Cow::Borrowed(&all[k]),
            None => Cow::Owned(runs(self.grid, offset)),
        }
    }

    /// The zones.
    fn zones(&self) -> Cow<'_, [Extent]> {
        match &self.counted.zones {
            Some(all) => Cow::Borrowed(all),
            None => Cow::Owned(zones(self.grid, &offsets(&[1], self.settings.flat_axis()))),
        }
    }

    /// The neighbourhoods of all voxels, which classes share.
    fn around(&self) -> &Neighbourhood {
        self.around.get_or_init(|| {
            let steps = offsets(&self.settings.distances, self.settings.flat_axis());
            neighbourhoods(self.grid, &steps, self.settings.gldm_a)
        })
    }
}

/// A class of features.
#[derive(Debug, Clone, Copy)]
pub struct FeatureClass {
    /// PyRadiomics' name of the class.
    pub name: &'static str,
    /// Names of its features, in the order of the columns: ASCII order of the names of
    /// PyRadiomics' methods, `get<Name>FeatureValue`.
    pub features: &'static [&'static str],
    /// Features that PyRadiomics computes only when they are asked for by name.
    pub on_request: &'static [&'static str],
    /// The values of `features`. NaN where a feature does not exist.
    pub compute: Compute,
}

/// What the features of a class depend on.
#[derive(Debug, Clone, Copy)]
pub enum Compute {
    /// The form of the region; once per region, whatever images are made of it. On a device if there is one.
    OfForm(fn(&Region, Option<&Shared>) -> Result<Vec<f64>, RadiomicsError>),
    /// The form of a region that is one voxel thick along an axis (0 x, 1 y, 2 z).
    OfPlane(fn(&Region, usize) -> Vec<f64>),
    /// The values of an image in the region.
    OfValues(fn(&Case) -> Vec<f64>),
}

/// All classes, in the order of the columns.
pub const CLASSES: [FeatureClass; 8] = [
    shape::CLASS,
    shape2d::CLASS,
    firstorder::CLASS,
    glcm::CLASS,
    gldm::CLASS,
    glrlm::CLASS,
    glszm::CLASS,
    ngtdm::CLASS,
];

impl FeatureClass {
    /// Features computed when none is named.
    pub fn defaults(&self) -> impl Iterator<Item = &'static str> {
        self.features.iter().copied().filter(|f| !self.on_request.contains(f))
    }
}

/// What PyRadiomics adds inside a logarithm: the distance from 1 to the next double.
const EPSILON: f64 = f64::EPSILON;

/// Entropy of probabilities in bits.
fn entropy(p: impl Iterator<Item = f64>) -> f64 {
    -p.map(|p| p * (p + EPSILON).log2()).sum::<f64>()
}

/// Mean over directions of each feature, NaN left out; NaN where there is no direction.
fn mean_over_directions(rows: &[Vec<f64>], features: usize) -> Vec<f64> {
    let column = |k: usize| {
        let present: Vec<f64> = rows.iter().map(|r| r[k]).filter(|x| !x.is_nan()).collect();
        present.iter().sum::<f64>() / present.len() as f64
    };
    (0..features).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_counted_as_in_pyradiomics() {
        let counts: Vec<_> =
            CLASSES.iter().map(|c| (c.name, c.features.len(), c.defaults().count())).collect();
        assert_eq!(
            counts,
            [
                ("shape", 17, 14),
                ("shape2D", 10, 9),
                ("firstorder", 19, 18),
                ("glcm", 24, 24),
                ("gldm", 14, 14),
                ("glrlm", 16, 16),
                ("glszm", 16, 16),
                ("ngtdm", 5, 5)
            ]
        );
        for class in CLASSES {
            assert!(class.features.is_sorted_by_key(|f| format!("{f}FeatureValue")), "{}", class.name);
        }
    }
}
