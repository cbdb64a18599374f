//! Osteon's side of the comparison with its peers: one line of JSON per item, on one thread unless
//! the name says otherwise. `compare [--write DIR] [--seconds S] [PREFIX]...`; `benchmarks/run.sh` calls it.
#![allow(missing_docs, reason = "a program")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use osteon_kernels::ops::cox_nll::{CoxScratch, Ties};
use osteon_metrics::c_index::{c_index, concordance};
use serde_json::json;

mod inputs;
mod stopwatch;

use inputs::{Cox, Metabric, Scored, bytes_f32, bytes_f64, write};

/// Name, patients, problems, days of follow-up (0: continuous times), spread of the scores.
const COX: [(&str, usize, usize, f64, f64); 9] = [
    ("cox_1e4_ties", 10_000, 1, 734.0, 1.0),
    ("cox_1e4_continuous", 10_000, 1, 0.0, 1.0),
    ("cox_1e4_ties_sd40", 10_000, 1, 734.0, 40.0),
    ("cox_1e4_ties_sd400", 10_000, 1, 734.0, 400.0),
    ("cox_1e6_ties", 1_000_000, 1, 3650.0, 1.0),
    ("cox_1e6_continuous", 1_000_000, 1, 0.0, 1.0),
    ("cox_1e6_ties_sd40", 1_000_000, 1, 3650.0, 40.0),
    ("cox_256x2048_ties", 2048, 256, 734.0, 1.0),
    ("cox_256x2048_continuous", 2048, 256, 0.0, 1.0),
];

/// Name and patients.
const CONCORDANCE: [(&str, usize); 3] =
    [("c_index_1e4", 10_000), ("c_index_1e5", 100_000), ("c_index_1e6", 1_000_000)];

fn main() -> std::io::Result<()> {
    let (mut dir, mut seconds, mut wanted) = (None, 1.0, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // What cargo adds.
            "--bench" => {}
            "--write" => dir = args.next().map(PathBuf::from),
            "--seconds" => seconds = args.next().and_then(|s| s.parse().ok()).unwrap_or(seconds),
            _ => wanted.push(arg),
        }
    }
    if let Some(dir) = dir {
        return write_inputs(&dir);
    }
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.starts_with(w));
    for (name, n, b, days, sd) in COX.into_iter().filter(|i| chosen(i.0)) {
        let input = Cox::new(n, b, days, sd);
        let (mut gradient, mut scratch) = (vec![0.0; n * b], CoxScratch::default());
        stopwatch::time(name, "osteon", seconds, 1.0, json!({}), || {
            black_box(input.run(Ties::Efron, false, &mut gradient, &mut scratch));
        });
    }
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let runs =
        [("deepsurv_b1", 1, 1), ("deepsurv_b100", 100, 1), ("deepsurv_b100_all_cores", 100, available)];
    for (name, problems, threads) in runs.into_iter().filter(|i| chosen(i.0)) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let mut networks = Metabric::new().batch(problems);
        let all: Vec<usize> = (0..problems as usize).collect();
        stopwatch::time(name, "osteon", seconds, problems as f64, json!({ "threads": threads }), || {
            black_box(pool.install(|| networks.train(&all, 1)));
        });
    }
    for (name, n) in CONCORDANCE.into_iter().filter(|i| chosen(i.0)) {
        let Scored { time, event, score } = Scored::new(n);
        stopwatch::time(name, "osteon", seconds, 1.0, json!({}), || {
            black_box(c_index(&time, &event, &score).is_ok());
        });
        stopwatch::time(&format!("{name}_variance"), "osteon", seconds, 1.0, json!({}), || {
            black_box(concordance(&time, &event, &score, None).is_ok());
        });
    }
    Ok(())
}

/// The same inputs as files, Cox problems in risk order.
fn write_inputs(dir: &Path) -> std::io::Result<()> {
    for (name, n, b, days, sd) in COX {
        let input = Cox::new(n, b, days, sd);
        let rows = input.order.order().iter().map(|&row| row as usize);
        let (time, event): (Vec<f64>, Vec<bool>) =
            rows.map(|row| (input.time[row], input.event[row])).unzip();
        write(dir, name, &time, &event, ("score.f32", bytes_f32(&input.score)))?;
    }
    let Metabric { x, time, event } = Metabric::new();
    write(dir, "deepsurv", &time, &event, ("x.f64", bytes_f64(&x)))?;
    for (name, n) in CONCORDANCE {
        let Scored { time, event, score } = Scored::new(n);
        write(dir, name, &time, &event, ("score.f64", bytes_f64(&score)))?;
    }
    Ok(())
}
