//! Floor 2: embeddings of whole-slide images and what is made of them.
//!
//! [`Slide`] opens the file of a slide in any of the layouts that are in use (CLAM, TRIDENT, STAMP, MMP and PANTHER,
//! `.npy`, `.pt`, Parquet) and brings its tiles block by block; [`reduce`](reduce()) makes one pass over them:
//! moments, extremes, quantiles, top-k and, for a PCA, the sums of products. [`Scatter`] adds these sums over
//! slides and sites without rounding that depends on an order; [`Pca`] is fitted to them. [`Prototypes`] are the
//! centres of k-means, [`Mixture`] a mixture of normal distributions that begins with them. Letters: `T` tiles, `D` width of an embedding, `K` prototypes.

mod error;
mod files;
mod mixture;
mod order;
mod pca;
mod projection;
mod prototypes;
mod read;
mod reduce;
mod repack;
mod scatter;
mod sums;
mod symmetric;

pub use error::SlidesError;
pub use files::{Named, slide_files, slide_name};
pub use mixture::{Memberships, Mixture};
pub use osteon_kernels::ops::pool::{Precision, Rows};
pub use pca::{Fit, Pca, SIGN_RULE};
pub use projection::Projection;
pub use prototypes::{Assigned, Prototypes};
pub use read::{Level, Slide};
pub use reduce::{Pooling, Reduced, SlideProducts, Wanted, reduce};
pub use repack::repack;
pub use scatter::Scatter;
pub use symmetric::{Eigen, largest};
