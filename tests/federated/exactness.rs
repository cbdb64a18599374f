//! What a weighted mean of models equals.
//!
//! With one full-batch step of plain SGD and weights by events, the mean of the sites' models is one
//! step on the site-stratified partial likelihood of all patients: site `k` steps along the gradient
//! `g_k / d_k` of its loss per event, and `sum d_k (p - r g_k / d_k) / D = p - r sum g_k / D`.

use std::path::Path;

use osteon_core::rng::{Purpose, Stream};
use osteon_federate::checkpoint::{ModelFile, read_model};
use osteon_federate::{Comm, ParamScale, ParamSum, TensorSpec};
use osteon_kernels::ops::activation::Activation;
use osteon_kernels::ops::cox_nll::Ties;
use osteon_models::cohort::{Cohort, Rows, patient_key};
use osteon_models::deepsurv::{L2Scope, Layout, Role, Spec, op_list};
use osteon_models::graph::{Inputs, Values};
use osteon_study::Loaded;
use osteon_study::stop::Stop;
use osteon_study::train::{Outcome, Request, train};
use osteon_study::watch::Silent;

use crate::job::summary;
use crate::studies::{patients, study};

const FEATURES: usize = 5;
const SITES: [usize; 3] = [120, 60, 20];

/// Patients of several sites: features, outcome with ties, keys, site.
struct Patients {
    x: Vec<f64>,
    time: Vec<f64>,
    event: Vec<bool>,
    keys: Vec<u64>,
    site: Vec<u32>,
}

fn drawn() -> Patients {
    let n = SITES.iter().sum();
    let site: Vec<u32> = (0u32..).zip(SITES).flat_map(|(k, n)| std::iter::repeat_n(k, n)).collect();
    let mut s = Stream::new(7, Purpose::Synthetic, 0);
    let x: Vec<f64> = (0..n * FEATURES).map(|_| s.normal()).collect();
    let time = (0..n).map(|i| (20.0 * (1.0 - s.uniform()) * (-0.5 * x[i * FEATURES]).exp()).ceil()).collect();
    // Events are rarer at later sites, so that weights by events and by patients differ.
    let event = site.iter().map(|&k| s.uniform() < 0.8 - 0.25 * f64::from(k)).collect();
    Patients { x, time, event, keys: (0..n).map(|i| patient_key(&format!("p{i}"))).collect(), site }
}

impl Patients {
    fn of_site(&self, site: u32) -> Self {
        let rows: Vec<usize> = (0..self.site.len()).filter(|&i| self.site[i] == site).collect();
        Self {
            x: rows.iter().flat_map(|&i| self.x[i * FEATURES..(i + 1) * FEATURES].iter().copied()).collect(),
            time: rows.iter().map(|&i| self.time[i]).collect(),
            event: rows.iter().map(|&i| self.event[i]).collect(),
            keys: rows.iter().map(|&i| self.keys[i]).collect(),
            site: vec![0; rows.len()],
        }
    }

    fn events(&self) -> u64 {
        self.event.iter().filter(|&&e| e).count() as u64
    }

    /// Parameters after one step of rate 1 on the loss of these patients with their sites as strata,
    /// by the op list in f64.
    fn step(&self, spec: &Spec, params: &[f64]) -> Vec<f64> {
        let rows = Rows {
            x: &self.x,
            features: FEATURES,
            time: &self.time,
            event: &self.event,
            entry: None,
            strata: Some(&self.site),
            keys: &self.keys,
        };
        let cohort = Cohort::new(rows).expect("an outcome");
        let (graph, layout) = (op_list(spec), Layout::new(spec));
        let mut values: Values = vec![None; graph.slots().len()];
        let order = cohort.order().order().iter().map(|&r| r as usize);
        let sorted = order.flat_map(|r| self.x[r * FEATURES..(r + 1) * FEATURES].iter().copied());
        values[graph.find("x").expect("the input")] = Some(sorted.collect());
        for t in layout.tensors().iter().filter(|t| t.role == Role::Trainable) {
            values[graph.find(&t.name).expect("a slot")] = Some(params[t.range()].to_vec());
        }
        let keys = cohort.to_risk_order(&self.keys);
        let inputs = Inputs { order: cohort.order(), weights: None, keys: &keys, seed: 3, step: 0 };
        graph.interpret(inputs, &mut values);
        let mut stepped = params.to_vec();
        for &(slot, gradient) in graph.gradients() {
            let name = &graph.slots()[slot].name;
            let tensor = layout.tensors().iter().find(|t| t.name == *name).expect("a tensor");
            let gradient = values[gradient].as_ref().expect("a gradient");
            stepped[tensor.range()].iter_mut().zip(gradient).for_each(|(p, g)| *p -= g);
        }
        stepped
    }
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_round_weighted_by_events_is_a_step_on_the_stratified_loss_in_f64() {
    let all = drawn();
    let spec = Spec {
        inputs: FEATURES,
        hidden: vec![13, 7],
        activation: Activation::Selu,
        dropout: 0.25,
        batch_norm: false,
        l2: 0.0,
        l2_scope: L2Scope::All,
        ties: Ties::Efron,
    };
    let layout = Layout::new(&spec);
    let before: Vec<f64> = layout.initial(4).iter().map(|&x| f64::from(x)).collect();
    let pooled = all.step(&spec, &before);
    let tensors: Vec<TensorSpec> = layout
        .tensors()
        .iter()
        .map(|t| TensorSpec { name: t.name.clone(), shape: t.shape.clone(), offset: t.offset })
        .collect();
    let mean = |weight: fn(&Patients) -> u64| {
        let sites: Vec<Patients> = (0..SITES.len() as u32).map(|k| all.of_site(k)).collect();
        let scale = ParamScale::choose(sites.iter().map(weight).sum());
        // Parameters are rounded to 2^-44, so the mean is off by 2^-45 = 3e-14 at most.
        assert_eq!(scale.bits(), 44);
        let mut sum = ParamSum::<f64>::new(scale, &tensors, 1);
        for (k, site) in sites.iter().enumerate() {
            sum.add(0, &format!("site {k}"), weight(site), &site.step(&spec, &before));
        }
        let mut mean = vec![0.0; before.len()];
        sum.finish(&Comm::solo()).expect("a mean").write(&mut mean);
        mean
    };
    assert!(largest_difference(&pooled, &before) > 1e-2, "the step is too small to tell");
    let by_events = largest_difference(&mean(Patients::events), &pooled);
    assert!(by_events < 1e-12, "{by_events:e}");
    // With other weights it is another estimate.
    let by_patients = largest_difference(&mean(|p| p.time.len() as u64), &pooled);
    assert!(by_patients > 1e-4, "{by_patients:e}");
}

/// Trains a study in this process.
fn trained(dir: &Path, name: &str, text: &str, set: &[&str]) -> ModelFile {
    let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
    let study = Loaded::parse(text, "STUDY.toml", dir, &set).expect("a study").study;
    let output = dir.join(name);
    let request =
        Request { study, output: output.clone(), threads: 1, restart: false, stop: Stop::unwatched(None) };
    let outcome = train(&request, &Comm::solo(), &Silent).expect("trained");
    assert!(matches!(outcome, Outcome::Finished(_)), "{outcome:?}");
    read_model(&output.join("model.safetensors")).expect("a model")
}

fn norm(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

const ONE_STEP: [&str; 7] = [
    "train.batch=full",
    "train.optimizer=sgd",
    "train.learning_rate=1.0",
    "train.epochs=1",
    "federation.rounds=1",
    "federation.local_epochs=1",
    "train.seeds=1",
];

#[test]
fn a_round_weighted_by_events_is_a_step_on_the_stratified_loss_in_f32() {
    let dir = tempfile::tempdir().expect("a folder");
    osteon_table::write(&dir.path().join("cohort.csv"), &patients(500)).expect("written");
    let run = |name: &str, data: &str, federation: &str, more: &[&str]| {
        let set = [&ONE_STEP, more].concat();
        trained(dir.path(), name, &study(&format!("path = \"cohort.csv\"\n{data}"), federation), &set).params
    };
    let pooled = run("pooled", "strata = \"site\"", "", &["train.arm=central"]);
    let still = run("still", "strata = \"site\"", "", &["train.arm=central", "train.learning_rate=1e-30"]);
    let sites = |weights: &str| run(weights, "", &format!("site = \"site\"\nweights = \"{weights}\""), &[]);
    let step = norm(&pooled, &still);
    assert!(step > 1e-2, "the step is too small to tell: {step:e}");
    let by_events = norm(&sites("events"), &pooled) / step;
    assert!(by_events < 1e-5, "{by_events:e}");
    let by_patients = norm(&sites("patients"), &pooled) / step;
    assert!(by_patients > 1e-3, "{by_patients:e}");
}

#[test]
fn batch_norm_statistics_are_averaged_like_parameters() {
    let dir = tempfile::tempdir().expect("a folder");
    osteon_table::write(&dir.path().join("cohort.csv"), &patients(500)).expect("written");
    // Nothing is fitted on the rows, so that a site alone sees the same numbers.
    let set = [
        &ONE_STEP[..],
        &[
            "model.batch_norm=true",
            "train.learning_rate=0.1",
            "preprocess.scale=none",
            "preprocess.impute=none",
            "data.features=[\"age\", \"sex_male\", \"mut_*\"]",
        ],
    ]
    .concat();
    let text = study("path = \"cohort.csv\"", "site = \"site\"");
    let federated = trained(dir.path(), "federated", &text, &set);
    let alone =
        trained(dir.path(), "alone", &text, &[&set[..], &["train.arm=isolated", "train.site=all"]].concat());
    let sites = summary(&dir.path().join("federated"))["sites"].as_array().expect("sites").clone();
    let patients: Vec<f64> = sites.iter().map(|s| s["n"].as_f64().expect("n")).collect();
    let total: f64 = patients.iter().sum();
    let p = federated.params.len();
    assert_eq!(alone.params.len(), patients.len() * p);
    for name in ["hidden.0.norm.mean", "hidden.0.norm.var", "hidden.0.weight"] {
        let tensor = federated.tensors.iter().find(|t| t.name == name).expect("a tensor");
        let mut spread = 0.0f64;
        for i in tensor.offset..tensor.offset + tensor.len() {
            let of_site = |k: usize| f64::from(alone.params[k * p + i]);
            let mean = patients.iter().enumerate().map(|(k, n)| n * of_site(k)).sum::<f64>() / total;
            let got = f64::from(federated.params[i]);
            assert!((got - mean).abs() < 1e-6 * mean.abs().max(1.0), "{name}[{i}]: {got} {mean}");
            spread = spread.max((of_site(0) - of_site(2)).abs());
        }
        assert!(spread > 1e-3, "{name}: the sites do not differ");
    }
}
