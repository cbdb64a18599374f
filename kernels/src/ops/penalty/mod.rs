//! `penalty`: what a penalty on parameters adds to their gradient.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | parameter, anchor | `[B, P]` | |
//! | decay | `[P]` | twice the factor of `p^2` in the loss; 0 where there is no penalty |
//! | gradient | `[B, P]` | gains `decay p + mu (p - anchor)` |
//!
//! `mu / 2 |p - anchor|^2` is the proximal term of FedProx (Li et al., MLSys 2020).

pub mod device;
mod op;

pub use op::PenaltyOp;

/// The penalty on a gradient in f64: the oracle.
pub fn reference(mu: f64, decay: &[f64], parameter: &[f64], anchor: Option<&[f64]>, gradient: &mut [f64]) {
    for (i, g) in gradient.iter_mut().enumerate() {
        let p = parameter[i];
        *g += decay[i % decay.len()] * p + mu * anchor.map_or(0.0, |a| p - a[i]);
    }
}
