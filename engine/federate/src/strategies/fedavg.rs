//! FedAvg: the weighted mean of the sites' parameters (McMahan et al., AISTATS 2017, algorithm 1).

use super::{Entry, Sends, Strategy};
use crate::aggregate::Centre;

pub(super) const ENTRY: Entry = Entry {
    name: "fedavg",
    about: "the weighted mean of the sites' parameters (McMahan 2017)",
    sends: Sends::Sum,
    keys: &[],
    build: |_| Box::new(FedAvg),
};

struct FedAvg;

impl Strategy for FedAvg {
    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        centre.write(global);
    }
}
