//! Texture matrices: counts of grey levels and how they lie to each other.
//!
//! All counts are integers, so they have the same bits for any order of the voxels.

mod grid;
mod neighbours;
mod offsets;
mod pairs;
mod runs;
mod zones;

pub use grid::LevelGrid;
pub use neighbours::{Neighbourhood, neighbourhoods};
pub use offsets::{Offset, offsets};
pub use pairs::{Pairs, ordered_pairs, pairs};
pub use runs::runs;
pub use zones::zones;

/// How often a grey level comes in one extent: a run's length, a zone's size, a dependence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Index of the grey level in [`LevelGrid::levels`].
    pub level: u16,
    /// Voxels.
    pub size: u32,
    /// How often.
    pub count: u64,
}
