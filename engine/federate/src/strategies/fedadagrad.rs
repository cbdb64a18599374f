//! FedAdagrad: Adagrad on the server (Reddi et al., ICLR 2021, algorithm 2): `v += d^2`.

use super::server::{Moments, TAU, learning_rate, momentum};
use super::{Entry, Sends, Shape, Strategy};
use crate::FederateError;
use crate::aggregate::Centre;
use crate::checkpoint::StoredTensor;

pub(super) const ENTRY: Entry = Entry {
    name: "fedadagrad",
    about: "Adagrad on the server: v += d^2 (Reddi 2021)",
    sends: Sends::Sum,
    keys: &[learning_rate(0.01), momentum("decay beta1 of the first moment"), TAU],
    build: |settings| {
        let tau = settings.get("server_tau");
        Box::new(FedAdagrad {
            rate: settings.get("server_learning_rate"),
            beta1: settings.get("server_momentum"),
            tau,
            moments: Moments::new(["first", "second"], [0.0, tau * tau]),
        })
    },
};

struct FedAdagrad {
    rate: f64,
    beta1: f64,
    tau: f64,
    moments: Moments<2>,
}

impl Strategy for FedAdagrad {
    fn begin(&mut self, shape: Shape) {
        self.moments.begin(shape);
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        let Self { rate, beta1, tau, .. } = *self;
        self.moments.step(centre, global, |delta, [m, v]| {
            *m = beta1 * *m + (1.0 - beta1) * delta;
            *v += delta * delta;
            rate * *m / (v.sqrt() + tau)
        });
    }

    fn state(&self) -> Vec<StoredTensor> {
        self.moments.state()
    }

    fn restore(&mut self, state: &[StoredTensor]) -> Result<(), FederateError> {
        self.moments.restore(state)
    }
}
