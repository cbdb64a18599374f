//! Comparisons of the op harness.

use libtest_mimic::Failed;
use osteon_kernels::ops::{Case, Op, Tensor, Values};

/// Elements of an input varied by the finite-difference check of one case.
const PROBES: usize = 24;
/// Step of the central difference, relative to the element's scale.
const STEP: f64 = 1e-5;

/// Every output has the oracle's shape, its NaNs and infinities, and a small error.
pub fn outputs(got: &[Tensor], want: &[Tensor], max_nmse: f64) -> Result<(), Failed> {
    if got.len() != want.len() {
        return Err(format!("{} outputs, the oracle has {}", got.len(), want.len()).into());
    }
    for (got, want) in got.iter().zip(want) {
        if (got.name, &got.shape) != (want.name, &want.shape) {
            return Err(
                format!("{} {:?}, expected {} {:?}", got.name, got.shape, want.name, want.shape).into()
            );
        }
        let (x, y) = (got.to_f64(), want.to_f64());
        let wild = x.iter().zip(&y).position(|(x, y)| x.is_finite() != y.is_finite());
        if let Some(i) = wild {
            return Err(format!("{}[{i}] is {}, the oracle has {}", got.name, x[i], y[i]).into());
        }
        let error = nmse(&x, &y);
        if error > max_nmse {
            return Err(format!("{}: nmse {error:.3e} above {max_nmse:.0e}", got.name).into());
        }
    }
    Ok(())
}

/// The largest [`nmse`] of all outputs.
pub fn largest_nmse(got: &[Tensor], want: &[Tensor]) -> f64 {
    got.iter().zip(want).map(|(got, want)| nmse(&got.to_f64(), &want.to_f64())).fold(0.0, f64::max)
}

/// Squared error over squared size; the error itself where the oracle is all zero.
fn nmse(x: &[f64], y: &[f64]) -> f64 {
    let finite = || x.iter().zip(y).filter(|(x, _)| x.is_finite());
    let error: f64 = finite().map(|(x, y)| (x - y) * (x - y)).sum();
    let size: f64 = finite().map(|(_, y)| y * y).sum();
    if size > 0.0 { error / size } else { error }
}

/// Both runs gave the same bits.
pub fn same_bits(a: &[Tensor], b: &[Tensor], what: &str) -> Result<(), Failed> {
    let bits = |t: &Tensor| match &t.values {
        Values::F32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect::<Vec<_>>(),
        Values::F64(v) => v.iter().map(|x| x.to_bits()).collect(),
        Values::U32(v) => v.iter().map(|&x| u64::from(x)).collect(),
    };
    for (a, b) in a.iter().zip(b) {
        if let Some(i) = bits(a).iter().zip(bits(b)).position(|(a, b)| *a != b) {
            return Err(
                format!("{}[{i}]: {} here, {} on {what}", a.name, a.to_f64()[i], b.to_f64()[i]).into()
            );
        }
    }
    Ok(())
}

/// The oracle's gradients equal central differences of the oracle.
pub fn gradients(op: &dyn Op, case: &Case) -> Result<(), Failed> {
    let base = op.reference(case);
    for g in op.gradients() {
        let Some(at) = case.inputs.iter().position(|t| t.name == g.wrt) else { continue };
        let values = case.inputs[at].to_f64();
        let analytic = output(&base, g.gradient)?.to_f64();
        let scale = analytic.iter().fold(0f64, |m, x| m.max(x.abs())).max(1e-3);
        let stride = values.len().div_ceil(PROBES).max(1);
        for i in (0..values.len()).step_by(stride) {
            let step = STEP * values[i].abs().max(1.0);
            let objective = |delta: f64| -> Result<f64, Failed> {
                let mut varied = case.clone();
                let mut moved = values.clone();
                moved[i] += delta;
                varied.inputs[at].values = Values::F64(moved);
                let out = op.reference(&varied);
                let of = output(&out, g.of)?.to_f64();
                Ok(match g.seed.map(|name| case.input(name).to_f64()) {
                    Some(seed) => of.iter().zip(seed).map(|(y, s)| y * s).sum(),
                    None => of.iter().sum(),
                })
            };
            let central = (objective(step)? - objective(-step)?) / (2.0 * step);
            if (central - analytic[i]).abs() > 1e-5 * scale {
                let text =
                    format!("{}[{i}]: {} by formula, {central} by difference", g.gradient, analytic[i]);
                return Err(text.into());
            }
        }
    }
    Ok(())
}

fn output<'a>(outputs: &'a [Tensor], name: &str) -> Result<&'a Tensor, Failed> {
    outputs.iter().find(|t| t.name == name).ok_or_else(|| format!("no output {name}").into())
}
