//! The median of each coordinate over the sites (Yin et al., ICML 2018, algorithm 1, option I): one site with
//! wild parameters moves it little. Sites count alike, whatever their weight; for an even number
//! it is the mean of the middle two.

use super::{Entry, Sends, Strategy};
use crate::aggregate::{Centre, Rule};

pub(super) const ENTRY: Entry = Entry {
    name: "median",
    about: "the median of each coordinate, sites counting alike (Yin 2018)",
    sends: Sends::Each,
    keys: &[],
    build: |_| Box::new(Median),
};

struct Median;

impl Strategy for Median {
    fn each(&self) -> Option<&Rule> {
        Some(&median)
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        centre.write(global);
    }
}

fn median(ascending: &[i64]) -> f64 {
    let n = ascending.len();
    // Both are below 2^62, so their sum fits.
    (ascending[(n - 1) / 2] + ascending[n / 2]) as f64 / 2.0
}
