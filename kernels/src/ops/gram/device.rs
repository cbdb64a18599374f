//! The device versions: the upper triangle by squares of 64 columns, f32 over runs of [`RUN`] tiles and compensated
//! across runs (the error of each addition is kept and added at the end). Where a device multiplies halves by the
//! matrix, rows in f16 are split in two halves each, so that products keep 22 bits; a row of f16 that is further than
//! 65504 from the shift becomes infinite there, and so does its sum.

use super::{RUN, at, len};
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::pool::Rows;
use crate::ops::pool::device::{F16, unsupported, words};

pub(super) const SOURCE: Source =
    Source { op: "gram", wgsl: include_str!("gram.wgsl"), cuda: include_str!("gram.cu") };

/// Columns of a square.
const SIDE: usize = 64;
/// Tiles laid out at a time, where the device allows.
const MOST: usize = 64 * RUN;

/// Sums of products on a device, which every call names.
pub struct Products {
    width: usize,
    shift: Buffer,
    gram: Buffer,
}

impl Products {
    /// No tiles yet; `shift` is `[D]`.
    ///
    /// # Errors
    /// If there is no room for the sums.
    pub fn new(device: &dyn Device, shift: &[f32]) -> Result<Self, DeviceError> {
        let squares = shift.len().div_ceil(SIDE);
        let words = SIDE * SIDE * squares * (squares + 1);
        let gram = device.put_words("gram", &vec![0; words])?;
        Ok(Self { width: shift.len(), shift: device.put("shift", shift)?, gram })
    }

    /// Adds tiles. For the same bits, each call but the last must bring a multiple of [`RUN`] tiles.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] for rows in f64, else what the device says.
    ///
    /// # Panics
    /// If `rows` are not whole tiles.
    pub fn add(&mut self, device: &dyn Device, rows: Rows) -> Result<(), DeviceError> {
        let (width, limits) = (self.width, device.limits());
        assert_eq!(rows.len() % width.max(1), 0, "gram: whole tiles");
        let (tiles, squares) = (rows.len() / width.max(1), width.div_ceil(SIDE));
        let padded = SIDE * squares;
        let most = (limits.binding_words / padded.max(1)).min(MOST);
        let piece = (most / RUN * RUN).max(RUN);
        for start in (0..tiles).step_by(piece) {
            let here = piece.min(tiles - start);
            let part = rows.part(start * width, (start + here) * width);
            let (words, stored) = words(part).ok_or_else(|| unsupported("gram", device))?;
            let rows = device.put_words("rows", &words)?;
            let params = [here as u32, width as u32, padded as u32, stored, 0];
            let halves = limits.matrix_halves && stored == F16;
            let pairs = here.div_ceil(2);
            let (pack, add, elements, size) = match halves {
                true => ("gram_pack_halves", "gram_add_halves", pairs * padded, 2 * pairs * padded),
                false => ("gram_pack", "gram_add", here * padded, here * padded),
            };
            let packed = device.alloc("packed", size)?;
            let grid = [squares as u32, squares as u32, 1];
            let buffers = [&rows, &self.shift, &packed];
            device.run([
                Launch::new(SOURCE, pack, &buffers, &params, device.elementwise(elements)),
                Launch::new(SOURCE, add, &[&packed, &self.gram], &params, grid),
            ])?;
        }
        Ok(())
    }

    /// Adds the sums to `gram`, stored as [`at`] says.
    ///
    /// # Errors
    /// What the device says.
    ///
    /// # Panics
    /// If `gram` has another length than [`len`] of the width.
    pub fn finish(self, device: &dyn Device, gram: &mut [f64]) -> Result<(), DeviceError> {
        assert_eq!(gram.len(), len(self.width), "gram: widths");
        let sums = device.get(&self.gram)?;
        for j in 0..self.width {
            for i in 0..=j {
                let (high, low) = (j / SIDE, i / SIDE);
                let square = 2 * SIDE * SIDE * (high * (high + 1) / 2 + low);
                let place = square + i % SIDE * SIDE + j % SIDE;
                gram[at(i, j)] += f64::from(sums[place]) + f64::from(sums[place + SIDE * SIDE]);
            }
        }
        Ok(())
    }
}
