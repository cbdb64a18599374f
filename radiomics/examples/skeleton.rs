//! Times the features of a generated whole skeleton, a line of JSON per item with the peak memory of
//! the process, or writes the skeleton for other tools:
//!
//! `cargo run --release -p osteon-radiomics --example skeleton -- pet|ct|coarse whole|bones|filters|CLASS THREADS [SECONDS]`
//! `cargo run --release -p osteon-radiomics --example skeleton -- pet|ct|coarse write FOLDER`
//! `cargo run --release -p osteon-radiomics --example skeleton -- cases MANY FOLDER`
//!
//! `labels` are the bones without the whole; `bones:glcm` is one class of features.

use std::io::{self, Error};
use std::path::Path;

use osteon_radiomics::features::CLASSES;
use osteon_radiomics::{Filter, ImageType, Params, Selection, extract};
use serde_json::json;

#[path = "../../benchmarks/skeleton.rs"]
mod skeleton;
#[path = "../../benchmarks/stopwatch.rs"]
mod stopwatch;

use skeleton::{Grid, generate, merged, write, write_cases};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |k: usize| arguments.get(k).map_or("", String::as_str);
    let grid = match argument(0) {
        "ct" => Grid::Ct,
        "coarse" => Grid::Coarse,
        _ => Grid::Pet,
    };
    let what = argument(1);
    if argument(0) == "cases" {
        return write_cases(Path::new(argument(2)), what.parse().map_err(Error::other)?);
    }
    if what == "write" {
        return write(Path::new(argument(2)), grid);
    }
    let threads = argument(2).parse().unwrap_or(1);
    let seconds = argument(3).parse().unwrap_or(1.0);
    let (image, bones) = generate(grid);
    let voxels = bones.values.iter().filter(|l| **l > 0).count();
    let mut params = Params::default();
    params.assign("binWidth=0.25").map_err(Error::other)?;
    let (what, class) = what.split_once(':').unwrap_or((what, what));
    let (labels, selection) = match what {
        "bones" => (bones, Selection { labels: None, whole: true }),
        "labels" => (bones, Selection { labels: None, whole: false }),
        _ => (merged(&bones), Selection::single(1)),
    };
    if what == "filters" {
        let types = [Filter::Original, Filter::Laplacian, Filter::Wavelet];
        params.image_types = types.map(ImageType::plain).to_vec();
        params.assign("sigma=[4.0, 8.0]").map_err(Error::other)?;
    }
    params.features.retain(|(k, _)| class == CLASSES[*k].name || CLASSES.iter().all(|c| c.name != class));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Error::other)?;
    let run = || pool.install(|| extract(&image, &labels, &selection, &params)).map_err(Error::other);
    let features: usize = run()?.iter().flatten().map(|row| row.features.len()).sum();
    let extra = json!({
        "threads": threads, "voxels": voxels, "features": features, "peak_mb": peak_mb()?,
    });
    let name = format!("radiomics_{}_{what}", argument(0));
    stopwatch::time(&name, "osteon", seconds, 1.0, extra, || {
        let _ = std::hint::black_box(run());
    });
    Ok(())
}

/// Most memory that the process has had, image and mask included (Linux).
fn peak_mb() -> io::Result<Option<f64>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kilobytes.map(|k| k / 1024.0))
}
