//! The device versions of the ops: on real devices, on the software Vulkan driver, and through the
//! CUDA shim.

use std::env;
use std::io::Write;
use std::process::Command;
use std::rc::Rc;

use libtest_mimic::{Failed, Trial};
use osteon_kernels::backend::{Backend, Device, DeviceError, DeviceInfo, devices, open};
use osteon_kernels::ops::{ALL, Case, Op, Tensor};
use osteon_kernels::simd::Level;

use crate::compare;
use crate::guard::Guard;
use crate::shim::{Order, Shim, compiler};
use crate::{narrow, training};

/// Every case of every op that has device versions, on every backend that can be had here.
pub fn trials() -> Vec<Trial> {
    let found = devices();
    let of = |backend| found.iter().find(|d| d.backend == backend).cloned();
    let mut trials = Vec::new();
    let mut backend = |name: &'static str, part: &str, run: Result<Run, String>| {
        let run = match run {
            Ok(run) => run,
            Err(reason) => {
                let required = env::var("OSTEON_REQUIRE").is_ok_and(|all| all.split(',').any(|p| p == part));
                let trial = Trial::test(format!("every_op::{name}::is_there"), move || Err(reason.into()));
                trials.push(trial.with_ignored_flag(!required));
                return;
            }
        };
        for &op in ALL.iter().filter(|op| op.source().is_some()) {
            for case in op.cases() {
                let (label, run) = (format!("{}::{name}::{}", op.name(), case.label), run.clone());
                trials.push(Trial::test(label, move || match &run {
                    Run::Device(info) => on_device(op, &case, name, info),
                    Run::Shim => on_shim(op, &case),
                }));
            }
        }
    };
    let there = |info: Option<DeviceInfo>, what: &str| info.map(Run::Device).ok_or(format!("no {what} here"));
    backend("wgpu", "vulkan", there(of(Backend::Wgpu), "Vulkan device"));
    backend("cuda", "cuda", there(of(Backend::Cuda), "NVIDIA device"));
    backend("cuda_shim", "cxx", compiler().map(|_| Run::Shim).ok_or("no C++ compiler here".to_owned()));
    type Opened = Result<Rc<dyn Device>, DeviceError>;
    let shim = |_: &str| -> Opened { Ok(Rc::new(Shim::new(Order::Shuffled))) };
    let first = |backend: &str| -> Opened {
        let found = devices().into_iter().find(|d| d.backend.name() == backend);
        let missing = || DeviceError::Missing {
            request: backend.to_owned(),
            reason: "it is gone".to_owned(),
            instead: "cpu".to_owned(),
        };
        open(&found.ok_or_else(missing)?).map(Rc::from)
    };
    for backend in [Backend::Wgpu, Backend::Cuda].into_iter().filter(|b| of(*b).is_some()) {
        trials.extend(training::trials(backend.name(), 700, first));
        trials.extend(narrow::trials(backend.name(), first));
    }
    if compiler().is_some() {
        trials.extend(training::trials("cuda_shim", 30, shim));
        trials.extend(narrow::trials("cuda_shim", shim));
        trials.push(Trial::test("every_op::cuda_shim::a missing barrier is caught", missing_barrier));
        trials.push(Trial::test("linear::cuda_shim::a stray write is caught", stray_write));
        for op in ["glrlm", "mesh"] {
            let name = format!("{op}::cuda_shim::a missing barrier is caught");
            trials.push(Trial::test(name, move || table_without_barrier(op)));
        }
    }
    let masks: [(Backend, &[&str]); 2] = [
        (Backend::Wgpu, &["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]),
        (Backend::Cuda, &["CUDA_VISIBLE_DEVICES"]),
    ];
    for (backend, mask) in masks.into_iter().filter(|(b, _)| of(*b).is_some()) {
        let label = format!("every_op::{}::a masked device is not there", backend.name());
        trials.push(Trial::test(label, move || masked(backend, mask)));
    }
    if let Some(info) = of(Backend::Wgpu) {
        let again = info.clone();
        trials.push(Trial::test("activation::wgpu::beyond one binding", move || beyond_one_binding(&info)));
        trials.push(Trial::test("linear::wgpu::beyond one binding", move || layer_beyond(&again)));
    }
    trials
}

#[derive(Clone)]
enum Run {
    Device(DeviceInfo),
    Shim,
}

/// A process whose environment hides the devices of a backend sees none of them.
fn masked(backend: Backend, mask: &[&str]) -> Result<(), Failed> {
    let listed = |mask: &[&str]| -> Result<usize, Failed> {
        let mut list = Command::new(env::current_exe()?);
        list.env("OSTEON_TIME", "list").envs(mask.iter().map(|name| (name, "/nothing")));
        let text = String::from_utf8(list.output()?.stdout)?;
        Ok(text.lines().filter(|line| line.starts_with(backend.name())).count())
    };
    match (listed(&[])?, listed(mask)?) {
        (1.., 0) => Ok(()),
        (there, left) => Err(format!("{there} devices, {left} of them masked and still there").into()),
    }
}

/// Runs between sentinels; `None` where the op refuses such inputs, which it says by name.
fn guarded(op: &dyn Op, case: &Case, device: &dyn Device) -> Result<Option<Vec<Tensor>>, Failed> {
    let guard = Guard::new(device);
    match op.run_on(&guard, case) {
        Ok(outputs) => {
            guard.check()?;
            Ok(Some(outputs))
        }
        Err(error @ DeviceError::Unsupported { .. }) => {
            let _ = writeln!(std::io::stderr(), "skipped: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn against_the_oracle(op: &dyn Op, case: &Case, backend: &str, outputs: &[Tensor]) -> Result<(), Failed> {
    let oracle = op.reference(case);
    if env::var_os("OSTEON_PRINT_NMSE").is_some() {
        let error = compare::largest_nmse(outputs, &oracle);
        let _ = writeln!(std::io::stderr(), "nmse {} {backend} {error:.1e} {}", op.name(), case.label);
    }
    compare::outputs(outputs, &oracle, op.max_nmse_device())
}

fn on_device(op: &dyn Op, case: &Case, backend: &str, info: &DeviceInfo) -> Result<(), Failed> {
    let device = open(info)?;
    let Some(outputs) = guarded(op, case, device.as_ref())? else { return Ok(()) };
    against_the_oracle(op, case, backend, &outputs)?;
    let again = guarded(op, case, device.as_ref())?.unwrap_or_default();
    compare::same_bits(&outputs, &again, "a second run")
}

/// All orders of the threads must agree to the bit.
fn on_shim(op: &dyn Op, case: &Case) -> Result<(), Failed> {
    let mut first: Option<Vec<Tensor>> = None;
    for order in Order::ALL {
        let Some(outputs) = guarded(op, case, &Shim::new(order))? else { return Ok(()) };
        match &first {
            None => {
                against_the_oracle(op, case, "cuda_shim", &outputs)?;
                first = Some(outputs);
            }
            Some(first) => compare::same_bits(&outputs, first, "threads in forward order")?,
        }
    }
    Ok(())
}

fn op(name: &str) -> Result<&'static dyn Op, Failed> {
    ALL.iter().copied().find(|op| op.name() == name).ok_or_else(|| format!("no op {name}").into())
}

/// Whether some order of the threads gives an error or a wrong result under a planted fault.
fn is_caught(op: &dyn Op, case: &Case, fault: fn(String) -> String) -> bool {
    Order::ALL.into_iter().any(|order| match guarded(op, case, &Shim { order, fault: Some(fault) }) {
        Ok(Some(outputs)) => compare::outputs(&outputs, &op.reference(case), op.max_nmse_device()).is_err(),
        Ok(None) => false,
        Err(_) => true,
    })
}

/// The text round a barrier, and what takes the barrier out of a source.
type Barrier = (&'static str, fn(String) -> String);

/// A barrier between texts.
macro_rules! without {
    ($before:literal, $barrier:literal, $after:literal) => {
        (concat!($before, $barrier, $after), |text| {
            text.replacen(concat!($before, $barrier, $after), concat!($before, $after), 1)
        })
    };
}

/// Barriers that a kernel cannot do without: op, beginning of the case's label, and the fault.
const BARRIERS: [(&str, &str, Barrier); 8] = [
    ("cox_nll", "several blocks, efron", without!("", "        __syncthreads();\n", "        if (t >= d) {")),
    (
        "cox_nll",
        "several blocks, efron",
        without!("    shared->head[t] = head;\n", "    __syncthreads();\n", ""),
    ),
    (
        "cox_nll",
        "left truncation, several",
        without!(
            "",
            "        __syncthreads();\n",
            "    }\n    for (unsigned i = t; i < p.n; i += GROUP) {\n        unsigned info = rows[i];\n"
        ),
    ),
    ("moments", "n600", without!("", "        __syncthreads();\n", "    }\n    if (ty == 0")),
    ("c_index", "n333", without!("", "        __syncthreads();\n", "        if (least >=")),
    ("c_index", "n2500", without!("", "        __syncthreads();\n", "    }\n    lower[t] = below;")),
    ("gram", "t300_d70_f32", without!("", "            __syncthreads();\n", "#pragma unroll 4")),
    (
        "gram",
        "t513_d49_f16_in_f32",
        without!("", "            __syncthreads();\n", "#pragma unroll\n            for (unsigned half"),
    ),
];

/// Without any of these barriers some order of the threads goes wrong.
fn missing_barrier() -> Result<(), Failed> {
    for (i, (name, label, (there, fault))) in BARRIERS.into_iter().enumerate() {
        let op = op(name)?;
        let cases = op.cases();
        let case = cases.iter().find(|c| c.label.starts_with(label)).ok_or("no such case")?;
        if !op.source().ok_or("no source")?.full_cuda().contains(there) {
            return Err(format!("barrier {i} of {name} is not where it was").into());
        }
        if is_caught(op, case, |text| text) {
            return Err(format!("{name} fails without a fault").into());
        }
        if !is_caught(op, case, fault) {
            return Err(format!("barrier {i} of {name} is missing and nobody noticed").into());
        }
    }
    Ok(())
}

/// A group's own table needs the barriers before and behind its counting.
fn table_without_barrier(name: &str) -> Result<(), Failed> {
    let op = op(name)?;
    let cases = op.cases();
    let case = cases.iter().find(|c| c.label == "few_levels").ok_or("no such case")?;
    let faults: [fn(String) -> String; 2] = [
        |text| text.replacen("__syncthreads();", "", 1),
        |text| match text.rsplit_once("__syncthreads();") {
            Some((before, after)) => format!("{before}{after}"),
            None => text,
        },
    ];
    if is_caught(op, case, |text| text) {
        return Err("the kernel fails without a fault".into());
    }
    match faults.into_iter().position(|fault| !is_caught(op, case, fault)) {
        None => Ok(()),
        Some(barrier) => Err(format!("barrier {barrier} is missing and nobody noticed").into()),
    }
}

/// The sentinels see a kernel that writes one row too many.
fn stray_write() -> Result<(), Failed> {
    let op = op("linear")?;
    let cases = op.cases();
    let case = cases.iter().find(|c| c.label.starts_with("plain")).ok_or("no such case")?;
    let fault = |text: String| {
        text.replacen("if (row < p.n && unit < p.outputs) {", "if (row <= p.n && unit < p.outputs) {", 1)
    };
    match is_caught(op, case, fault) {
        true => Ok(()),
        false => Err("a stray write and nobody noticed".into()),
    }
}

/// More than one binding can see: the pieces are put together.
fn beyond_one_binding(info: &DeviceInfo) -> Result<(), Failed> {
    let op = op("activation")?;
    let device = open(info)?;
    let limit = device.limits().binding_words;
    if limit > 1 << 26 {
        return Ok(()); // More than a test should allocate.
    }
    let n = limit + 1000;
    let z = (0..n).map(|i| (i % 1999) as f32 * 0.01 - 10.0).collect();
    let case = Case::new("large").option("kind", 3.0).with(Tensor::f32("z", &[n], z)).with(Tensor::f32(
        "da",
        &[n],
        vec![0.5; n],
    ));
    let outputs = op.run_on(device.as_ref(), &case)?;
    compare::outputs(&outputs, &op.cpu(&case, Level::current()), op.max_nmse_device())
}

/// A layer whose inputs one binding cannot see: pieces of rows, whose weight gradients add up.
fn layer_beyond(info: &DeviceInfo) -> Result<(), Failed> {
    let op = op("linear")?;
    let device = open(info)?;
    let (limit, inputs) = (device.limits().binding_words, 32);
    if limit > 1 << 26 {
        return Ok(()); // More than a test should allocate.
    }
    let n = limit / inputs + 1000;
    let x = (0..n * inputs).map(|i| (i % 1999) as f32 * 1e-3).collect();
    let case = Case::new("large")
        .with(Tensor::f32("x", &[1, n, inputs], x))
        .with(Tensor::f32("w", &[1, 1, inputs], vec![0.1; inputs]))
        .with(Tensor::f32("b", &[1, 1], vec![0.5]))
        .with(Tensor::f32("dy", &[1, n, 1], (0..n).map(|i| (i % 7) as f32 * 0.1).collect()));
    // Two thousand blocks are added one to the other in f32.
    compare::outputs(&op.run_on(device.as_ref(), &case)?, &op.cpu(&case, Level::current()), 1e-9)
}
