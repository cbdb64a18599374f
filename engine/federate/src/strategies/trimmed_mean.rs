//! The mean of each coordinate without its smallest and largest values (Yin et al., ICML 2018, algorithm 1,
//! option II). Sites count alike, whatever their weight.

use super::{Entry, Key, Sends, Strategy};
use crate::aggregate::{Centre, Rule};

pub(super) const ENTRY: Entry = Entry {
    name: "trimmed_mean",
    about: "the mean of each coordinate without its extremes, sites counting alike (Yin 2018)",
    sends: Sends::Each,
    keys: &[Key {
        name: "trim",
        default: 0.2,
        range: (0.0, 0.499_999),
        about: "share of the sites left out at either end, rounded down",
    }],
    build: |settings| {
        let trim = settings.get("trim");
        Box::new(TrimmedMean { rule: Box::new(move |ascending| trimmed_mean(ascending, trim)) })
    },
};

struct TrimmedMean {
    rule: Box<Rule>,
}

impl Strategy for TrimmedMean {
    fn each(&self) -> Option<&Rule> {
        Some(&self.rule)
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        centre.write(global);
    }
}

fn trimmed_mean(ascending: &[i64], trim: f64) -> f64 {
    // A share of a count is at times a hair below a whole number: 0.2 of 5, say.
    let cut = (trim * ascending.len() as f64 + 1e-9).floor() as usize;
    let kept = &ascending[cut..ascending.len() - cut];
    let sum: i128 = kept.iter().map(|&x| i128::from(x)).sum();
    sum as f64 / kept.len() as f64
}
