//! The device versions.

use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "penalty", wgsl: include_str!("penalty.wgsl"), cuda: include_str!("penalty.cu") };

/// Adds the penalty to the gradients of all problems; without `anchor` there is no pull.
pub fn add(
    device: &dyn Device,
    parameter: &Buffer,
    anchor: Option<(f64, &Buffer)>,
    decay: &Buffer,
    gradient: &Buffer,
) -> Launch {
    let (mu, anchor) = anchor.unwrap_or((0.0, parameter));
    let params = [gradient.words as u32, decay.words as u32, (mu as f32).to_bits()];
    let buffers = [parameter, anchor, decay, gradient];
    Launch::new(SOURCE, "penalty", &buffers, &params, device.elementwise(gradient.words))
}

/// Output `gradient`.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let put = |name| device.put(name, &case.input(name).to_f32());
    let (parameter, decay, gradient) = (put("parameter")?, put("decay")?, put("gradient")?);
    let anchor = case.find("anchor").map(|a| device.put("anchor", &a.to_f32())).transpose()?;
    let anchor = anchor.as_ref().map(|a| (case.get("mu"), a));
    device.launch(&add(device, &parameter, anchor, &decay, &gradient))?;
    Ok(vec![Tensor::f32("gradient", &case.input("gradient").shape, device.get(&gradient)?)])
}
