//! `convolve`: one pass of a separable filter, any kernel along the lines of an axis.
//!
//! | buffer | shape | unit |
//! |---|---|---|
//! | volume | `[Z, Y, X]` | f32 or f64 |
//! | tap | `[K]` | of the same type |
//! | place | `[L + K - 1]` | places of a line that are read, in order: how the line is continued |
//! | out | `[Z, Y, X]` with `L` along the axis | `out[o] = sum_j tap[j] line[place[o + K - 1 - j]]` |
//!
//! Terms are added in the order of the taps, each rounded to the type of the volume: the sums are those
//! of PyWavelets (Mallat 1989, the algorithme à trous), to the last bit.

pub mod device;
mod op;

pub use op::ConvolveOp;

use std::ops::{AddAssign, Mul};

use crate::simd::{Kernel, Level, Simd, run_on};
use crate::voxels::{Real, Tile, Volume, WIDTH};

/// Sixteen lines under one kernel.
struct Lines<'a, T> {
    taps: &'a [T],
    read: &'a Tile<T>,
    out: &'a mut Tile<T>,
}

impl<T: Real + Mul<Output = T> + AddAssign> Kernel for Lines<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, _s: S) {
        let last = self.taps.len() - 1;
        for (o, out) in self.out.iter_mut().enumerate() {
            let mut sums = [T::default(); WIDTH];
            for (j, &tap) in self.taps.iter().enumerate() {
                let values = &self.read[o + last - j];
                for lane in 0..WIDTH {
                    sums[lane] += tap * values[lane];
                }
            }
            *out = sums;
        }
    }
}

/// Convolves the lines along `axis` with `taps` (at least one), reading them at `places`.
///
/// # Panics
/// If there are fewer places than taps, or one beyond the end of a line.
pub fn convolve<T, V>(
    level: Level,
    volume: &Volume<V>,
    axis: usize,
    taps: &[T],
    places: &[usize],
) -> Volume<Vec<T>>
where
    T: Real + Mul<Output = T> + AddAssign,
    V: AsRef<[T]>,
{
    assert!(!taps.is_empty() && places.len() >= taps.len(), "{} taps, {} places", taps.len(), places.len());
    let length = places.len() + 1 - taps.len();
    volume.along(axis, places, length, |read, out| run_on(level, Lines { taps, read, out }))
}
