//! SCAFFOLD: each site's gradients are corrected by `c - c_k` (Karimireddy et al., ICML 2020, algorithm 1).
//!
//! A site's new control variate is the mean of its own uncorrected gradients over the local steps, which
//! is option II of the paper for plain gradient descent and needs no learning rate, so it holds for
//! any local optimiser; that optimiser sees the corrected gradient. The server adds the mean change of the
//! control variates times the weight of the sites that took part over that of all (`|S| / N` in the paper).

use super::{Entry, Sends, Shape, Strategy, server};
use crate::aggregate::Centre;
use crate::checkpoint::{StoredTensor, Values};
use crate::{FederateError, Mean};

pub(super) const ENTRY: Entry = Entry {
    name: "scaffold",
    about: "sites correct their gradients by control variates (Karimireddy 2020)",
    sends: Sends::SumAndControl,
    keys: &[server::learning_rate(1.0)],
    build: |settings| {
        Box::new(Scaffold {
            rate: settings.get("server_learning_rate"),
            moments: server::Moments::new([], []),
            control: Vec::new(),
            exact: Vec::new(),
        })
    },
};

struct Scaffold {
    rate: f64,
    /// None; knows which parameters are moved and which averaged.
    moments: server::Moments<0>,
    /// `c` as the sites see it, `[G, P]`; zero for what no gradient moves.
    control: Vec<f32>,
    /// `c` in full.
    exact: Vec<f64>,
}

impl Strategy for Scaffold {
    fn begin(&mut self, shape: Shape) {
        self.moments.begin(shape);
        self.control = vec![0.0; shape.groups * shape.params];
        self.exact = vec![0.0; shape.groups * shape.params];
    }

    fn control(&self) -> Option<&[f32]> {
        Some(&self.control)
    }

    fn move_control(&mut self, change: &Mean<'_>, share: &[f64]) {
        let params = change.params();
        for (group, share) in share.iter().enumerate() {
            let range = group * params..(group + 1) * params;
            let (exact, control) = (&mut self.exact[range.clone()], &mut self.control[range]);
            for ((c, seen), change) in exact.iter_mut().zip(control).zip(change.values(group)) {
                *c += share * change;
                *seen = *c as f32;
            }
        }
    }

    fn step(&mut self, centre: &Centre<'_>, global: &mut [f32]) {
        let rate = self.rate;
        self.moments.step(centre, global, |delta, []| rate * delta);
    }

    fn state(&self) -> Vec<StoredTensor> {
        vec![StoredTensor::new("control", vec![self.exact.len()], Values::F64(self.exact.clone()))]
    }

    fn restore(&mut self, state: &[StoredTensor]) -> Result<(), FederateError> {
        match state {
            [StoredTensor { name, values: Values::F64(values), .. }]
                if name == "control" && values.len() == self.exact.len() =>
            {
                self.exact.clone_from(values);
                self.control = values.iter().map(|&c| c as f32).collect();
                Ok(())
            }
            _ => Err(FederateError::Setting {
                what: "server state in the checkpoint".into(),
                value: format!("{} tensors", state.len()),
                reason: format!("expected {} control variates", self.exact.len()),
            }),
        }
    }
}
