//! FedYogi: Yogi on the server (Reddi et al., ICLR 2021, algorithm 2): `v -= (1 - beta2) d^2 sign(v - d^2)`.

use super::server::{BETA2, Moments, TAU, learning_rate, momentum};
use super::{Entry, Sends, Shape, Strategy};
use crate::FederateError;
use crate::aggregate::Centre;
use crate::checkpoint::StoredTensor;

pub(super) const ENTRY: Entry = Entry {
    name: "fedyogi",
    about: "Yogi on the server: v -= (1 - beta2) d^2 sign(v - d^2) (Reddi 2021)",
    sends: Sends::Sum,
    keys: &[learning_rate(0.01), momentum("decay beta1 of the first moment"), BETA2, TAU],
    build: |settings| {
        let tau = settings.get("server_tau");
        Box::new(FedYogi {
            rate: settings.get("server_learning_rate"),
            beta1: settings.get("server_momentum"),
            beta2: settings.get("server_beta2"),
            tau,
            moments: Moments::new(["first", "second"], [0.0, tau * tau]),
        })
    },
};

struct FedYogi {
    rate: f64,
    beta1: f64,
    beta2: f64,
    tau: f64,
    moments: Moments<2>,
}

impl Strategy for FedYogi {
    fn begin(&mut self, shape: Shape) {
        self.moments.begin(shape);
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        let Self { rate, beta1, beta2, tau, .. } = *self;
        self.moments.step(centre, global, |delta, [m, v]| {
            *m = beta1 * *m + (1.0 - beta1) * delta;
            let square = delta * delta;
            // sign(0) is 0, unlike that of `signum`.
            let sign = f64::from(*v > square) - f64::from(*v < square);
            *v -= (1.0 - beta2) * square * sign;
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
