//! The list of strategies with their options, and how one is built from its name.

use std::collections::BTreeMap;

use osteon_core::names::nearest;

use super::{REGISTRY, Strategy};
use crate::FederateError;

/// What a site sends per round, besides its weight. `P` parameters in each of `G` problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// Its parameters, added to those of the other sites before anyone sees them.
    Sum,
    /// As [`Self::Sum`], and the change of its control variates likewise.
    SumAndControl,
    /// Its parameters, seen by every rank.
    Each,
}

impl Sends {
    /// Whether pairwise masks can hide what one site sends: only in a sum do they cancel.
    pub fn maskable(self) -> bool {
        self != Self::Each
    }

    /// What crosses, in words of 8 bytes.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Sum => "parameters in a sum: G (P + 1) + 1 words per rank",
            Self::SumAndControl => {
                "parameters and changes of control variates in two sums: 2 (G (P + 1) + 1) words per rank"
            }
            Self::Each => "parameters of each site, seen by all ranks: G (P + 1) words per site",
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
    /// What a site sends.
    pub sends: Sends,
    /// Its options.
    pub keys: &'static [Key],
    pub(super) build: fn(&Settings) -> Box<dyn Strategy>,
}

/// The options of a strategy with defaults filled in.
#[derive(Debug, Clone)]
pub struct Settings(BTreeMap<&'static str, f64>);

impl Settings {
    pub(super) fn get(&self, key: &str) -> f64 {
        self.0[key]
    }
}

/// The line of the strategy `name`.
///
/// # Errors
/// An unknown name, with the nearest known one.
pub fn entry(name: &str) -> Result<&'static Entry, FederateError> {
    let found = REGISTRY.iter().find(|e| e.name == name);
    found.ok_or_else(|| unknown("strategy", name, REGISTRY.iter().map(|e| e.name)))
}

/// The strategy `name` with these options.
///
/// # Errors
/// An unknown name or option, with the nearest known one, or a value out of range.
pub fn strategy(name: &str, options: &BTreeMap<String, f64>) -> Result<Box<dyn Strategy>, FederateError> {
    let entry = entry(name)?;
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
