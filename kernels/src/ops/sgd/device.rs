//! The device versions.

use super::Sgd;
use super::op::{STEPS, constants};
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};
use crate::ops::schedule::Row;

pub(super) const SOURCE: Source =
    Source { op: "sgd", wgsl: include_str!("sgd.wgsl"), cuda: include_str!("sgd.cu") };

/// A step of the problems whose vectors `[B, stride]` lie in `parameter`; the first `trainable` words
/// of each move, at the rate of its row in `step` (see [`crate::ops::schedule`]).
pub fn step(
    device: &dyn Device,
    sgd: Sgd,
    [stride, trainable]: [usize; 2],
    [parameter, gradient, velocity]: [&Buffer; 3],
    step: &Buffer,
) -> Vec<Launch> {
    let launch = |piece: std::ops::Range<usize>| {
        let [p, g, u] = [parameter, gradient, velocity].map(|b| b.slice(piece.clone()));
        let sizes = [piece.len(), piece.start, stride, trainable].map(|x| x as u32);
        let params = [sizes.as_slice(), &[(sgd.momentum as f32).to_bits(), sgd.nesterov.into()]].concat();
        Launch::new(SOURCE, "sgd", &[&p, &g, &u, step], &params, device.elementwise(piece.len()))
    };
    device.pieces(parameter.words).map(launch).collect()
}

/// Outputs `parameter` and `velocity` after the steps of the harness.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let n = case.input("parameter").len();
    let parameter = device.put("parameter", &case.input("parameter").to_f32())?;
    let gradient = device.put("gradient", &case.input("gradient").to_f32())?;
    let velocity = device.put("velocity", &vec![0.0; n])?;
    let sgd = constants(case);
    let row = Row { rate: sgd.learning_rate as f32, ..Row::default() };
    let now = device.put_words("step", &row.words())?;
    for _ in 0..STEPS {
        device.run(step(device, sgd, [n, n], [&parameter, &gradient, &velocity], &now))?;
    }
    Ok(vec![
        Tensor::f32("parameter", &[n], device.get(&parameter)?),
        Tensor::f32("velocity", &[n], device.get(&velocity)?),
    ])
}
