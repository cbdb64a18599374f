//! Whole training steps on a device, against the processor's executor and against themselves.

use std::rc::Rc;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::backend::{Device, DeviceError};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::cox_nll::Ties;
use osteon_kernels::ops::sgd::Sgd;
use osteon_models::cohort::{Cohort, Rows, patient_key};
use osteon_models::deepsurv::{Batch, L2Scope, Optimizer, Problem, Resident, Spec, Training};

use crate::limited::Limited;

/// Opens a device; called within the test, because devices stay in their thread.
pub type Open = fn(&str) -> Result<Rc<dyn Device>, DeviceError>;

const FEATURES: usize = 5;

/// The trials of a backend over `n` patients.
pub fn trials(name: &'static str, n: usize, open: Open) -> Vec<Trial> {
    let mut all = Vec::new();
    // Every thread of the shim is played by the processor: two settings that cover all kernels.
    let settings = if name == "cuda_shim" { &SHIM[..] } else { &SETTINGS[..] };
    for &setting in settings {
        let label = format!("training::{name}::as the processor, {}", setting.label);
        all.push(Trial::test(label, move || as_the_processor(&setting, n, open(name)?)));
    }
    if name == "cuda_shim" {
        return all;
    }
    type Test = fn(usize, Rc<dyn Device>) -> Result<(), Failed>;
    let tests: [(&str, Test); 5] = [
        ("the same bits again, alone or with neighbours", same_bits),
        ("in pieces as in one, and problems that wait stay", in_pieces),
        ("no round trip within an epoch", no_round_trip),
        ("out of memory means fewer at once", out_of_memory),
        ("small bindings mean fewer at once", small_bindings),
    ];
    for (label, test) in tests {
        all.push(Trial::test(format!("training::{name}::{label}"), move || test(n, open(name)?)));
    }
    all
}

#[derive(Clone, Copy)]
struct Setting {
    label: &'static str,
    batch_norm: bool,
    activation: Activation,
    adam: bool,
    in_batches: bool,
    weighted: bool,
    /// L2 and proximal penalties.
    penalised: bool,
    /// Left truncation.
    late: bool,
}

const PLAIN: Setting = Setting {
    label: "selu adam",
    batch_norm: false,
    activation: Activation::Selu,
    adam: true,
    in_batches: false,
    weighted: false,
    penalised: false,
    late: false,
};

const SETTINGS: [Setting; 6] = [
    PLAIN,
    Setting { label: "bootstraps, penalties", weighted: true, penalised: true, ..PLAIN },
    Setting {
        label: "batch norm, tanh, sgd",
        batch_norm: true,
        activation: Activation::Tanh,
        adam: false,
        ..PLAIN
    },
    Setting { label: "mini-batches", in_batches: true, weighted: true, ..PLAIN },
    Setting {
        label: "mini-batches, batch norm, relu",
        in_batches: true,
        batch_norm: true,
        activation: Activation::Relu,
        ..PLAIN
    },
    Setting { label: "left truncation, mini-batches", late: true, in_batches: true, ..PLAIN },
];

const SHIM: [Setting; 2] = [
    Setting { label: "bootstraps, penalties, left truncation", late: true, ..SETTINGS[1] },
    Setting {
        label: "batch norm, tanh, sgd, mini-batches",
        batch_norm: true,
        activation: Activation::Tanh,
        adam: false,
        in_batches: true,
        ..PLAIN
    },
];

fn cohort(n: usize, seed: u64, entry: bool) -> Result<Arc<Cohort>, Failed> {
    let mut s = Stream::new(seed, Purpose::Synthetic, 3);
    let x: Vec<f64> = (0..n * FEATURES).map(|_| s.normal()).collect();
    let time = (0..n).map(|i| 20.0 * (1.0 - s.uniform()) * (-0.5 * x[i * FEATURES]).exp());
    // With left truncation hardly any times are tied, which makes the most of its tree.
    let time: Vec<f64> = time.map(|t| if entry { t } else { t.ceil() }).collect();
    let event: Vec<bool> = (0..n).map(|_| s.uniform() < 0.6).collect();
    let keys: Vec<u64> = (0..n).map(|i| patient_key(&format!("p{seed}-{i}"))).collect();
    let before: Vec<f64> = time.iter().enumerate().map(|(i, t)| t - 1.0 - (i % 7) as f64).collect();
    let rows = Rows {
        x: &x,
        features: FEATURES,
        time: &time,
        event: &event,
        entry: entry.then_some(&before),
        strata: None,
        keys: &keys,
    };
    Ok(Arc::new(Cohort::new(rows)?))
}

/// Three problems of one cohort and, in between, one of another.
fn batch(setting: &Setting, n: usize, seeds: &[u64]) -> Result<Batch, Failed> {
    let (first, second) = (cohort(n, 1, setting.late)?, cohort(n / 2 + 3, 2, setting.late)?);
    let spec = Spec {
        inputs: FEATURES,
        hidden: vec![7, 4],
        activation: setting.activation,
        dropout: 0.25,
        batch_norm: setting.batch_norm,
        l2: if setting.penalised { 0.01 } else { 0.0 },
        l2_scope: L2Scope::All,
        ties: Ties::Efron,
    };
    let training = Training {
        optimizer: match setting.adam {
            true => Optimizer::Adam(Adam::new(0.01)),
            false => Optimizer::Sgd(Sgd { learning_rate: 0.1, momentum: 0.5, nesterov: true }),
        },
        learning_rate_decay: 0.1,
        batch_size: setting.in_batches.then_some(n / 2 + 1),
        proximal_mu: if setting.penalised { 0.1 } else { 0.0 },
    };
    let problem = |seed: u64| {
        let cohort = if seed == 2 { &second } else { &first };
        let mut s = Stream::new(seed, Purpose::Bootstrap, 0);
        // One of the problems has no weights of its own.
        let weights =
            (setting.weighted && seed != 3).then(|| (0..cohort.len()).map(|_| s.below(3) as f32).collect());
        Problem { cohort: cohort.clone(), seed, weights }
    };
    Ok(Batch::new(spec, training, seeds.iter().map(|&s| problem(s)).collect()))
}

const SEEDS: [u64; 4] = [1, 2, 3, 4];

fn bits(batch: &Batch, problem: usize) -> Vec<u32> {
    let ([first, second], counters) = batch.optimizer_state(problem);
    let numbers = batch.params(problem).iter().chain(first).chain(second).map(|x| x.to_bits());
    numbers.chain(counters.map(|c| c as u32)).collect()
}

/// Trains all problems and gives the batch and the losses.
fn trained(
    device: &Rc<dyn Device>,
    setting: &Setting,
    n: usize,
    seeds: &[u64],
    epochs: u64,
) -> Result<(Batch, Vec<Vec<f64>>), Failed> {
    let mut batch = batch(setting, n, seeds)?;
    let mut resident = Resident::new(Rc::clone(device), &batch)?;
    let all: Vec<usize> = (0..seeds.len()).collect();
    let losses = resident.train(&mut batch, &all, epochs)?;
    Ok((batch, losses))
}

/// Losses within 1e-5, parameters within 1e-4 of the way they went: the two executors add in another
/// order, and Adam makes much of little where a gradient is nearly 0.
///
/// Biases that the loss does not depend on (Cox's has no intercept, batch norm takes off the mean) are
/// left out, and the running means that they shift: their gradient is rounding alone, which Adam turns
/// into whole steps.
fn as_the_processor(setting: &Setting, n: usize, device: Rc<dyn Device>) -> Result<(), Failed> {
    let epochs = if n < 100 { 2 } else { 4 };
    let (on_device, losses) = trained(&device, setting, n, &SEEDS, epochs)?;
    let mut here = batch(setting, n, &SEEDS)?;
    let start: Vec<Vec<f32>> = (0..SEEDS.len()).map(|k| here.params(k).to_vec()).collect();
    let want = here.train(&[0, 1, 2, 3], epochs);
    for k in 0..SEEDS.len() {
        for (epoch, (a, b)) in losses[k].iter().zip(&want[k]).enumerate() {
            if (a - b).abs() > 1e-5 * b.abs().max(1.0) {
                return Err(format!("problem {k}, epoch {epoch}: loss {a}, on the processor {b}").into());
            }
        }
        let free = |name: &str| match name.starts_with("output") {
            true => name.ends_with("bias"),
            false => setting.batch_norm && (name.ends_with("bias") || name.ends_with("norm.mean")),
        };
        let tensors = here.layout().tensors().iter().filter(|t| !free(&t.name));
        let places: Vec<usize> = tensors.flat_map(|t| t.range()).collect();
        let square = |x: &[f32], y: &[f32]| -> f64 {
            places.iter().map(|&i| f64::from(x[i] - y[i]).powi(2)).sum::<f64>().sqrt()
        };
        let (error, way) = (square(on_device.params(k), here.params(k)), square(here.params(k), &start[k]));
        if error > 1e-4 * way {
            return Err(format!("problem {k}: parameters {error:.1e} apart after a way of {way:.1e}").into());
        }
        if on_device.optimizer_state(k).1 != here.optimizer_state(k).1 {
            return Err(format!("problem {k}: other counts of steps").into());
        }
    }
    Ok(())
}

fn same_bits(n: usize, device: Rc<dyn Device>) -> Result<(), Failed> {
    for setting in [SETTINGS[1], SETTINGS[4], SETTINGS[5]] {
        let (together, losses) = trained(&device, &setting, n, &SEEDS, 2)?;
        let (again, losses_again) = trained(&device, &setting, n, &SEEDS, 2)?;
        for k in 0..SEEDS.len() {
            let (alone, _) = trained(&device, &setting, n, &SEEDS[k..=k], 2)?;
            if bits(&together, k) != bits(&again, k) || losses[k] != losses_again[k] {
                return Err(format!("{}: problem {k} differs between two runs", setting.label).into());
            }
            if bits(&together, k) != bits(&alone, 0) {
                return Err(format!("{}: problem {k} differs from itself alone", setting.label).into());
            }
        }
    }
    Ok(())
}

fn in_pieces(n: usize, device: Rc<dyn Device>) -> Result<(), Failed> {
    let setting = SETTINGS[3];
    let (whole, losses) = trained(&device, &setting, n, &SEEDS, 3)?;
    let mut parts = batch(&setting, n, &SEEDS)?;
    let mut resident = Resident::new(Rc::clone(&device), &parts)?;
    let mut first = resident.train(&mut parts, &[0, 1, 2, 3], 1)?;
    let still = bits(&parts, 3);
    let moving = resident.train(&mut parts, &[2, 0], 2)?;
    if bits(&parts, 3) != still {
        return Err("a problem that was not asked for moved".into());
    }
    first[2].extend(&moving[0]);
    if bits(&parts, 2) != bits(&whole, 2) || first[2] != losses[2] {
        return Err("training in pieces differs from training in one".into());
    }
    // What is set on the host reaches the device.
    let params = parts.params(0).to_vec();
    parts.set_params(3, &params);
    parts.reset_optimizer(3);
    resident.train(&mut parts, &[3], 1)?;
    let moved = parts.params(3).iter().zip(&params).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if moved == 0.0 || moved > 0.1 {
        return Err(format!("from given parameters a problem moved by {moved}").into());
    }
    Ok(())
}

fn no_round_trip(n: usize, device: Rc<dyn Device>) -> Result<(), Failed> {
    let counting = Rc::new(Limited::new(device));
    let as_device: Rc<dyn Device> = counting.clone();
    let mut batch = batch(&SETTINGS[3], n, &[1, 3])?;
    let mut resident = Resident::new(as_device, &batch)?;
    let mut seen = Vec::new();
    for epochs in [1, 5] {
        let before =
            [&counting.allocs, &counting.uploads, &counting.downloads, &counting.replays].map(|c| c.get());
        resident.train(&mut batch, &[0, 1], epochs)?;
        let after =
            [&counting.allocs, &counting.uploads, &counting.downloads, &counting.replays].map(|c| c.get());
        seen.push([0, 1, 2, 3].map(|i| after[i] - before[i]));
    }
    let [[_, uploads, downloads, steps], [allocs, more_uploads, more_downloads, more_steps]] = seen[..]
    else {
        return Err("two calls".into());
    };
    // State is uploaded once; then a plan per call and the draw of each epoch.
    let expected = more_uploads == uploads - 3 + 4 && more_downloads == downloads;
    if allocs != 0 || !expected || more_steps != 5 * steps || steps < 2 {
        return Err(format!("epochs 1 and 5: allocations, uploads, downloads, steps {seen:?}").into());
    }
    Ok(())
}

fn out_of_memory(n: usize, device: Rc<dyn Device>) -> Result<(), Failed> {
    let (free, _) = trained(&device, &PLAIN, n, &[1, 3, 4], 2)?;
    let mut limited = Limited::new(device);
    // The widest layer of two problems fits, that of three does not.
    limited.largest_words = 2 * n * 7 + 64;
    let limited: Rc<dyn Device> = Rc::new(limited);
    let mut split = batch(&PLAIN, n, &[1, 3, 4])?;
    let mut resident = Resident::new(Rc::clone(&limited), &split)?;
    if resident.groups() != [2, 1] {
        return Err(format!("groups {:?}", resident.groups()).into());
    }
    resident.train(&mut split, &[0, 1, 2], 2)?;
    if (0..3).any(|k| bits(&free, k) != bits(&split, k)) {
        return Err("bits depend on how many fit at once".into());
    }
    let mut nothing = Limited::new(limited);
    nothing.largest_words = n * 7 - 1;
    match Resident::new(Rc::new(nothing), &split) {
        Err(DeviceError::OutOfMemory { bytes, .. }) if bytes >= 4 * 7 * n as u64 => Ok(()),
        Err(error) => Err(format!("another error: {error}").into()),
        Ok(_) => Err("one problem does not fit, and nobody noticed".into()),
    }
}

fn small_bindings(n: usize, device: Rc<dyn Device>) -> Result<(), Failed> {
    let (free, _) = trained(&device, &PLAIN, n, &[1, 3, 4], 2)?;
    let mut limited = Limited::new(device);
    limited.binding_words = 2 * n * 7 + 64;
    let limited: Rc<dyn Device> = Rc::new(limited);
    let (split, _) = trained(&limited, &PLAIN, n, &[1, 3, 4], 2)?;
    match (0..3).all(|k| bits(&free, k) == bits(&split, k)) {
        true => Ok(()),
        false => Err("bits depend on what a binding can see".into()),
    }
}
