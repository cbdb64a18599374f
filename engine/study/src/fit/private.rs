//! Differential privacy of a federation: the sites' secrets, and what the run costs.

use std::sync::{Arc, Mutex, PoisonError};

use osteon_core::Here;
use osteon_data::preprocess::Preprocess;
use osteon_data::{Dataset, FittedPreprocess};
use osteon_federate::FederateError;
use osteon_federate::checkpoint::{StoredTensor, Values};
use osteon_federate::privacy::{Secret, Steps, epsilon};
use osteon_models::deepsurv::{Noise, Privacy};
use osteon_report::records::PrivacyRecord;

use super::network::Replicate;
use crate::config;
use crate::{Study, StudyError};

/// One secret per site held here, shared with the noise; replaced when a run is resumed.
pub(super) type Secrets = Arc<Mutex<Vec<Secret>>>;

/// Name of the secret among a site's tensors.
const NAME: &str = "secret";

/// Noise of problems `[site held here, replicate]`.
#[derive(Debug)]
struct OfSites {
    secrets: Secrets,
    replicates: usize,
}

impl Noise for OfSites {
    fn words(&self, problem: usize, step: u64) -> Box<dyn FnMut() -> u64 + '_> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, group) = (problem / self.replicates, problem % self.replicates);
        Box::new(secrets[place].words(group as u32, step))
    }
}

/// The preprocessing of private training, without a word to other ranks: nothing is scaled or imputed, so
/// the columns follow from the schema alone, and what the fit learns besides is forgotten.
///
/// # Errors
/// If this rank holds no patient, or a value is missing.
pub(super) fn preprocess(
    spec: &Preprocess,
    pooled: &Dataset,
    rows: &[usize],
) -> Result<FittedPreprocess, StudyError> {
    if rows.is_empty() {
        return Err(FederateError::Setting {
            what: "federation.privacy".to_owned(),
            value: "a rank without patients".to_owned(),
            reason: "every rank must hold a site: start fewer ranks".to_owned(),
        }
        .into());
    }
    let mut fitted = FittedPreprocess::fit(spec, pooled, rows, &Here)?;
    fitted.constant.clear();
    fitted.n = 0;
    Ok(fitted)
}

/// The private steps that a study asks for.
pub(super) fn privacy(asked: &config::Privacy, replicates: usize, secrets: Secrets) -> Privacy {
    Privacy {
        clip: asked.clip,
        noise_multiplier: asked.noise_multiplier,
        sample_rate: asked.sample_rate,
        blocks: asked.blocks as usize,
        noise: Arc::new(OfSites { secrets, replicates }),
    }
}

/// The secret of the site at `place`, for its own state in a checkpoint.
pub(super) fn store(secrets: &Secrets, place: usize) -> Option<StoredTensor> {
    let secrets = secrets.lock().unwrap_or_else(PoisonError::into_inner);
    let words = secrets.get(place)?.to_words().to_vec();
    Some(StoredTensor::new(NAME, vec![words.len()], Values::U64(words)))
}

/// Takes back what [`store`] gave.
pub(super) fn restore(secrets: &Secrets, place: usize, tensors: &[StoredTensor]) {
    let mut secrets = secrets.lock().unwrap_or_else(PoisonError::into_inner);
    let saved = tensors.iter().find(|t| t.name == NAME).map(|t| &t.values);
    if let (Some(own), Some(Values::U64(words))) = (secrets.get_mut(place), saved)
        && let Ok(words) = <[u64; 4]>::try_from(words.as_slice())
    {
        *own = Secret::from_words(words);
    }
}

/// What a study's training costs each patient in privacy; `None` if it has none.
pub fn cost(study: &Study) -> Option<PrivacyRecord> {
    let asked = study.federation.privacy.as_ref()?;
    let fed = &study.federation;
    let per_epoch = (1.0 / asked.sample_rate).round().max(1.0) as u64;
    // A patient is in every model of the batch.
    let models = Replicate::all(study).len() as u64;
    let steps = u64::from(fed.rounds) * u64::from(fed.local_epochs) * per_epoch * models;
    let noisy =
        Steps { sample_rate: asked.sample_rate, noise_multiplier: asked.noise_multiplier, count: steps };
    Some(PrivacyRecord {
        epsilon: epsilon(&noisy, asked.delta),
        delta: asked.delta,
        noise_multiplier: asked.noise_multiplier,
        clip: asked.clip,
        sample_rate: asked.sample_rate,
        blocks: u64::from(asked.blocks),
        steps,
        covers: "adding or removing one training patient of a site, as seen in the models that cross and \
                 remain; not the numbers of patients and events, nor held-out patients"
            .to_owned(),
    })
}
