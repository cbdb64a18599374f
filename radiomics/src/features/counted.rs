//! Matrices of grey levels that a device has counted.

use std::sync::Arc;

use osteon_kernels::backend::{DeviceError, Shared};
use osteon_kernels::ops::glcm::{self, Pairs};
use osteon_kernels::ops::histogram::{self, Edges};
use osteon_kernels::ops::neighbourhood::{self, Neighbourhood};
use osteon_kernels::ops::{glrlm, glszm};
use osteon_kernels::voxels::device::Placed;
use osteon_kernels::voxels::{Extent, LevelGrid, offsets};

use super::CLASSES;
use crate::settings::Settings;

/// The grey level of each value, and the values again.
pub(crate) fn levels_on(
    device: &Shared,
    edges: Edges,
    values: Vec<f64>,
) -> Result<(Vec<u32>, Vec<f64>), DeviceError> {
    device.run(move |device| Ok((histogram::device::levels(device, &edges, &values)?.0, values)))
}

/// Integer matrices, each where some class needs it. Without a device classes count their own.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// By direction at the distances of the settings.
    pub pairs: Option<Vec<Pairs>>,
    /// By direction at distance 1.
    pub runs: Option<Vec<Vec<Extent>>>,
    pub zones: Option<Vec<Extent>>,
    pub around: Option<Neighbourhood>,
}

impl Counted {
    /// What some classes need of a region; its grey levels are brought to the device once.
    pub fn on(
        device: &Shared,
        grid: &Arc<LevelGrid>,
        settings: &Settings,
        classes: &[usize],
    ) -> Result<Self, DeviceError> {
        let wanted = |names: &[&str]| classes.iter().any(|&class| names.contains(&CLASSES[class].name));
        let [pairs, runs, zones] = [["glcm"], ["glrlm"], ["glszm"]].map(|names| wanted(&names));
        let around = wanted(&["gldm", "ngtdm"]);
        let far = offsets(&settings.distances, settings.flat_axis());
        let near = offsets(&[1], settings.flat_axis());
        let (grid, alpha) = (Arc::clone(grid), settings.gldm_a);
        device.run(move |device| {
            let placed = Placed::new(device, &grid)?;
            Ok(Self {
                pairs: pairs.then(|| glcm::device::pairs(&placed, &far)).transpose()?,
                runs: runs.then(|| glrlm::device::runs(&placed, &near)).transpose()?,
                zones: zones.then(|| glszm::device::zones(&placed, &near)).transpose()?,
                around: around
                    .then(|| neighbourhood::device::neighbourhoods(&placed, &far, alpha))
                    .transpose()?,
            })
        })
    }
}
