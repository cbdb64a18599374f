//! Times the features of a generated whole skeleton: 66 analytic bones with hot lesions.
//!
//! `cargo run --release -p osteon-radiomics --example skeleton -- pet|ct [threads] [filters]`

use std::io::{self, Write};
use std::time::Instant;

use osteon_core::rng::{Purpose, Stream};
use osteon_radiomics::{Filter, Geometry, Image, ImageType, Labels, Params, Samples, Selection, extract};

/// A bone: points in mm joined by rods of one radius.
struct Bone {
    points: Vec<[f64; 3]>,
    radius: f64,
}

/// 26 vertebrae, 24 ribs, sternum, skull, jaw, sacrum, and six pairs of limb and girdle bones.
fn bones() -> Vec<Bone> {
    let rod = |a: [f64; 3], b: [f64; 3], radius: f64| Bone { points: vec![a, b], radius };
    let (x, y) = (400.0, 400.0);
    let mut all = Vec::new();
    for k in 0..26 {
        let z = 330.0 + 23.0 * f64::from(k);
        all.push(rod([x, y + 40.0, z], [x, y + 40.0, z + 9.0], 22.0 - 0.3 * f64::from(k)));
    }
    for k in 0..12 {
        for side in [-1.0, 1.0] {
            let z = 540.0 + 25.0 * f64::from(k);
            let arc = |t: f64| [x + side * 130.0 * t.sin(), y - 60.0 + 100.0 * t.cos(), z - 25.0 * t];
            all.push(Bone {
                points: (0..=12).map(|i| arc(0.15 + 0.2 * f64::from(i))).collect(),
                radius: 6.5,
            });
        }
    }
    all.push(rod([x, y - 140.0, 640.0], [x, y - 140.0, 780.0], 11.0));
    all.push(rod([x, y, 965.0], [x, y, 985.0], 78.0));
    all.push(rod([x - 25.0, y - 55.0, 890.0], [x + 25.0, y - 55.0, 890.0], 12.0));
    all.push(rod([x, y + 35.0, 270.0], [x, y + 40.0, 310.0], 30.0));
    for side in [-1.0, 1.0] {
        let at = |dx: f64, dy: f64, z: f64| [x + side * dx, y + dy, z];
        all.push(rod(at(60.0, 30.0, 300.0), at(110.0, 0.0, 230.0), 42.0));
        all.push(rod(at(130.0, 0.0, 225.0), at(90.0, 0.0, 20.0), 22.0));
        all.push(rod(at(170.0, 10.0, 800.0), at(185.0, 10.0, 560.0), 13.0));
        all.push(rod(at(20.0, -110.0, 800.0), at(150.0, -20.0, 815.0), 8.0));
        all.push(rod(at(90.0, 90.0, 790.0), at(110.0, 95.0, 690.0), 16.0));
        all.push(rod(at(185.0, -10.0, 550.0), at(190.0, -60.0, 400.0), 9.0));
    }
    all
}

/// Image and mask on a grid.
fn skeleton(size: [usize; 3], spacing: [f64; 3]) -> (Image, Labels) {
    let geometry = Geometry::aligned(size, spacing);
    let mut labels = vec![0u16; geometry.voxels()];
    let mut values = vec![0f32; geometry.voxels()];
    let mut random = Stream::new(4, Purpose::Synthetic, 0);
    let lesions: Vec<([f64; 3], f64)> = (0..60)
        .map(|_| {
            let at = [
                220.0 + 360.0 * random.uniform(),
                260.0 + 240.0 * random.uniform(),
                1000.0 * random.uniform(),
            ];
            (at, 8.0 * random.uniform())
        })
        .collect();
    for (k, bone) in bones().iter().enumerate() {
        for rod in bone.points.windows(2) {
            let bound = |f: fn(f64, f64) -> f64, grow: f64, axis: usize| {
                let edge = f(rod[0][axis], rod[1][axis]) + grow * bone.radius;
                ((edge / spacing[axis]).max(0.0) as usize).min(size[axis] - 1)
            };
            let low: [usize; 3] = std::array::from_fn(|a| bound(f64::min, -1.0, a));
            let high: [usize; 3] = std::array::from_fn(|a| bound(f64::max, 1.0, a));
            for z in low[2]..=high[2] {
                for y in low[1]..=high[1] {
                    for x in low[0]..=high[0] {
                        let at = [x as f64 * spacing[0], y as f64 * spacing[1], z as f64 * spacing[2]];
                        let index = (z * size[1] + y) * size[0] + x;
                        if labels[index] > 0 || distance(at, rod[0], rod[1]) > bone.radius {
                            continue;
                        }
                        labels[index] = k as u16 + 1;
                        let hot: f64 = lesions
                            .iter()
                            .map(|(c, peak)| peak * (-distance(at, *c, *c).powi(2) / 300.0).exp())
                            .sum();
                        values[index] = (1.5 + 0.3 * random.normal() + hot).clamp(0.05, 12.0) as f32;
                    }
                }
            }
        }
    }
    (Image { geometry: geometry.clone(), samples: Samples::F32(values) }, Labels { geometry, values: labels })
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

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let fine = arguments.get(1).is_some_and(|a| a == "ct");
    let threads = arguments.get(2).and_then(|a| a.parse().ok()).unwrap_or(1);
    let (size, spacing) = if fine {
        ([512, 512, 700], [800.0 / 512.0, 800.0 / 512.0, 1.5])
    } else {
        ([200, 200, 350], [4.0, 4.0, 3.0])
    };
    let (image, labels) = skeleton(size, spacing);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    let mut params = Params::default();
    params.assign("binWidth=0.25").map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    let voxels = labels.values.iter().filter(|l| **l > 0).count();
    writeln!(out, "{voxels} voxels, {} bones, {threads} threads", bones().len())?;
    // One region is made of all bones, as PyRadiomics would see it.
    let merged =
        Labels { values: labels.values.iter().map(|l| u16::from(*l > 0)).collect(), ..labels.clone() };
    let mut time = |what: &str, mask: &Labels, selection: &Selection, params: &Params| -> io::Result<()> {
        let started = Instant::now();
        let rows = pool.install(|| extract(&image, mask, selection, params)).map_err(io::Error::other)?;
        let features: usize = rows.iter().flatten().map(|r| r.features.len()).sum();
        writeln!(
            out,
            "{what}: {:.3} s, {} regions, {features} features",
            started.elapsed().as_secs_f64(),
            rows.len()
        )
    };
    for _ in 0..3 {
        time("whole skeleton", &merged, &Selection::single(1), &params)?;
    }
    time("every bone and the whole", &labels, &Selection { labels: None, whole: true }, &params)?;
    for class in 0..params.features.len() {
        let one = Params { features: vec![params.features[class].clone()], ..params.clone() };
        time(
            osteon_radiomics::features::CLASSES[params.features[class].0].name,
            &merged,
            &Selection::single(1),
            &one,
        )?;
    }
    if arguments.get(3).is_some() {
        params.image_types =
            [Filter::Original, Filter::Laplacian, Filter::Wavelet].map(ImageType::plain).to_vec();
        params.assign("sigma=[4.0, 8.0]").map_err(io::Error::other)?;
        time("original, two LoG, eight wavelet bands", &merged, &Selection::single(1), &params)?;
    }
    Ok(())
}
