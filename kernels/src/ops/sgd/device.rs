//! The device versions.

use super::op::{STEPS, constants};
use crate::backend::{Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "sgd", wgsl: include_str!("sgd.wgsl"), cuda: include_str!("sgd.cu") };

/// Outputs `parameter` and `velocity` after the steps of the harness.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let n = case.input("parameter").len();
    let parameter = device.put("parameter", &case.input("parameter").to_f32())?;
    let gradient = device.put("gradient", &case.input("gradient").to_f32())?;
    let velocity = device.put("velocity", &vec![0.0; n])?;
    let sgd = constants(case);
    let (rate, momentum) = (sgd.learning_rate as f32, sgd.momentum as f32);
    for _ in 0..STEPS {
        for piece in device.pieces(n) {
            device.launch(&Launch {
                source: SOURCE,
                entry: "sgd",
                buffers: &[&parameter, &gradient, &velocity].map(|b| b.slice(piece.clone())).each_ref(),
                params: &[piece.len() as u32, rate.to_bits(), momentum.to_bits(), sgd.nesterov.into()],
                groups: device.elementwise(piece.len()),
            })?;
        }
    }
    Ok(vec![
        Tensor::f32("parameter", &[n], device.get(&parameter)?),
        Tensor::f32("velocity", &[n], device.get(&velocity)?),
    ])
}
