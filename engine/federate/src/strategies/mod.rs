//! How what the sites send moves the global model.
//!
//! A strategy runs on every rank alike, from the same integers, so its state needs no message. One file and
//! one line of [`REGISTRY`] make a new one; `docs/strategies.md` holds the table of them.

mod fedadagrad;
mod fedadam;
mod fedavg;
mod fedavgm;
mod fedprox;
mod fedyogi;
mod median;
mod registry;
mod scaffold;
mod server;
mod trimmed_mean;

use crate::aggregate::{Centre, Rule};
use crate::checkpoint::StoredTensor;
use crate::{FederateError, Mean};

pub(crate) use registry::unknown;
pub use registry::{Entry, Key, Sends, Settings, entry, strategy};

/// All strategies.
pub const REGISTRY: &[Entry] = &[
    fedavg::ENTRY,
    fedprox::ENTRY,
    fedavgm::ENTRY,
    fedadagrad::ENTRY,
    fedadam::ENTRY,
    fedyogi::ENTRY,
    scaffold::ENTRY,
    median::ENTRY,
    trimmed_mean::ENTRY,
];

/// The size of what a strategy moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Problems trained together, `G`.
    pub groups: usize,
    /// Parameters of one problem, `P`.
    pub params: usize,
    /// The first so many of them are moved by gradients; the rest (batch-norm statistics) are averaged.
    pub trainable: usize,
}

/// A federated strategy.
pub trait Strategy: Send {
    /// Told once, before anything else.
    fn begin(&mut self, _shape: Shape) {}

    /// Weight `mu` of the proximal term `mu/2 |w - w_global|^2` each site adds to its loss.
    fn proximal_mu(&self) -> f32 {
        0.0
    }

    /// The value of a coordinate, given those of all sites in ascending order; `None` for a strategy that
    /// needs no more than the weighted mean.
    fn each(&self) -> Option<&Rule> {
        None
    }

    /// The server's control variates `[G, P]`, if the sites correct their gradients with them.
    fn control(&self) -> Option<&[f32]> {
        None
    }

    /// Moves the control variates by the mean change over all sites. `share` is the weight of the sites
    /// that took part over that of all sites, per problem.
    fn move_control(&mut self, _change: &Mean<'_>, _share: &[f64]) {}

    /// Moves the global parameters `[G, P]`, given their centre over the sites that took part.
    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]);

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

#[cfg(test)]
mod tests;
