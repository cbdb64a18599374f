//! The fast CPU version.

use super::{BLOCK_TILES, Epilogue, Produced, Weights};
use crate::ops::dropout::UNITS_PER_BLOCK;
use crate::panels::at_most_six;
use crate::simd::{Kernel, LANES, Level, Simd, run_on};
use crate::tiles::Lane;

/// Products of up to six weight rows with `P` tiles: `acc[j][p] += sum_i w[j, i] x[p, i]`.
///
/// # Safety
/// `w` is valid for rows `0..J` of stride `inputs`, `x` for `P` tiles of `inputs` lanes.
#[inline(always)]
unsafe fn panel<S: Simd, const J: usize, const P: usize>(
    s: S,
    mut acc: [[S::F; P]; J],
    w: *const f32,
    inputs: usize,
    x: *const Lane,
) -> [[S::F; P]; J] {
    for i in 0..inputs {
        // SAFETY: as the function's.
        unsafe {
            let xs: [S::F; P] = std::array::from_fn(|p| s.load(x.add(p * inputs + i).cast()));
            for j in 0..J {
                let wji = s.splat(*w.add(j * inputs + i));
                for p in 0..P {
                    acc[j][p] = s.fma(wji, xs[p], acc[j][p]);
                }
            }
        }
    }
    acc
}

/// Calls `$body` for groups of `S::TILES` tiles and then for single tiles, `P` being the constant.
macro_rules! over_tiles {
    ($s:ty, $tiles:expr, $t:ident, $p:ident => $body:expr) => {{
        let mut $t = 0;
        if <$s>::TILES == 4 {
            while $t + 4 <= $tiles {
                const $p: usize = 4;
                $body;
                $t += 4;
            }
        }
        while $t < $tiles {
            const $p: usize = 1;
            $body;
            $t += 1;
        }
    }};
}

struct Forward<'a> {
    weights: Weights<'a>,
    epilogue: Epilogue<'a>,
    x: &'a [Lane],
    y: &'a mut [Lane],
    kept: &'a mut [u16],
}

impl Kernel for Forward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Weights { w, b, inputs, outputs } = self.weights;
        let tiles = self.y.len() / outputs;
        if let Some((dropout, patients)) = self.epilogue.dropout {
            for (kept, patients) in self.kept.chunks_exact_mut(outputs).zip(patients) {
                for (group, kept) in kept.chunks_mut(UNITS_PER_BLOCK).enumerate() {
                    let masks = dropout.masks(s, patients, group);
                    // A length known to the compiler is a store, another a call.
                    match <&mut [u16; UNITS_PER_BLOCK]>::try_from(&mut *kept) {
                        Ok(kept) => *kept = masks,
                        Err(_) => kept.copy_from_slice(&masks[..kept.len()]),
                    }
                }
            }
        }
        let scale = self.epilogue.dropout.map_or(1.0, |(d, _)| (1.0 / d.keep()) as f32);
        over_tiles!(S, tiles, t, P => {
            let mut j = 0;
            while j < outputs {
                at_most_six!(outputs - j, J => {
                    // SAFETY: rows j..j+J and tiles t..t+P exist; a lane holds 16 values.
                    unsafe {
                        let start = std::array::from_fn(|r| [s.splat(*b.get_unchecked(j + r)); P]);
                        let (w, x) = (w.as_ptr().add(j * inputs), self.x.as_ptr().add(t * inputs));
                        let acc = panel::<S, J, P>(s, start, w, inputs, x);
                        for r in 0..J {
                            for p in 0..P {
                                let at = (t + p) * outputs + j + r;
                                let mut y = self.epilogue.activation.value_lanes(s, acc[r][p]);
                                if self.epilogue.dropout.is_some() {
                                    let kept = s.mask_from(*self.kept.get_unchecked(at));
                                    y = s.select(kept, s.mul(y, s.splat(scale)), s.splat(0.0));
                                }
                                s.store(self.y.as_mut_ptr().add(at).cast(), y);
                            }
                        }
                    }
                    j += J;
                });
            }
        });
    }
}

/// `y = dropout(f(x w^T + b))` for whole tiles; `kept` (`[T, O]`) receives the dropout bits and may
/// be empty without dropout.
///
/// # Panics
/// If the shapes do not agree.
pub fn forward(
    level: Level,
    weights: Weights,
    epilogue: Epilogue,
    x: &[Lane],
    y: &mut [Lane],
    kept: &mut [u16],
) {
    let tiles = y.len() / weights.outputs;
    assert_eq!((x.len(), y.len()), (tiles * weights.inputs, tiles * weights.outputs), "linear: tiles");
    assert_eq!(weights.w.len(), weights.inputs * weights.outputs, "linear: w is [O, I]");
    assert_eq!(weights.b.len(), weights.outputs, "linear: b is [O]");
    if let Some((_, patients)) = epilogue.dropout {
        assert_eq!((kept.len(), patients.len()), (y.len(), tiles), "linear: dropout");
    }
    run_on(level, Forward { weights, epilogue, x, y, kept });
}

struct BackwardInput<'a> {
    /// `[I, O]`: the weights transposed.
    transposed: &'a [f32],
    inputs: usize,
    outputs: usize,
    dz: &'a [Lane],
    produced: Option<Produced<'a>>,
    dx: &'a mut [Lane],
}

impl Kernel for BackwardInput<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let tiles = self.dx.len() / inputs;
        let keep = self.produced.and_then(|p| p.kept).map_or(1.0, |(_, keep)| keep);
        let (keep, scale) = (s.splat(keep as f32), s.splat((1.0 / keep) as f32));
        over_tiles!(S, tiles, t, P => {
            let mut i = 0;
            while i < inputs {
                at_most_six!(inputs - i, J => {
                    // SAFETY: rows i..i+J and tiles t..t+P exist; a lane holds 16 values.
                    unsafe {
                        let start = [[s.splat(0.0); P]; J];
                        let w = self.transposed.as_ptr().add(i * outputs);
                        let acc = panel::<S, J, P>(s, start, w, outputs, self.dz.as_ptr().add(t * outputs));
                        for r in 0..J {
                            for p in 0..P {
                                let at = (t + p) * inputs + i + r;
                                let mut dx = acc[r][p];
                                if let Some(produced) = self.produced {
                                    let y = s.load(produced.output.as_ptr().add(at).cast());
                                    if let Some((kept, _)) = produced.kept {
                                        let slope = produced.activation.slope_lanes(s, s.mul(y, keep));
                                        let through = s.mul(s.mul(dx, scale), slope);
                                        let kept = s.mask_from(*kept.get_unchecked(at));
                                        dx = s.select(kept, through, s.splat(0.0));
                                    } else {
                                        dx = s.mul(dx, produced.activation.slope_lanes(s, y));
                                    }
                                }
                                s.store(self.dx.as_mut_ptr().add(at).cast(), dx);
                            }
                        }
                    }
                    i += J;
                });
            }
        });
    }
}

/// `dx = dz w`, carried through the dropout and nonlinearity of the layer that produced `x`, if
/// given. `transposed` is `w` as `[I, O]`.
///
/// # Panics
/// If the shapes do not agree.
pub fn backward_input(
    level: Level,
    transposed: &[f32],
    inputs: usize,
    outputs: usize,
    dz: &[Lane],
    produced: Option<Produced>,
    dx: &mut [Lane],
) {
    let tiles = dx.len() / inputs;
    assert_eq!(transposed.len(), inputs * outputs, "linear: transposed w is [I, O]");
    assert_eq!((dz.len(), dx.len()), (tiles * outputs, tiles * inputs), "linear: tiles");
    if let Some(p) = produced {
        assert_eq!(p.output.len(), dx.len(), "linear: output of the layer before");
        assert!(p.kept.is_none_or(|(kept, _)| kept.len() == dx.len()), "linear: dropout bits");
    }
    run_on(level, BackwardInput { transposed, inputs, outputs, dz, produced, dx });
}

/// Columns of the register tile of a weight gradient.
const COLUMNS: usize = 4;

struct BackwardWeight<'a> {
    inputs: usize,
    outputs: usize,
    x: &'a [Lane],
    dz: &'a [Lane],
    sums: &'a mut [f32],
}

/// # Safety
/// Rows `j..j+J` of `dz` and columns `i..i+I` of `x` exist in every tile.
#[inline(always)]
unsafe fn outer<S: Simd, const J: usize, const I: usize>(s: S, k: &mut BackwardWeight, j: usize, i: usize) {
    let tiles = k.x.len() / k.inputs;
    let mut acc = [[s.splat(0.0); I]; J];
    for t in 0..tiles {
        // SAFETY: as the function's.
        unsafe {
            let x = k.x.as_ptr().add(t * k.inputs + i);
            let dz = k.dz.as_ptr().add(t * k.outputs + j);
            let xs: [S::F; I] = std::array::from_fn(|c| s.load(x.add(c).cast()));
            for r in 0..J {
                let d = s.load(dz.add(r).cast());
                for c in 0..I {
                    acc[r][c] = s.fma(d, xs[c], acc[r][c]);
                }
            }
        }
    }
    for r in 0..J {
        let sums = s.sum4(std::array::from_fn(|c| if c < I { acc[r][c] } else { s.splat(0.0) }));
        k.sums[(j + r) * k.inputs + i..][..I].copy_from_slice(&sums[..I]);
    }
}

impl Kernel for BackwardWeight<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let mut i = 0;
        while i < inputs {
            let columns = match inputs - i {
                1 => 1,
                2 | 3 => 2,
                _ => COLUMNS,
            };
            let mut j = 0;
            while j < outputs {
                at_most_six!(outputs - j, J => {
                    // SAFETY: the rows and columns exist.
                    unsafe {
                        match columns {
                            1 => outer::<S, J, 1>(s, &mut self, j, i),
                            2 => outer::<S, J, 2>(s, &mut self, j, i),
                            _ => outer::<S, J, COLUMNS>(s, &mut self, j, i),
                        }
                    }
                    j += J;
                });
            }
            i += columns;
        }
        let tiles = self.x.len() / inputs;
        for (group, sums) in self.sums[outputs * inputs..].chunks_mut(4).enumerate() {
            let mut acc = [s.splat(0.0); 4];
            for t in 0..tiles {
                let dz = &self.dz[t * outputs + 4 * group..][..sums.len()];
                for (acc, dz) in acc.iter_mut().zip(dz) {
                    // SAFETY: a lane holds 16 values.
                    *acc = s.add(*acc, unsafe { s.load(dz.0.as_ptr()) });
                }
            }
            sums.copy_from_slice(&s.sum4(acc)[..sums.len()]);
        }
    }
}

/// Sums `dz^T x` (`[O, I]`) and `dz` (`[O]`) over at most [`BLOCK_TILES`] tiles.
///
/// # Panics
/// If the shapes do not agree.
pub fn backward_weight(
    level: Level,
    inputs: usize,
    outputs: usize,
    x: &[Lane],
    dz: &[Lane],
    sums: &mut [f32],
) {
    assert!(x.len() <= BLOCK_TILES * inputs, "linear: more than one block");
    assert_eq!(x.len() * outputs, dz.len() * inputs, "linear: tiles");
    assert_eq!(sums.len(), outputs * inputs + outputs, "linear: sums are [O, I] and [O]");
    run_on(level, BackwardWeight { inputs, outputs, x, dz, sums });
}

struct ApplyEpilogue<'a> {
    width: usize,
    epilogue: Epilogue<'a>,
    y: &'a mut [Lane],
    kept: &'a mut [u16],
}

impl Kernel for ApplyEpilogue<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = self.epilogue.dropout.map_or(1.0, |(d, _)| (1.0 / d.keep()) as f32);
        for (t, tile) in self.y.chunks_exact_mut(self.width).enumerate() {
            for (group, lanes) in tile.chunks_mut(UNITS_PER_BLOCK).enumerate() {
                let masks = self.epilogue.dropout.map(|(d, patients)| d.masks(s, &patients[t], group));
                for (u, lane) in lanes.iter_mut().enumerate() {
                    // SAFETY: a lane holds 16 values.
                    let z = unsafe { s.load(lane.0.as_ptr()) };
                    let mut y = self.epilogue.activation.value_lanes(s, z);
                    if let Some(masks) = masks {
                        self.kept[t * self.width + group * UNITS_PER_BLOCK + u] = masks[u];
                        y = s.select(s.mask_from(masks[u]), s.mul(y, s.splat(scale)), s.splat(0.0));
                    }
                    // SAFETY: a lane holds 16 values.
                    unsafe { s.store(lane.0.as_mut_ptr(), y) };
                }
            }
        }
    }
}

/// The epilogue alone, in place on `[T, O, 16]`, for a layer whose pre-activation was normalised
/// first.
///
/// # Panics
/// If the shapes do not agree.
pub fn apply_epilogue(level: Level, width: usize, epilogue: Epilogue, y: &mut [Lane], kept: &mut [u16]) {
    if let Some((_, patients)) = epilogue.dropout {
        assert_eq!((kept.len(), patients.len() * width), (y.len(), y.len()), "linear: dropout");
    }
    run_on(level, ApplyEpilogue { width, epilogue, y, kept });
}

const _: () = assert!(LANES == 16, "masks are 16 bits");
