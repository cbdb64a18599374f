//! `activation`: elementwise nonlinearity and its gradient.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | z | `[N, H]` | pre-activation |
//! | a | `[N, H]` | `f(z)` |
//! | da | `[N, H]` | loss per unit of `a` |
//! | dz | `[N, H]` | `da f'(z)`, with `f'` written in terms of `a` |
//!
//! SELU: Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

mod device;
mod op;

pub use op::ActivationOp;

use crate::simd::{Simd, math};

/// Scale of SELU.
pub const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// Negative saturation of SELU before scaling.
pub const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// A nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `z`.
    Identity,
    /// `max(z, 0)`.
    Relu,
    /// `tanh z`.
    Tanh,
    /// `scale (z > 0 ? z : alpha (exp z - 1))`.
    Selu,
    /// `z > 0 ? z : exp z - 1`.
    Elu,
}

impl Activation {
    /// Every nonlinearity with its name in a study file.
    pub const ALL: [(&'static str, Self); 5] = [
        ("identity", Self::Identity),
        ("relu", Self::Relu),
        ("tanh", Self::Tanh),
        ("selu", Self::Selu),
        ("elu", Self::Elu),
    ];

    /// The nonlinearity of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
    }

    /// `f(z)` in f64: the oracle.
    pub fn value(self, z: f64) -> f64 {
        match self {
            Self::Identity => z,
            // NaN must pass through, or a diverged network would look healthy.
            Self::Relu if z < 0.0 => 0.0,
            Self::Relu => z,
            Self::Tanh => libm::tanh(z),
            Self::Selu if z > 0.0 => SELU_SCALE * z,
            Self::Selu => SELU_SCALE * SELU_ALPHA * libm::expm1(z),
            Self::Elu if z > 0.0 => z,
            Self::Elu => libm::expm1(z),
        }
    }

    /// `f'(z)` in terms of `a = f(z)`, in f64: the oracle.
    pub fn slope(self, a: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => f64::from(a > 0.0),
            Self::Tanh => 1.0 - a * a,
            Self::Selu if a > 0.0 => SELU_SCALE,
            Self::Selu => a + SELU_SCALE * SELU_ALPHA,
            Self::Elu if a > 0.0 => 1.0,
            Self::Elu => a + 1.0,
        }
    }

    /// `f(z)` of 16 lanes.
    #[inline(always)]
    pub fn value_lanes<S: Simd>(self, s: S, z: S::F) -> S::F {
        let zero = s.splat(0.0);
        match self {
            Self::Identity => z,
            Self::Relu => s.select(s.gt(zero, z), zero, z),
            Self::Tanh => math::tanh(s, z),
            Self::Selu => {
                let low = math::expm1_nonpositive(s, s.min(zero, z));
                let low = s.mul(low, s.splat((SELU_SCALE * SELU_ALPHA) as f32));
                s.select(s.gt(z, zero), s.mul(z, s.splat(SELU_SCALE as f32)), low)
            }
            Self::Elu => s.select(s.gt(z, zero), z, math::expm1_nonpositive(s, s.min(zero, z))),
        }
    }

    /// `f'(z)` of 16 lanes, in terms of `a = f(z)`.
    #[inline(always)]
    pub fn slope_lanes<S: Simd>(self, s: S, a: S::F) -> S::F {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        match self {
            Self::Identity => one,
            Self::Relu => s.select(s.gt(a, zero), one, zero),
            Self::Tanh => s.sub(one, s.mul(a, a)),
            Self::Selu => {
                let low = s.add(a, s.splat((SELU_SCALE * SELU_ALPHA) as f32));
                s.select(s.gt(a, zero), s.splat(SELU_SCALE as f32), low)
            }
            Self::Elu => s.select(s.gt(a, zero), one, s.add(a, one)),
        }
    }
}
