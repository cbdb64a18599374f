//! Shape of a region in space (PyRadiomics `shape.py`).

use nalgebra::{Matrix3, SymmetricEigen};
use osteon_kernels::backend::{DeviceError, Shared};
use osteon_kernels::ops::diameter::{self, Diameters, diameters};
use osteon_kernels::ops::mesh::device::Placed;
use osteon_kernels::ops::mesh::{self, Mesh, Solid};
use osteon_kernels::voxels::rows;

use super::{Compute, FeatureClass};
use crate::error::RadiomicsError;
use crate::roi::Region;

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "shape",
    features: &[
        "Compactness1",
        "Compactness2",
        "Elongation",
        "Flatness",
        "LeastAxisLength",
        "MajorAxisLength",
        "Maximum2DDiameterColumn",
        "Maximum2DDiameterRow",
        "Maximum2DDiameterSlice",
        "Maximum3DDiameter",
        "MeshVolume",
        "MinorAxisLength",
        "SphericalDisproportion",
        "Sphericity",
        "SurfaceArea",
        "SurfaceVolumeRatio",
        "VoxelVolume",
    ],
    on_request: &["Compactness1", "Compactness2", "SphericalDisproportion"],
    compute: Compute::OfForm(compute),
};

fn compute(region: &Region, device: Option<&Shared>) -> Result<Vec<f64>, RadiomicsError> {
    let solid = Solid::new(region.size, &region.voxels, region.spacing);
    let (Mesh { volume, area }, Diameters { slice, row, column, space }) = match device {
        Some(device) => measured_on(device, region, solid)?,
        None => rayon::join(|| Mesh::of(&solid), || diameters(&solid)),
    };
    let [least, minor, major] = axes(region);
    let length = |eigenvalue: f64| 4.0 * eigenvalue.sqrt();
    let sphere = (36.0 * std::f64::consts::PI * volume * volume).cbrt();
    let voxel: f64 = region.spacing.iter().product();
    Ok(vec![
        volume / (area.powf(1.5) * std::f64::consts::PI.sqrt()),
        36.0 * std::f64::consts::PI * volume * volume / area.powi(3),
        (minor / major).sqrt(),
        (least / major).sqrt(),
        length(least),
        length(major),
        column,
        row,
        slice,
        space,
        volume,
        length(minor),
        area / sphere,
        sphere / area,
        area,
        area / volume,
        voxel * region.voxels.len() as f64,
    ])
}

/// Surface and vertices on a device; the hulls of sections are found by the threads here.
fn measured_on(device: &Shared, region: &Region, solid: Solid) -> Result<(Mesh, Diameters), DeviceError> {
    let spacing = region.spacing;
    let (mesh, ends) = device.run(move |device| {
        let placed = Placed::new(device, &solid)?;
        Ok((mesh::device::mesh(&placed)?, diameter::device::ends(&placed)?))
    })?;
    let sections = ends.sections(spacing);
    let longest = device.run(move |device| diameter::device::longest(device, &sections))?;
    Ok((mesh, longest))
}

/// Eigenvalues of the covariance (divisor N) of the voxel centres in mm2, ascending; tiny negative
/// ones are 0, others give NaN lengths.
fn axes(region: &Region) -> [f64; 3] {
    // Integer moments: exact, whatever the order.
    let (mut first, mut second) = ([0i128; 3], [[0i128; 3]; 3]);
    for row in rows(region.size, &region.voxels) {
        let n = row.voxels.len() as i64;
        let (y, z) = (row.y as i64, row.z as i64);
        let (mut x, mut xx) = (0i64, 0i64);
        for at in row.x() {
            x += at as i64;
            xx += (at * at) as i64;
        }
        for (sum, part) in first.iter_mut().zip([x, n * y, n * z]) {
            *sum += i128::from(part);
        }
        for (sums, parts) in
            second.iter_mut().zip([[xx, x * y, x * z], [0, n * y * y, n * y * z], [0, 0, n * z * z]])
        {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += i128::from(part));
        }
    }
    let n = region.voxels.len() as i128;
    let covariance = Matrix3::from_fn(|a, b| {
        let (low, high) = (a.min(b), a.max(b));
        let scaled = (n * second[low][high] - first[low] * first[high]) as f64;
        scaled / (n as f64 * n as f64) * region.spacing[low] * region.spacing[high]
    });
    let mut values: Vec<f64> = SymmetricEigen::new(covariance).eigenvalues.iter().copied().collect();
    values.sort_by(f64::total_cmp);
    let clean = |v: f64| if v < 0.0 && v > -1e-10 { 0.0 } else { v };
    [clean(values[0]), clean(values[1]), clean(values[2])]
}
