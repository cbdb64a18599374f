//! Voxels: what the ops on images share.
//!
//! A volume is `[Z, Y, X]` in memory, x fastest; sizes, offsets and places are written x, y, z.

pub mod cases;
pub mod device;
mod directions;
mod levels;
mod lines;
mod rows;

pub use directions::{Offset, offsets};
pub use levels::{Extent, LevelError, LevelGrid};
pub(crate) use levels::{Extents, TABLE};
pub use lines::{Real, Tile, Volume, WIDTH};
pub use rows::{Row, rows};
