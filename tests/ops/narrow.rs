//! Ops whose inputs go to the device in pieces, and dropout's mask to the bit.

use libtest_mimic::{Failed, Trial};
use osteon_kernels::backend::DeviceError;
use osteon_kernels::ops::{ALL, Case, Op, Tensor};
use osteon_kernels::simd::Level;

use crate::compare;
use crate::limited::Limited;
use crate::training::Open;

/// Op, beginning of the case's label, words that one binding can see, and whether pieces change no bit.
const PIECES: [(&str, &str, usize, bool); 11] = [
    ("linear", "blocks_n1523", 512 * 42, true),
    ("linear", "batch of 3", 530 * 20, true),
    ("dropout", "n200_h9", 64 * 9, true),
    // Sums over a piece are trees of their own.
    ("batch_norm", "n1100_h2", 1024, false),
    ("cox_nll", "batch of 3", 100, true),
    ("glrlm", "more_than_a_block", 15_200, true),
    ("mesh", "more_than_a_block", 7600, true),
    ("diameter", "levels_10000", 4400, true),
    ("convolve", "6x5x4_axis0_taps6", 64, true),
    ("convolve", "6x5x4_axis2_taps6", 64, true),
    ("recursive", "3x33x2_axis2", 128, true),
];

/// The trials of a backend.
pub fn trials(name: &'static str, open: Open) -> Vec<Trial> {
    let mut all: Vec<Trial> = PIECES
        .into_iter()
        .map(|(op, case, words, exact)| {
            let label = format!("{op}::{name}::in pieces of {words} words");
            Trial::test(label, move || in_pieces(op, case, words, exact, open, name))
        })
        .collect();
    all.push(Trial::test(format!("dropout::{name}::the mask is exact"), move || exact_mask(open, name)));
    all.push(Trial::test(format!("glszm::{name}::too many cells are refused"), move || too_many(open, name)));
    all
}

fn find(op: &str, label: &str) -> Result<(&'static dyn Op, Case), Failed> {
    let op = ALL.iter().copied().find(|o| o.name() == op).ok_or("no such op")?;
    let case = op.cases().into_iter().find(|c| c.label.starts_with(label)).ok_or("no such case")?;
    Ok((op, case))
}

fn in_pieces(op: &str, case: &str, words: usize, exact: bool, open: Open, name: &str) -> Result<(), Failed> {
    let (op, case) = find(op, case)?;
    let device = open(name)?;
    let whole = op.run_on(device.as_ref(), &case)?;
    let mut limited = Limited::new(device);
    limited.binding_words = words;
    let pieces = op.run_on(&limited, &case)?;
    compare::outputs(&pieces, &op.reference(&case), op.max_nmse_device())?;
    if exact { compare::same_bits(&pieces, &whole, "one piece") } else { Ok(()) }
}

/// What cannot be taken in pieces is refused with its size.
fn too_many(open: Open, name: &str) -> Result<(), Failed> {
    let (op, case) = find("glszm", "more_than_a_block")?;
    let mut limited = Limited::new(open(name)?);
    limited.binding_words = 20_000;
    match op.run_on(&limited, &case) {
        Err(DeviceError::TooLarge { what, needed, limit, .. })
            if what.starts_with("parent of ") && needed == 4 * 39 * 31 * 25 && limit == 4 * 20_000 =>
        {
            Ok(())
        }
        Err(error) => Err(format!("another error: {error}").into()),
        Ok(_) => Err("cells beyond a binding, and nobody noticed".into()),
    }
}

/// The same units of the same patients are dropped as on the processor, and what is kept is scaled to the
/// same bits; in a layer too.
fn exact_mask(open: Open, name: &str) -> Result<(), Failed> {
    let device = open(name)?;
    let (op, case) = find("dropout", "n33_h42")?;
    let outputs = op.run_on(device.as_ref(), &case)?;
    compare::same_bits(&outputs, &op.cpu(&case, Level::current()), "the processor")?;
    let (op, case) = find("linear", "batch of 3")?;
    let dropped = |outputs: &[Tensor]| outputs[0].to_f64().iter().map(|y| *y == 0.0).collect::<Vec<_>>();
    let mask = dropped(&op.run_on(device.as_ref(), &case)?);
    if mask != dropped(&op.reference(&case)) || !mask.contains(&true) {
        return Err("a layer drops other units".into());
    }
    Ok(())
}
