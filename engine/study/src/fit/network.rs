//! The study's keys as a DeepSurv network, and the problems of its batch.

use std::sync::Arc;

use osteon_core::rng::{Purpose, Stream};
use osteon_data::Dataset;
use osteon_federate::checkpoint::{StoredTensor, Values};
use osteon_federate::{FederateError, TensorSpec};
use osteon_kernels::ops::adam::Adam;
use osteon_kernels::ops::sgd::Sgd;
use osteon_kernels::ops::{activation, cox_nll};
use osteon_models::cohort::{Cohort, Rows, patient_key};
use osteon_models::deepsurv::{self, Spec, Training};
use serde_json::{Value, json};

use super::Prepared;
use super::networks::Moments;
use crate::config::{self, Activation, L2Scope, Optimizer, Ties};
use crate::{Study, StudyError};

/// The treatment of ties as the kernel names it.
pub fn ties(study: &Study) -> cox_nll::Ties {
    match study.model.ties {
        Ties::Efron => cox_nll::Ties::Efron,
        Ties::Breslow => cox_nll::Ties::Breslow,
    }
}

/// The architecture for `inputs` columns.
pub fn spec(study: &Study, inputs: usize) -> Spec {
    let model = &study.model;
    Spec {
        inputs,
        hidden: model.hidden.clone(),
        activation: match model.activation {
            Activation::Relu => activation::Activation::Relu,
            Activation::Tanh => activation::Activation::Tanh,
            Activation::Selu => activation::Activation::Selu,
        },
        dropout: model.dropout,
        batch_norm: model.batch_norm,
        l2: model.l2,
        l2_scope: match model.l2_scope {
            L2Scope::All => deepsurv::L2Scope::All,
            L2Scope::Output => deepsurv::L2Scope::Output,
        },
        ties: ties(study),
    }
}

/// The training of the network; `proximal_mu` pulls a site towards the global model.
pub fn training(study: &Study, proximal_mu: f64) -> Training {
    let train = &study.train;
    let learning_rate = train.learning_rate;
    Training {
        optimizer: match train.optimizer {
            Optimizer::Adam => deepsurv::Optimizer::Adam(Adam::new(learning_rate)),
            Optimizer::Sgd => deepsurv::Optimizer::Sgd(Sgd {
                learning_rate,
                momentum: train.momentum,
                nesterov: train.nesterov,
            }),
        },
        learning_rate_decay: train.lr_decay,
        batch_size: match train.batch {
            config::Batch::Full => None,
            config::Batch::Size(n) => Some(n),
        },
        proximal_mu,
    }
}

/// A model to train: its seed, and the bootstrap it is trained on, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicate {
    /// Seed of initial parameters, dropout and batches.
    pub seed: u64,
    /// Bootstrap, from 0; `None` for the rows as they are.
    pub bootstrap: Option<u32>,
}

impl Replicate {
    /// The replicates of a study: per seed the rows as they are, then the bootstraps.
    pub fn all(study: &Study) -> Vec<Self> {
        let bootstraps = || std::iter::once(None).chain((0..study.train.bootstraps).map(Some));
        let seeds = study.train.seeds.list(study.train.seed);
        seeds
            .into_iter()
            .flat_map(|seed| bootstraps().map(move |bootstrap| Self { seed, bootstrap }))
            .collect()
    }

    /// Its entry in the table of problems of `model.safetensors`.
    pub fn describe(self, site: Option<&str>, fold: Option<usize>) -> Value {
        json!({ "seed": self.seed, "bootstrap": self.bootstrap, "site": site, "fold": fold })
    }

    /// Case weights in the order of the rows: the table's own, times the patient's multiplicity in
    /// the bootstrap. Bootstrap `b` of a site draws the same patients under every seed.
    pub fn weights(self, study: &Study, rows: &Dataset, site: usize) -> Option<Vec<f32>> {
        let own = rows.outcome.as_ref().and_then(|o| o.weights.as_ref());
        let n = rows.n;
        let Some(bootstrap) = self.bootstrap.filter(|_| n > 0) else {
            return own.map(|w| w.iter().map(|&w| w as f32).collect());
        };
        let mut copies = vec![0.0f64; n];
        let stream = u64::from(bootstrap) << 32 | site as u64;
        let mut stream = Stream::new(study.train.seed, Purpose::Bootstrap, stream);
        (0..n).for_each(|_| copies[stream.below(n as u64) as usize] += 1.0);
        if let Some(own) = own {
            copies.iter_mut().zip(own).for_each(|(c, w)| *c *= w);
        }
        Some(copies.iter().map(|&c| c as f32).collect())
    }
}

/// The mean of the models' risks, `[N]` each: the same arithmetic wherever it is taken.
pub fn mean_risk(risks: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; risks.first().map_or(0, Vec::len)];
    for of_model in risks {
        mean.iter_mut().zip(of_model).for_each(|(m, r)| *m += r / risks.len() as f64);
    }
    mean
}

/// The patients sorted for training.
///
/// # Errors
/// If the outcome is not one of survival data.
pub fn cohort(prepared: &Prepared) -> Result<Arc<Cohort>, StudyError> {
    let outcome = prepared.rows.survival()?;
    let keys: Vec<u64> = prepared.rows.ids.iter().map(|id| patient_key(id)).collect();
    let rows = Rows {
        x: &prepared.design.x,
        features: prepared.design.p,
        time: &outcome.time,
        event: &outcome.event,
        entry: outcome.entry.as_deref(),
        strata: outcome.strata.as_ref().map(|s| s.codes.as_slice()),
        keys: &keys,
    };
    Ok(Arc::new(Cohort::new(rows)?))
}

/// The tensors of one problem as the federation and the model file know them.
pub fn tensors(layout: &[deepsurv::Tensor]) -> Vec<TensorSpec> {
    let tensor =
        |t: &deepsurv::Tensor| TensorSpec { name: t.name.clone(), shape: t.shape.clone(), offset: t.offset };
    layout.iter().map(tensor).collect()
}

/// Optimiser state of the named problems, for a checkpoint.
pub(crate) fn optimizer_state(
    batch: &impl Moments,
    problems: impl Iterator<Item = usize> + Clone,
) -> Vec<StoredTensor> {
    let b = problems.clone().count();
    let p = batch.trainable();
    let moments = |which: usize| {
        Values::F32(problems.clone().flat_map(|k| batch.moments(k).0[which].to_vec()).collect())
    };
    let counters = Values::U64(problems.clone().flat_map(|k| batch.moments(k).1).collect());
    vec![
        StoredTensor::new("counters", vec![b, 3], counters),
        StoredTensor::new("first", vec![b, p], moments(0)),
        StoredTensor::new("second", vec![b, p], moments(1)),
    ]
}

/// Takes back what [`optimizer_state`] gave.
///
/// # Errors
/// If the tensors are not those of these problems.
pub(crate) fn restore_optimizer(
    batch: &mut impl Moments,
    problems: impl Iterator<Item = usize> + Clone,
    tensors: &[StoredTensor],
) -> Result<(), FederateError> {
    let p = batch.trainable();
    let b = problems.clone().count();
    let find = |name: &str| tensors.iter().find(|t| t.name == name).map(|t| &t.values);
    match (find("counters"), find("first"), find("second")) {
        (Some(Values::U64(counters)), Some(Values::F32(first)), Some(Values::F32(second)))
            if (counters.len(), first.len(), second.len()) == (3 * b, p * b, p * b) =>
        {
            for (at, problem) in problems.enumerate() {
                let range = at * p..(at + 1) * p;
                let count = [counters[3 * at], counters[3 * at + 1], counters[3 * at + 2]];
                batch.set_moments(problem, [&first[range.clone()], &second[range]], count);
            }
            Ok(())
        }
        _ => Err(FederateError::Setting {
            what: "optimiser state in the checkpoint".into(),
            value: format!("{} tensors", tensors.len()),
            reason: format!("expected the moments of {b} problems of {p} parameters"),
        }),
    }
}
