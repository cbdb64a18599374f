//! The compute ops. One op is one folder: an f64 oracle, a fast CPU version, and its device
//! sources beside them; registering it is one line in [`ALL`].
//!
//! Dimension letters are the same everywhere: `B` problems in a batch, `N` patients, `F` features,
//! `H` hidden width, `P` parameters, `K` workers, `T` tiles, `D` embedding width, `G` grey levels, `V` voxels;
//! `[Z, Y, X]` is a volume.

pub mod activation;
pub mod adam;
pub mod attention_pool;
pub mod batch_norm;
pub mod c_index;
pub mod case;
pub mod components;
pub mod convolve;
pub mod cox_nll;
pub mod diameter;
pub mod dropout;
pub mod glcm;
pub mod glrlm;
pub mod glszm;
pub mod gram;
pub mod histogram;
pub mod linear;
pub mod mesh;
pub mod moments;
pub mod neighbourhood;
pub mod penalty;
pub mod pool;
pub mod recursive;
pub mod schedule;
pub mod sgd;
pub mod weighted_sum;

pub use case::{Case, Gradient, Tensor, Values, Work};

use crate::backend::{Device, DeviceError, Source};
use crate::simd::Level;

/// What an op offers to the harness that tests it on every backend.
///
/// The harness runs [`Op::reference`] and the version of each backend on the same [`Case`]s and
/// compares by normalised mean square error; it checks [`Op::gradients`] of the reference by
/// central differences, so that the oracle itself is tested.
pub trait Op: Sync {
    /// Name: folder, entry point in WGSL and CUDA, filter of the harness.
    fn name(&self) -> &'static str;

    /// Inputs to test on: random, odd and edge shapes, ties, zero weights, `N` of 0 and 1.
    fn cases(&self) -> Vec<Case>;

    /// Inputs to time, largest last.
    fn perf_cases(&self) -> Vec<Case> {
        Vec::new()
    }

    /// The oracle: plain f64 code that follows the formula.
    fn reference(&self, case: &Case) -> Vec<Tensor>;

    /// The fast CPU version at a given instruction set, with as many threads as the current rayon
    /// pool has.
    fn cpu(&self, case: &Case, level: Level) -> Vec<Tensor>;

    /// The device versions, if there are any: `<op>.wgsl` and `<op>.cu` beside the op.
    fn source(&self) -> Option<Source> {
        None
    }

    /// The device version on an opened device.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] with the reason where the op, or the op on such inputs, has no
    /// device version; else what the device says. Nothing falls back to another backend.
    fn run_on(&self, device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
        let _ = case;
        Err(DeviceError::Unsupported {
            op: self.name(),
            device: device.name(),
            reason: "it has no device version yet".to_owned(),
        })
    }

    /// Largest normalised mean square error of an `f32` version against the oracle.
    fn max_nmse(&self) -> f64 {
        1e-12
    }

    /// The same for a device version, whose sums are `f32` (WGSL has no `f64`).
    fn max_nmse_device(&self) -> f64 {
        self.max_nmse()
    }

    /// Which outputs are gradients of which.
    fn gradients(&self) -> Vec<Gradient> {
        Vec::new()
    }

    /// Least bytes moved and arithmetic operations done by one run.
    fn work(&self, case: &Case) -> Work;
}

/// Every op.
pub static ALL: &[&dyn Op] = &[
    &activation::ActivationOp,
    &adam::AdamOp,
    &attention_pool::AttentionPoolOp,
    &batch_norm::BatchNormOp,
    &c_index::CIndexOp,
    &components::ComponentsOp,
    &convolve::ConvolveOp,
    &cox_nll::CoxNll,
    &diameter::DiameterOp,
    &dropout::DropoutOp,
    &gram::GramOp,
    &glcm::GlcmOp,
    &glrlm::GlrlmOp,
    &glszm::GlszmOp,
    &histogram::HistogramOp,
    &linear::LinearOp,
    &mesh::MeshOp,
    &moments::MomentsOp,
    &pool::PoolOp,
    &neighbourhood::NeighbourhoodOp,
    &recursive::RecursiveOp,
    &penalty::PenaltyOp,
    &schedule::ScheduleOp,
    &sgd::SgdOp,
    &weighted_sum::WeightedSumOp,
];
