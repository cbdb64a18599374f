//! The device versions.

use super::{Adam, op};
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};
use crate::ops::schedule::Row;

pub(super) const SOURCE: Source =
    Source { op: "adam", wgsl: include_str!("adam.wgsl"), cuda: include_str!("adam.cu") };

/// A step of the problems whose vectors `[B, stride]` lie in `parameter`; the first `trainable` words
/// of each move, at the rate of its row in `step` (see [`crate::ops::schedule`]).
pub fn step(
    device: &dyn Device,
    adam: Adam,
    [stride, trainable]: [usize; 2],
    [parameter, gradient, mean, square]: [&Buffer; 4],
    step: &Buffer,
) -> Vec<Launch> {
    let constants = [1.0 - adam.beta1, 1.0 - adam.beta2, adam.epsilon].map(|c| (c as f32).to_bits());
    let launch = |piece: std::ops::Range<usize>| {
        let [p, g, m, v] = [parameter, gradient, mean, square].map(|b| b.slice(piece.clone()));
        let sizes = [piece.len(), piece.start, stride, trainable].map(|x| x as u32);
        let params = [sizes.as_slice(), &constants].concat();
        Launch::new(SOURCE, "adam", &[&p, &g, &m, &v, step], &params, device.elementwise(piece.len()))
    };
    device.pieces(parameter.words).map(launch).collect()
}

/// Outputs `parameter`, `mean` and `square` after the steps of the harness.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let n = case.input("parameter").len();
    let parameter = device.put("parameter", &case.input("parameter").to_f32())?;
    let gradient = device.put("gradient", &case.input("gradient").to_f32())?;
    let mean = device.put("mean", &vec![0.0; n])?;
    let square = device.put("square", &vec![0.0; n])?;
    let now = device.alloc("step", crate::ops::schedule::WORDS)?;
    let adam = Adam::new(0.01);
    for number in 1..=op::STEPS {
        let (rate, second) = adam.corrected(number);
        let row = Row { rate: rate as f32, second: second as f32, ..Row::default() };
        device.upload(&now, &row.words())?;
        let buffers = [&parameter, &gradient, &mean, &square];
        device.run(step(device, adam, [n, n], buffers, &now))?;
    }
    let output = |name, buffer| Ok(Tensor::f32(name, &[n], device.get(buffer)?));
    [("parameter", &parameter), ("mean", &mean), ("square", &square)]
        .into_iter()
        .map(|(name, buffer)| output(name, buffer))
        .collect()
}
