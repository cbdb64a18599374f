//! How a round's mean moves the global model.
//!
//! A strategy runs on every rank alike, from the same sums, so its state needs no message. One file and
//! one line of [`REGISTRY`] make a new one.

mod fedavg;
mod fedprox;

use std::collections::BTreeMap;

use osteon_core::names::nearest;

use crate::checkpoint::StoredTensor;
use crate::{FederateError, Mean};

/// A federated strategy.
pub trait Strategy: Send {
    /// Weight `mu` of the proximal term `mu/2 |w - w_global|^2` each site adds to its loss.
    fn proximal_mu(&self) -> f32 {
        0.0
    }

    /// Moves the global parameters `[G, P]`, given the weighted means of what the sites sent.
    fn step(&mut self, mean: &Mean<'_>, global: &mut [f32]);

    /// State of the server optimiser, for the checkpoint.
    fn state(&self) -> Vec<StoredTensor> {
        Vec::new()
    }

    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// If the state is of another strategy or model.
    fn restore(&mut self, state: &[StoredTensor]) -> Result<(), FederateError> {
        match state.first() {
            None => Ok(()),
            Some(t) => Err(FederateError::Setting {
                what: "server state in the checkpoint".into(),
                value: t.name.clone(),
                reason: "this strategy keeps none".into(),
            }),
        }
    }
}

/// An option of a strategy.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name in the study file.
    pub name: &'static str,
    /// Value if it is not given.
    pub default: f64,
    /// Smallest and largest legal value.
    pub range: (f64, f64),
    /// What it does.
    pub about: &'static str,
}

/// A line of the registry.
pub struct Entry {
    /// Name in the study file.
    pub name: &'static str,
    /// One line on what it does, with its source.
    pub about: &'static str,
    /// Its options.
    pub keys: &'static [Key],
    build: fn(&Settings) -> Box<dyn Strategy>,
}

/// All strategies.
pub const REGISTRY: &[Entry] = &[fedavg::ENTRY, fedprox::ENTRY];

/// The options of a strategy with defaults filled in.
#[derive(Debug, Clone)]
pub struct Settings(BTreeMap<&'static str, f64>);

impl Settings {
    fn get(&self, key: &str) -> f64 {
        self.0[key]
    }
}

/// The strategy `name` with these options.
///
/// # Errors
/// An unknown name or option, with the nearest known one, or a value out of range.
pub fn strategy(name: &str, options: &BTreeMap<String, f64>) -> Result<Box<dyn Strategy>, FederateError> {
    let entry = REGISTRY
        .iter()
        .find(|e| e.name == name)
        .ok_or_else(|| unknown("strategy", name, REGISTRY.iter().map(|e| e.name)))?;
    let mut settings: BTreeMap<_, _> = entry.keys.iter().map(|k| (k.name, k.default)).collect();
    for (option, &value) in options {
        let key = entry.keys.iter().find(|k| k.name == option).ok_or_else(|| {
            unknown(&format!("option of {name}"), option, entry.keys.iter().map(|k| k.name))
        })?;
        let (least, most) = key.range;
        if !(least..=most).contains(&value) {
            return Err(FederateError::Setting {
                what: format!("{name}.{option}"),
                value: value.to_string(),
                reason: format!("it lies in {least}..={most}"),
            });
        }
        settings.insert(key.name, value);
    }
    Ok((entry.build)(&Settings(settings)))
}

/// The error for a name outside `known`.
pub(crate) fn unknown<'k>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> FederateError {
    FederateError::Unknown {
        what: what.to_owned(),
        name: name.to_owned(),
        nearest: nearest(name, known.clone()).map(str::to_owned),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osteon_core::Failure;

    fn build(name: &str, options: &[(&str, f64)]) -> Result<Box<dyn Strategy>, FederateError> {
        strategy(name, &options.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect())
    }

    #[test]
    fn every_strategy_builds_from_its_defaults() {
        for entry in REGISTRY {
            assert!(build(entry.name, &[]).is_ok(), "{}", entry.name);
            for key in entry.keys {
                assert!((key.range.0..=key.range.1).contains(&key.default), "{}.{}", entry.name, key.name);
            }
        }
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let hint = |r: Result<Box<dyn Strategy>, FederateError>| r.err().and_then(|e| e.hint());
        assert_eq!(hint(build("fedpox", &[])).as_deref(), Some("did you mean 'fedprox'?"));
        assert_eq!(hint(build("fedprox", &[("nu", 1.0)])), None);
        assert!(build("fedavg", &[("mu", 1.0)]).is_err());
    }

    #[test]
    fn mu_reaches_the_sites_and_has_a_range() {
        let mu = |v| build("fedprox", &[("mu", v)]).map(|s| s.proximal_mu());
        assert_eq!(mu(0.25).ok(), Some(0.25));
        assert!(mu(-1.0).is_err() && mu(f64::NAN).is_err());
        assert_eq!(build("fedavg", &[]).map(|s| s.proximal_mu()).ok(), Some(0.0));
    }
}
