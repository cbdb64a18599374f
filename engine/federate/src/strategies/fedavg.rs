//! FedAvg: the weighted mean of the sites' parameters (McMahan et al., AISTATS 2017, algorithm 1).

use super::{Entry, Strategy};
use crate::Mean;

pub(super) const ENTRY: Entry = Entry {
    name: "fedavg",
    about: "the weighted mean of the sites' parameters (McMahan 2017)",
    keys: &[],
    build: |_| Box::new(FedAvg),
};

struct FedAvg;

impl Strategy for FedAvg {
    fn step(&mut self, mean: &Mean<'_>, global: &mut [f32]) {
        mean.write(global);
    }
}
