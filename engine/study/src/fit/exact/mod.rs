//! `federation.exact`: risk sets summed over the sites at every step, so that a federation gives what
//! the pooled patients would.
//!
//! - [`linear`]: the linear Cox model by Newton's method,
//! - [`network`]: networks, one step of the optimiser per round.

pub mod linear;
pub mod network;

use osteon_models::exact::SharedTimes;

use super::shared;
use crate::Study;
use crate::config::{Batch, ModelKind};

/// What the fit estimates.
fn estimand(study: &Study, times: &SharedTimes) -> String {
    let binned = match times.grouped() {
        true => format!(", with event times in {} bins", times.len()),
        false => String::new(),
    };
    let sets = match (study.model.kind, study.train.batch) {
        (ModelKind::Deepsurv, Batch::Size(n)) => format!("of batches of about {n} patients of all sites"),
        _ => "of the patients of all sites".to_owned(),
    };
    let what = match study.model.kind {
        ModelKind::Cox => "log hazard ratio per unit of each column",
        _ => "log hazard",
    };
    format!("pooled: {what} by the partial likelihood {sets}, whose risk sets were summed exactly{binned}")
}
