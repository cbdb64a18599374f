//! The device versions.

use super::{Adam, op};
use crate::backend::{Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "adam", wgsl: include_str!("adam.wgsl"), cuda: include_str!("adam.cu") };

/// Outputs `parameter`, `mean` and `square` after the steps of the harness.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let n = case.input("parameter").len();
    let parameter = device.put("parameter", &case.input("parameter").to_f32())?;
    let gradient = device.put("gradient", &case.input("gradient").to_f32())?;
    let mean = device.put("mean", &vec![0.0; n])?;
    let square = device.put("square", &vec![0.0; n])?;
    let adam = Adam::new(0.01);
    for step in 1..=op::STEPS {
        let (rate, second) = adam.corrected(step);
        let constants = [rate, second, 1.0 - adam.beta1, 1.0 - adam.beta2, adam.epsilon];
        for piece in device.pieces(n) {
            let mut params = vec![piece.len() as u32];
            params.extend(constants.map(|c| (c as f32).to_bits()));
            device.launch(&Launch {
                source: SOURCE,
                entry: "adam",
                buffers: &[&parameter, &gradient, &mean, &square].map(|b| b.slice(piece.clone())).each_ref(),
                params: &params,
                groups: device.elementwise(piece.len()),
            })?;
        }
    }
    let output = |name, buffer| Ok(Tensor::f32(name, &[n], device.get(buffer)?));
    [("parameter", &parameter), ("mean", &mean), ("square", &square)]
        .into_iter()
        .map(|(name, buffer)| output(name, buffer))
        .collect()
}
