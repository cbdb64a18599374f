//! FedAvgM: momentum on the server (Hsu et al. 2019, arXiv:1909.06335, section 4.2): `v = beta v + d`,
//! `w += eta v`, with `d` the mean minus the global model.

use super::server::{Moments, learning_rate, momentum};
use super::{Entry, Sends, Shape, Strategy};
use crate::FederateError;
use crate::aggregate::Centre;
use crate::checkpoint::StoredTensor;

pub(super) const ENTRY: Entry = Entry {
    name: "fedavgm",
    about: "momentum on the server: v = beta v + d, w += eta v (Hsu 2019)",
    sends: Sends::Sum,
    keys: &[learning_rate(1.0), momentum("momentum beta")],
    build: |settings| {
        let (rate, beta) = (settings.get("server_learning_rate"), settings.get("server_momentum"));
        Box::new(FedAvgM { rate, beta, moments: Moments::new(["velocity"], [0.0]) })
    },
};

struct FedAvgM {
    rate: f64,
    beta: f64,
    moments: Moments<1>,
}

impl Strategy for FedAvgM {
    fn begin(&mut self, shape: Shape) {
        self.moments.begin(shape);
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        let (rate, beta) = (self.rate, self.beta);
        self.moments.step(centre, global, |delta, [v]| {
            *v = beta * *v + delta;
            rate * *v
        });
    }

    fn state(&self) -> Vec<StoredTensor> {
        self.moments.state()
    }

    fn restore(&mut self, state: &[StoredTensor]) -> Result<(), FederateError> {
        self.moments.restore(state)
    }
}
