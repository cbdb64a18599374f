//! The layout of activations: patients in vector lanes.
//!
//! `N` patients with `W` values each are `[T, W, 16]`: tile `t` holds patients `16 t .. 16 t + 16`,
//! value after value, 16 patients side by side. A layer then reads and writes whole vectors and
//! broadcasts its weights. Lanes past `N` are padding; they start as 0 and carry gradient 0.

use bytemuck::{Pod, Zeroable};

use crate::simd::LANES;

/// One value of 16 patients, aligned to a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Lane(pub [f32; LANES]);

impl Lane {
    /// 16 zeros.
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Tiles that hold `n` patients.
pub fn tiles_for(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// Row-major `[N, W]` to tiles.
pub fn from_rows(rows: &[f32], n: usize, width: usize) -> Vec<Lane> {
    assert_eq!(rows.len(), n * width, "rows of [{n}, {width}]");
    let mut lanes = vec![Lane::ZERO; tiles_for(n) * width];
    for i in 0..n {
        for j in 0..width {
            lanes[i / LANES * width + j].0[i % LANES] = rows[i * width + j];
        }
    }
    lanes
}

/// Tiles to row-major `[N, W]`.
pub fn to_rows(lanes: &[Lane], n: usize, width: usize) -> Vec<f32> {
    let mut rows = vec![0.0; n * width];
    for i in 0..n {
        for j in 0..width {
            rows[i * width + j] = lanes[i / LANES * width + j].0[i % LANES];
        }
    }
    rows
}

/// Copies the patients at `positions` of `[T, W, 16]` side by side into new tiles.
pub fn gather(lanes: &[Lane], width: usize, positions: &[u32], out: &mut Vec<Lane>) {
    out.clear();
    out.resize(tiles_for(positions.len()) * width, Lane::ZERO);
    for (i, &position) in positions.iter().enumerate() {
        let (tile, lane) = (position as usize / LANES * width, position as usize % LANES);
        for j in 0..width {
            out[i / LANES * width + j].0[i % LANES] = lanes[tile + j].0[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_tiles() {
        for n in [0, 1, 15, 16, 17, 40] {
            let rows: Vec<f32> = (0..n * 3).map(|i| i as f32).collect();
            let lanes = from_rows(&rows, n, 3);
            assert_eq!(to_rows(&lanes, n, 3), rows);
            let mut picked = Vec::new();
            let positions: Vec<u32> = (0..n as u32).rev().collect();
            gather(&lanes, 3, &positions, &mut picked);
            let reversed: Vec<f32> = rows.chunks(3).rev().flatten().copied().collect();
            assert_eq!(to_rows(&picked, n, 3), reversed);
        }
    }
}
