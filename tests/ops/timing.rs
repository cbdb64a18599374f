//! Timings on a device, as `benchmarks/gpu_check.sh` asks for them: `OSTEON_TIME=cuda`, `wgpu:0` or `list`.
//! A line of JSON each. `OSTEON_TIME_SMALL=1` takes sizes that a software driver can bear, whose figures
//! mean nothing.

use std::error::Error;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use osteon_kernels::backend::{Device, DeviceError, Kind, Launch, Recording, Source, devices, open};
use osteon_kernels::ops::cox_nll::Ties;
use osteon_kernels::ops::cox_nll::device::Outcome;
use osteon_kernels::ops::linear::device::{Dense, Draw, Post};
use osteon_kernels::ops::schedule::Row;
use osteon_kernels::ops::{ALL, Case, Op};
use osteon_models::deepsurv::Resident;
use serde_json::json;

use crate::captured::Captured;

#[path = "../../benchmarks/inputs.rs"]
#[allow(dead_code, reason = "the inputs of the benchmarks lie in the same file")]
mod inputs;

/// Reads every word once and writes it once: what memory gives at most.
const COPY: Source = Source {
    op: "copy",
    wgsl: "struct Params { n: u32 }
        @group(0) @binding(0) var<uniform> p: Params;
        @group(0) @binding(1) var<storage, read> x: array<f32>;
        @group(0) @binding(2) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(GROUP)
        fn copy(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) thread: u32) {
            let i = element(group, groups, thread);
            if (i < p.n) { y[i] = x[i]; }
        }",
    cuda: "struct Params { unsigned n; };
        extern \"C\" __global__ void copy(const float* x, float* y, Params p) {
            unsigned i = element();
            if (i < p.n) y[i] = x[i];
        }",
};

/// Seconds of one run: the least of five, each of as many runs as fill a tenth of a second.
fn seconds(mut run: impl FnMut(u32) -> Result<(), DeviceError>) -> Result<f64, DeviceError> {
    run(1)?;
    let mut times = 1;
    loop {
        let start = Instant::now();
        run(times)?;
        if start.elapsed() > Duration::from_millis(100) || times > 1 << 12 {
            break;
        }
        times *= 2;
    }
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        run(times)?;
        least = least.min(start.elapsed().as_secs_f64() / f64::from(times));
    }
    Ok(least)
}

fn replayed(device: &dyn Device, recording: &Recording) -> Result<f64, DeviceError> {
    seconds(|times| {
        (0..times).try_for_each(|_| device.replay(recording))?;
        device.synchronize()
    })
}

/// Prints the devices, or times one.
pub fn run(what: &str) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let found = devices();
    if what == "list" {
        for info in found.iter().filter(|d| d.kind != Kind::Processor) {
            let kind = if info.kind == Kind::Software { "software" } else { "hardware" };
            writeln!(out, "{} {kind} {}", info.request(), info.name)?;
        }
        return Ok(());
    }
    let info = found.iter().find(|d| d.request() == what || d.backend.name() == what);
    let info = info.ok_or_else(|| format!("no device {what}"))?;
    let device: Rc<dyn Device> = Rc::from(open(info)?);
    let small = std::env::var_os("OSTEON_TIME_SMALL").is_some();
    let mut say = |what: &str, seconds: f64, more: serde_json::Value| -> Result<(), Box<dyn Error>> {
        let record = json!({ "device": info.to_string(), "profile": info.profile(), "what": what, "ms": 1e3 * seconds,
            "smoke": small, "more": more });
        Ok(writeln!(out, "{record}")?)
    };

    let copy = copy(device.as_ref(), small)?;
    say("copy", copy.0, json!({ "gb_per_s": copy.1 }))?;
    let n = if small { 512 } else { 16384 };
    let (s, gflops) = layer(device.as_ref(), n)?;
    say(&format!("linear_forward f32, N {n}, 512 to 512"), s, json!({ "gflop_per_s": gflops }))?;
    let (problems, n) = if small { (64, 256) } else { (4096, 2048) };
    for (ties, name) in [(Ties::Breslow, "breslow"), (Ties::Efron, "efron")] {
        let s = cox(device.as_ref(), problems, n, ties)?;
        // Score in, gradient out: the least that has to move.
        let rate = 8.0 * (problems * n) as f64 / s / 1e9;
        let more = json!({ "gb_per_s": rate, "of_copy": rate / copy.1 });
        say(&format!("cox_nll loss and gradient, {name}, {problems} x {n}"), s, more)?;
    }
    for &op in ALL.iter().filter(|op| op.source().is_some()) {
        for case in cases(op, small) {
            match kernels(device.as_ref(), op, &case) {
                Ok(None) => {}
                Ok(Some((s, whole))) => {
                    let work = op.work(&case);
                    let rate = work.bytes / s / 1e9;
                    let more = json!({ "gb_per_s": rate, "of_copy": rate / copy.1,
                        "gflop_per_s": work.flops / s / 1e9, "ms_with_transfers": 1e3 * whole });
                    say(&format!("{} {}", op.name(), case.label), s, more)?;
                    if small {
                        break;
                    }
                }
                Err(DeviceError::Unsupported { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let networks = if small { 4 } else { 1000 };
    let s = training(&device, networks, if small { 2 } else { 20 })?;
    say(&format!("METABRIC epoch, {networks} networks"), s, json!({ "s_for_500_epochs": 500.0 * s }))?;
    Ok(())
}

/// What an op is timed on; of small cases the first that runs.
fn cases(op: &dyn Op, small: bool) -> Vec<Case> {
    match small {
        true => op.cases().into_iter().rev().collect(),
        false => op.perf_cases(),
    }
}

/// Seconds of an op's kernels alone, started together, and of the whole call; `None` where nothing is launched.
fn kernels(device: &dyn Device, op: &dyn Op, case: &Case) -> Result<Option<(f64, f64)>, DeviceError> {
    let captured = Captured::new(device);
    op.run_on(&captured, case)?;
    let start = Instant::now();
    op.run_on(device, case)?;
    let whole = start.elapsed().as_secs_f64();
    match captured.launches.into_inner() {
        none if none.is_empty() => Ok(None),
        launches => Ok(Some((replayed(device, &device.record(launches)?)?, whole))),
    }
}

/// Seconds, and GB/s read and written.
fn copy(device: &dyn Device, small: bool) -> Result<(f64, f64), DeviceError> {
    let n = if small { 1 << 22 } else { 1 << 27 }.min(device.limits().binding_words);
    let (x, y) = (device.put("x", &vec![1.0; n])?, device.alloc("y", n)?);
    let launch = Launch::new(COPY, "copy", &[&x, &y], &[n as u32], device.elementwise(n));
    let s = replayed(device, &device.record(vec![launch])?)?;
    Ok((s, 8.0 * n as f64 / s / 1e9))
}

/// Seconds and GFLOP/s of a wide layer.
fn layer(device: &dyn Device, n: usize) -> Result<(f64, f64), DeviceError> {
    let width = 512;
    let stride = width * (width + 1);
    let dense = Dense { problems: 1, n, inputs: width, outputs: width, x_stride: n * width, at: 0, stride };
    let (x, w) = (device.put("x", &vec![0.5; n * width])?, device.put("w", &vec![0.1; stride])?);
    let draw = Draw {
        patient: device.alloc("patient", 2 * n)?,
        step: device.put_words("step", &Row::default().words())?,
    };
    let y = device.alloc("y", n * width)?;
    let s = replayed(device, &device.record(vec![dense.forward(&x, &w, Post::NONE, &draw, &y)])?)?;
    Ok((s, 2.0 * (n * width * width) as f64 / s / 1e9))
}

fn cox(device: &dyn Device, problems: usize, n: usize, ties: Ties) -> Result<f64, DeviceError> {
    let input = inputs::Cox::new(n, problems, 734.0, 1.0);
    let outcome = Outcome::new(device, &input.order)?;
    let score = device.put("score", &input.score)?;
    let (gradient, loss) = (device.alloc("gradient", problems * n)?, device.alloc("loss", 2 * problems)?);
    let work = device.alloc("work", problems * outcome.scratch_words())?;
    let launch = outcome.loss(device, (problems, ties, true), &score, None, &gradient, &loss, &work);
    replayed(device, &device.record(vec![launch])?)
}

/// Seconds of an epoch of all networks.
fn training(device: &Rc<dyn Device>, networks: u64, epochs: u64) -> Result<f64, DeviceError> {
    let mut batch = inputs::Metabric::new().batch(networks);
    let mut resident = Resident::new(Rc::clone(device), &batch)?;
    let all: Vec<usize> = (0..networks as usize).collect();
    let s =
        seconds(|times| (0..times).try_for_each(|_| resident.train(&mut batch, &all, epochs).map(|_| ())))?;
    Ok(s / epochs as f64)
}
