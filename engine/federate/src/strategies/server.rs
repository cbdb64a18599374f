//! Moments of a server optimiser, which takes `mean - global` for a gradient (Reddi et al., ICLR 2021,
//! algorithm 2). Kept in f64; every rank computes them from the same integers.

use super::{Key, Shape};
use crate::FederateError;
use crate::aggregate::Centre;
use crate::checkpoint::{StoredTensor, Values};

/// A step size close to zero would stand still, one above 1000 is a mistake.
const RATES: (f64, f64) = (1e-12, 1e3);

pub(super) const fn learning_rate(default: f64) -> Key {
    Key { name: "server_learning_rate", default, range: RATES, about: "step size of the server" }
}

pub(super) const fn momentum(about: &'static str) -> Key {
    Key { name: "server_momentum", default: 0.9, range: (0.0, 0.999_999), about }
}

pub(super) const BETA2: Key =
    Key { name: "server_beta2", default: 0.99, range: (0.0, 0.999_999), about: "decay of the second moment" };

pub(super) const TAU: Key = Key {
    name: "server_tau",
    default: 1e-3,
    range: (1e-12, 1e3),
    about: "adaptivity: added to the root of the second moment, whose start is its square",
};

/// `M` numbers of state per trainable parameter.
pub(super) struct Moments<const M: usize> {
    names: [&'static str; M],
    start: [f64; M],
    shape: Shape,
    values: [Vec<f64>; M],
}

impl<const M: usize> Moments<M> {
    pub(super) fn new(names: [&'static str; M], start: [f64; M]) -> Self {
        Self { names, start, shape: Shape::default(), values: std::array::from_fn(|_| Vec::new()) }
    }

    pub(super) fn begin(&mut self, shape: Shape) {
        self.shape = shape;
        let n = shape.groups * shape.trainable;
        self.values = std::array::from_fn(|m| vec![self.start[m]; n]);
    }

    /// Adds to each trainable parameter what `step` makes of its difference to the centre and of its
    /// moments; the others become the centre.
    pub(super) fn step(
        &mut self,
        centre: &Centre<'_>,
        global: &mut [f32],
        step: impl Fn(f64, [&mut f64; M]) -> f64,
    ) {
        let Shape { params, trainable, .. } = self.shape;
        centre.for_each(|at, mean| {
            let (group, i) = (at / params, at % params);
            if i >= trainable {
                global[at] = mean as f32;
                return;
            }
            let was = f64::from(global[at]);
            let state = self.values.each_mut().map(|values| &mut values[group * trainable + i]);
            global[at] = (was + step(mean - was, state)) as f32;
        });
    }

    pub(super) fn state(&self) -> Vec<StoredTensor> {
        let tensor = |(name, values): (&&str, &Vec<f64>)| {
            StoredTensor::new(*name, vec![values.len()], Values::F64(values.clone()))
        };
        self.names.iter().zip(&self.values).map(tensor).collect()
    }

    pub(super) fn restore(&mut self, state: &[StoredTensor]) -> Result<(), FederateError> {
        for (name, values) in self.names.iter().zip(&mut self.values) {
            let found = state.iter().find(|t| t.name == *name).map(|t| &t.values);
            match found {
                Some(Values::F64(found)) if found.len() == values.len() => values.clone_from(found),
                _ => {
                    return Err(FederateError::Setting {
                        what: "server state in the checkpoint".into(),
                        value: state.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", "),
                        reason: format!("expected '{name}' of {} values", values.len()),
                    });
                }
            }
        }
        Ok(())
    }
}
