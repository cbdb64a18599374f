//! Shape of a region in a plane (PyRadiomics `shape2D.py`): marching squares at half height, with
//! corners in the middle between pixels inside and outside.

use nalgebra::{Matrix2, SymmetricEigen};

use super::{Compute, FeatureClass};
use crate::roi::Region;

pub(super) const CLASS: FeatureClass = FeatureClass {
    name: "shape2D",
    features: &[
        "Elongation",
        "MajorAxisLength",
        "MaximumDiameter",
        "MeshSurface",
        "MinorAxisLength",
        "Perimeter",
        "PerimeterSurfaceRatio",
        "PixelSurface",
        "SphericalDisproportion",
        "Sphericity",
    ],
    on_request: &["SphericalDisproportion"],
    compute: Compute::OfPlane(compute),
};

/// The features of a region that is one voxel thick along `axis`.
fn compute(region: &Region, axis: usize) -> Vec<f64> {
    let plane = Plane::new(region, axis);
    let Outline { surface, perimeter, corners } = plane.outline();
    let diameter = diameter(corners);
    let [minor, major] = plane.axes();
    let pixel = plane.spacing[0] * plane.spacing[1];
    let circle = 2.0 * (std::f64::consts::PI * surface).sqrt();
    vec![
        (minor / major).sqrt(),
        4.0 * major.sqrt(),
        diameter,
        surface,
        4.0 * minor.sqrt(),
        perimeter,
        perimeter / surface,
        plane.pixels.len() as f64 * pixel,
        perimeter / circle,
        circle / perimeter,
    ]
}

/// The pixels of a region in its plane.
struct Plane {
    /// Pixels along the two axes.
    size: [usize; 2],
    spacing: [f64; 2],
    /// Places, each once.
    pixels: Vec<[usize; 2]>,
}

/// What marching squares find.
struct Outline {
    /// mm2.
    surface: f64,
    /// mm.
    perimeter: f64,
    /// Corners of the outline in mm.
    corners: Vec<[f64; 2]>,
}

impl Plane {
    fn new(region: &Region, axis: usize) -> Self {
        let [a, b] = [[1, 2], [0, 2], [0, 1]][axis];
        let pixels = region.voxels.iter().map(|&v| region.place(v)).map(|p| [p[a], p[b]]).collect();
        let of = |x: [f64; 3]| [x[a], x[b]];
        Self { size: [region.size[a], region.size[b]], spacing: of(region.spacing), pixels }
    }

    /// Lines of all squares: two neighbouring sides of a square are joined round each corner that
    /// differs, and of two opposite corners each is cut off alone, as in PyRadiomics.
    fn outline(&self) -> Outline {
        let [nx, ny] = self.size.map(|n| n + 2);
        let mut inside = vec![false; nx * ny];
        self.pixels.iter().for_each(|p| inside[(p[1] + 1) * nx + p[0] + 1] = true);
        let [sx, sy] = self.spacing;
        let (mut surface, mut perimeter, mut corners) = (0.0, 0.0, Vec::new());
        for y in 0..ny - 1 {
            for x in 0..nx - 1 {
                // Round the square: corner k lies between sides k - 1 and k.
                let at = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)].map(|(x, y)| inside[y * nx + x]);
                let middles = [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)]
                    .map(|(dx, dy)| [(x as f64 + dx) * sx, (y as f64 + dy) * sy]);
                let cut: Vec<usize> = (0..4).filter(|&k| at[k] != at[(k + 1) % 4]).collect();
                // From the side where the outline enters to the one where it leaves.
                let lines: Vec<(usize, usize)> = match cut[..] {
                    [a, b] if at[b] => vec![(a, b)],
                    [a, b] => vec![(b, a)],
                    [..] => (0..4).filter(|&k| cut.len() == 4 && at[k]).map(|k| ((k + 3) % 4, k)).collect(),
                };
                for (from, to) in lines {
                    let (a, b) = (middles[from], middles[to]);
                    surface += (b[0] * a[1] - a[0] * b[1]) / 2.0;
                    perimeter += (a[0] - b[0]).hypot(a[1] - b[1]);
                    corners.extend([a, b]);
                }
            }
        }
        Outline { surface: surface.abs(), perimeter, corners }
    }

    /// Eigenvalues of the covariance (divisor N) of the pixel centres in mm2, ascending.
    fn axes(&self) -> [f64; 2] {
        let n = self.pixels.len() as f64;
        let mean = [0, 1].map(|k| self.pixels.iter().map(|p| p[k] as f64).sum::<f64>() / n);
        let covariance = Matrix2::from_fn(|a, b| {
            let product = |p: &[usize; 2]| (p[a] as f64 - mean[a]) * (p[b] as f64 - mean[b]);
            self.pixels.iter().map(product).sum::<f64>() / n * self.spacing[a] * self.spacing[b]
        });
        let values = SymmetricEigen::new(covariance).eigenvalues;
        let clean = |v: f64| if v < 0.0 && v > -1e-10 { 0.0 } else { v };
        [clean(values[0].min(values[1])), clean(values[0].max(values[1]))]
    }
}

/// Largest distance of two points: between those that are outermost in their row.
fn diameter(mut corners: Vec<[f64; 2]>) -> f64 {
    corners.sort_by(|a, b| a[1].total_cmp(&b[1]).then(a[0].total_cmp(&b[0])));
    let rows = corners.chunk_by(|a, b| a[1] == b[1]);
    let ends: Vec<[f64; 2]> = rows.flat_map(|row| [row[0], row[row.len() - 1]]).collect();
    let mut most: f64 = 0.0;
    for (k, a) in ends.iter().enumerate() {
        for b in &ends[k + 1..] {
            most = most.max((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
        }
    }
    most.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(size: [usize; 3], spacing: [f64; 3]) -> Region {
        let voxels = (0..size.iter().product::<usize>() as u32).collect();
        Region { label: "1".into(), corner: [0; 3], size, spacing, voxels }
    }

    /// A rectangle with cut corners, in closed form.
    #[test]
    fn a_rectangle() {
        for (axis, size) in [(0, [1, 4, 3]), (1, [4, 1, 3]), (2, [4, 3, 1])] {
            let found = compute(&region(size, [1.0; 3]), axis);
            let named =
                |name: &str| found[CLASS.features.iter().position(|f| *f == name).expect("a feature")];
            assert!((named("MeshSurface") - 11.5).abs() < 1e-12, "{found:?}");
            assert!((named("Perimeter") - (3.0 + 3.0 + 2.0 + 2.0 + 4.0 * 0.5f64.sqrt())).abs() < 1e-12);
            assert!((named("PixelSurface") - 12.0).abs() < 1e-12);
            assert!((named("MaximumDiameter") - 20f64.sqrt()).abs() < 1e-12, "{found:?}");
            assert!((named("Elongation") - (8.0f64 / 15.0).sqrt()).abs() < 1e-12);
        }
    }
}
