//! `sgd`: one step of stochastic gradient descent with momentum.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | parameter | `[P]` | |
//! | gradient | `[P]` | loss per unit of parameter |
//! | velocity | `[P]` | running sum of gradients |
//!
//! `u = momentum u + g`, `p -= lr u`, or with Nesterov `p -= lr (g + momentum u)`; as PyTorch's SGD
//! (Sutskever et al., ICML 2013, up to the place of `lr`).

pub mod device;
mod op;

pub use op::SgdOp;

/// Constants of SGD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub learning_rate: f64,
    /// Share of the velocity that is kept; 0 is plain descent.
    pub momentum: f64,
    /// Look ahead along the velocity.
    pub nesterov: bool,
}

/// A step in place.
///
/// # Panics
/// If the lengths differ.
pub fn sgd(sgd: Sgd, parameter: &mut [f32], gradient: &[f32], velocity: &mut [f32]) {
    let n = parameter.len();
    assert!(gradient.len() == n && velocity.len() == n, "sgd: lengths");
    let (rate, momentum) = (sgd.learning_rate as f32, sgd.momentum as f32);
    for ((p, &g), u) in parameter.iter_mut().zip(gradient).zip(velocity) {
        *u = momentum * *u + g;
        *p -= rate * if sgd.nesterov { g + momentum * *u } else { *u };
    }
}

/// The same step in f64: the oracle.
pub fn reference(sgd: Sgd, parameter: &mut [f64], gradient: &[f64], velocity: &mut [f64]) {
    for ((p, &g), u) in parameter.iter_mut().zip(gradient).zip(velocity) {
        *u = sgd.momentum * *u + g;
        *p -= sgd.learning_rate * if sgd.nesterov { g + sgd.momentum * *u } else { *u };
    }
}
