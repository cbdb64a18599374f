//! A generated whole skeleton: body, 66 labelled bones, hot lesions, PET on a PET or CT grid.
//!
//! Bones are analytic (rods of one radius), so both grids see the same bodies. Values are drawn slice
//! by slice from streams of their own: the same on any number of threads.

use std::io::{self, Write};
use std::path::Path;

use osteon_core::rng::{Purpose, Stream};
use osteon_radiomics::{Geometry, Image, Labels, Samples};
use rayon::prelude::*;

/// The grids of a scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// 200 x 200 x 350 voxels of 4 x 4 x 3 mm.
    Pet,
    /// 512 x 512 x 700 voxels of 0.977 x 0.977 x 1.5 mm.
    Ct,
    /// 50 x 50 x 88 voxels of 16 x 16 x 12 mm, to try a script on.
    Coarse,
}

/// A bone: points in mm joined by rods of one radius.
struct Bone {
    points: Vec<[f64; 3]>,
    radius: f64,
}

/// Factor on all radii, which makes the skeleton about 8 litres.
const STOUT: f64 = 1.085;

/// 26 vertebrae, 24 ribs, sternum, skull, jaw, sacrum, and six pairs of limb and girdle bones; x and y
/// from the middle of the body, z from the feet.
fn bones() -> Vec<Bone> {
    let rod = |a: [f64; 3], b: [f64; 3], radius: f64| Bone { points: vec![a, b], radius: STOUT * radius };
    let mut all = Vec::new();
    for k in 0..26 {
        let z = 330.0 + 23.0 * f64::from(k);
        all.push(rod([0.0, 40.0, z], [0.0, 40.0, z + 9.0], 22.0 - 0.3 * f64::from(k)));
    }
    for k in 0..12 {
        for side in [-1.0, 1.0] {
            let z = 540.0 + 25.0 * f64::from(k);
            let arc = |t: f64| [side * 130.0 * t.sin(), -60.0 + 100.0 * t.cos(), z - 25.0 * t];
            let points = (0..=12).map(|i| arc(0.15 + 0.2 * f64::from(i))).collect();
            all.push(Bone { points, radius: STOUT * 6.5 });
        }
    }
    all.push(rod([0.0, -140.0, 640.0], [0.0, -140.0, 780.0], 11.0));
    all.push(rod([0.0, 0.0, 965.0], [0.0, 0.0, 985.0], 78.0));
    all.push(rod([-25.0, -55.0, 890.0], [25.0, -55.0, 890.0], 12.0));
    all.push(rod([0.0, 35.0, 270.0], [0.0, 40.0, 310.0], 30.0));
    for side in [-1.0, 1.0] {
        let at = |dx: f64, dy: f64, z: f64| [side * dx, dy, z];
        all.push(rod(at(60.0, 30.0, 300.0), at(110.0, 0.0, 230.0), 42.0));
        all.push(rod(at(130.0, 0.0, 225.0), at(90.0, 0.0, 20.0), 22.0));
        all.push(rod(at(170.0, 10.0, 800.0), at(185.0, 10.0, 560.0), 13.0));
        all.push(rod(at(20.0, -110.0, 800.0), at(150.0, -20.0, 815.0), 8.0));
        all.push(rod(at(90.0, 90.0, 790.0), at(110.0, 95.0, 690.0), 16.0));
        all.push(rod(at(185.0, -10.0, 550.0), at(190.0, -60.0, 400.0), 9.0));
    }
    all
}

fn geometry(grid: Grid) -> Geometry {
    let (size, spacing) = match grid {
        Grid::Pet => ([200, 200, 350], [4.0, 4.0, 3.0]),
        Grid::Ct => ([512, 512, 700], [0.977, 0.977, 1.5]),
        Grid::Coarse => ([50, 50, 88], [16.0, 16.0, 12.0]),
    };
    let mut geometry = Geometry::aligned(size, spacing);
    for k in 0..2 {
        geometry.origin[k] = -spacing[k] * (size[k] as f64 - 1.0) / 2.0;
    }
    geometry
}

/// Labels 1 to 66, where bones meet the one listed first.
fn labels(geometry: &Geometry) -> Vec<u16> {
    let mut labels = vec![0u16; geometry.voxels()];
    let (size, spacing, origin) = (geometry.size, geometry.spacing, geometry.origin);
    for (k, bone) in bones().iter().enumerate() {
        for rod in bone.points.windows(2) {
            let index = |mm: f64, axis: usize| {
                (((mm - origin[axis]) / spacing[axis]).max(0.0) as usize).min(size[axis] - 1)
            };
            let [x, y, z] = [0, 1, 2].map(|axis| {
                let low = rod[0][axis].min(rod[1][axis]) - bone.radius;
                let high = rod[0][axis].max(rod[1][axis]) + bone.radius;
                index(low, axis)..=index(high, axis)
            });
            for z in z {
                for y in y.clone() {
                    for x in x.clone() {
                        let at = [x, y, z];
                        let place = std::array::from_fn(|k| origin[k] + at[k] as f64 * spacing[k]);
                        let label = &mut labels[geometry.index(at)];
                        if *label == 0 && distance(place, rod[0], rod[1]) <= bone.radius {
                            *label = k as u16 + 1;
                        }
                    }
                }
            }
        }
    }
    labels
}

/// SUV: about 1.5 in bone with up to 12 in lesions, 0.8 in the body, next to nothing in air.
fn values(geometry: &Geometry, labels: &[u16]) -> Vec<f32> {
    let mut random = Stream::new(4, Purpose::Synthetic, 0);
    let lesions: Vec<([f64; 3], f64)> = (0..60)
        .map(|_| {
            let u = [random.uniform(), random.uniform(), random.uniform()];
            ([360.0 * u[0] - 180.0, 240.0 * u[1] - 140.0, 1000.0 * u[2]], 8.0 * random.uniform())
        })
        .collect();
    let [nx, ny, _] = geometry.size;
    let mut values = vec![0f32; labels.len()];
    values.par_chunks_mut(nx * ny).zip(labels.par_chunks(nx * ny)).enumerate().for_each(
        |(z, (slice, labels))| {
            let mut random = Stream::new(4, Purpose::Synthetic, 1 + z as u64);
            for (k, (value, label)) in slice.iter_mut().zip(labels).enumerate() {
                let at = [k % nx, k / nx, z];
                let place: [f64; 3] =
                    std::array::from_fn(|k| geometry.origin[k] + at[k] as f64 * geometry.spacing[k]);
                let u = random.uniform();
                *value = if *label > 0 {
                    let glow =
                        |(c, peak): &([f64; 3], f64)| peak * (-distance(place, *c, *c).powi(2) / 300.0).exp();
                    let hot: f64 = lesions.iter().map(glow).sum();
                    (1.5 + 0.3 * random.normal() + hot).clamp(0.05, 12.0) as f32
                } else if (place[0] / 205.0).powi(2) + (place[1] / 170.0).powi(2) < 1.0 {
                    (0.6 + 0.4 * u) as f32
                } else {
                    (0.02 * u) as f32
                };
            }
        },
    );
    values
}

/// Image and mask.
pub fn generate(grid: Grid) -> (Image, Labels) {
    let geometry = geometry(grid);
    let labels = labels(&geometry);
    let values = values(&geometry, &labels);
    (Image { geometry: geometry.clone(), samples: Samples::F32(values) }, Labels { geometry, values: labels })
}

/// All bones as one label, as PyRadiomics would see them.
pub fn merged(labels: &Labels) -> Labels {
    let values = labels.values.iter().map(|l| u16::from(*l > 0)).collect();
    Labels { geometry: labels.geometry.clone(), values }
}

/// Distance of a point from the rod between `a` and `b`.
fn distance(p: [f64; 3], a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot = |u: [f64; 3], v: [f64; 3]| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    let minus = |u: [f64; 3], v: [f64; 3]| [u[0] - v[0], u[1] - v[1], u[2] - v[2]];
    let (axis, to) = (minus(b, a), minus(p, a));
    let length = dot(axis, axis);
    let t = if length > 0.0 { (dot(to, axis) / length).clamp(0.0, 1.0) } else { 0.0 };
    let gap = [0, 1, 2].map(|k| to[k] - t * axis[k]);
    dot(gap, gap).sqrt()
}

/// Writes `image.nii` (SUV), `bones.nii` (labels 1 to 66) and `whole.nii` (1).
pub fn write(folder: &Path, grid: Grid) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let (image, bones) = generate(grid);
    let Samples::F32(values) = &image.samples else { return Ok(()) };
    let bytes = values.iter().flat_map(|v| v.to_le_bytes());
    nifti(&folder.join("image.nii"), &image.geometry, (16, 32), bytes)?;
    for (name, labels) in [("bones.nii", &bones), ("whole.nii", &merged(&bones))] {
        let bytes = labels.values.iter().flat_map(|v| v.to_le_bytes());
        nifti(&folder.join(name), &image.geometry, (512, 16), bytes)?;
    }
    Ok(())
}

/// Writes `many` packed images of 64^3 voxels of 4 mm with a ball of 80 mm and noise, their masks, and
/// `cases.csv`, the table that names them.
pub fn write_cases(folder: &Path, many: usize) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let geometry = Geometry::aligned([64; 3], [4.0; 3]);
    let place = |i: usize| [i % 64, i / 64 % 64, i / 4096].map(|k| k as f64 * 4.0 - 126.0);
    let inside = |i: usize| distance(place(i), [0.0; 3], [0.0; 3]) < 80.0;
    let values = (0..geometry.voxels()).map(|i| u16::from(inside(i))).collect();
    let mask = Labels { geometry: geometry.clone(), values };
    let one = |k: usize| {
        let mut random = Stream::new(5, Purpose::Synthetic, k as u64);
        let mut value = |i: usize| {
            let mean = if inside(i) { 4.0 } else { 0.8 };
            (mean + 0.5 * random.normal()).clamp(0.01, 12.0) as f32
        };
        let samples = Samples::F32((0..geometry.voxels()).map(&mut value).collect());
        let image = Image { geometry: geometry.clone(), samples };
        image.write_nifti(&folder.join(format!("image-{k}.nii.gz"))).map_err(io::Error::other)?;
        mask.write_nifti(&folder.join(format!("mask-{k}.nii.gz"))).map_err(io::Error::other)
    };
    (0..many).into_par_iter().map(one).collect::<io::Result<Vec<()>>>()?;
    let rows = (0..many).map(|k| format!("case-{k},image-{k}.nii.gz,mask-{k}.nii.gz\n"));
    std::fs::write(folder.join("cases.csv"), format!("ID,Image,Mask\n{}", rows.collect::<String>()))
}

/// An uncompressed NIfTI-1 file; `kind` is its data type and bits per voxel.
fn nifti(
    path: &Path,
    geometry: &Geometry,
    kind: (i16, i16),
    voxels: impl Iterator<Item = u8>,
) -> io::Result<()> {
    let mut header = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    put(40, &3i16.to_le_bytes());
    put(70, &kind.0.to_le_bytes());
    put(72, &kind.1.to_le_bytes());
    put(76, &1f32.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(112, &1f32.to_le_bytes());
    // Millimetres; places by the affine rows, x and y turned to right and anterior.
    put(123, &[2]);
    put(254, &1i16.to_le_bytes());
    put(344, b"n+1\0");
    for k in 0..3 {
        put(42 + 2 * k, &(geometry.size[k] as i16).to_le_bytes());
        put(80 + 4 * k, &(geometry.spacing[k] as f32).to_le_bytes());
        let sign = if k < 2 { -1.0 } else { 1.0 };
        put(280 + 20 * k, &((sign * geometry.spacing[k]) as f32).to_le_bytes());
        put(292 + 16 * k, &((sign * geometry.origin[k]) as f32).to_le_bytes());
    }
    (3..7).for_each(|k| put(42 + 2 * k, &1i16.to_le_bytes()));
    let mut out = io::BufWriter::new(std::fs::File::create(path)?);
    out.write_all(&header)?;
    let voxels: Vec<u8> = voxels.collect();
    out.write_all(&voxels)?;
    out.flush()
}
