//! FedProx: FedAvg whose sites are held near the global model (Li et al., MLSys 2020, algorithm 2).

use super::{Entry, Key, Sends, Strategy};
use crate::aggregate::Centre;

pub(super) const ENTRY: Entry = Entry {
    name: "fedprox",
    about: "fedavg with mu/2 |w - w_global|^2 added to each site's loss (Li 2020)",
    sends: Sends::Sum,
    keys: &[Key { name: "mu", default: 0.01, range: (0.0, 1e6), about: "weight of the proximal term" }],
    build: |settings| Box::new(FedProx { mu: settings.get("mu") as f32 }),
};

struct FedProx {
    mu: f32,
}

impl Strategy for FedProx {
    fn proximal_mu(&self) -> f32 {
        self.mu
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        centre.write(global);
    }
}
