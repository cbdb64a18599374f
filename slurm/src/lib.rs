//! Floor 5: batch scripts for Slurm, and what jobs used.
//!
//! - [`resources`]: what a job asks Slurm for, checked before a script holds it,
//! - [`sweep`]: the jobs of a study over node counts, or of a batch of images over shards,
//! - [`script`]: the templates of `slurm/templates`, filled in,
//! - [`usage`]: core-hours, GPU-hours and memory, from `sacct` or from `status.json`.

mod error;
pub mod resources;
pub mod script;
pub mod sweep;
pub mod usage;

pub use error::SlurmError;
pub use resources::Resources;
pub use script::Script;
