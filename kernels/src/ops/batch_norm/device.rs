//! The device versions.

use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "batch_norm", wgsl: include_str!("batch_norm.wgsl"), cuda: include_str!("batch_norm.cu") };

/// Outputs `y`, `dz`, `dscale`, `dshift`.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let (n, h) = (case.input("z").shape[0], case.input("z").shape[1]);
    let put = |name| device.put(name, &case.input(name).to_f32());
    let (z, weight, scale, shift, dy) = (put("z")?, put("weight")?, put("scale")?, put("shift")?, put("dy")?);
    let moments = device.alloc("moments", 3 * h)?;
    let (x, y, dz) = (device.alloc("x", n * h)?, device.alloc("y", n * h)?, device.alloc("dz", n * h)?);
    let (dscale, dshift) = (device.alloc("dscale", h)?, device.alloc("dshift", h)?);
    let launch = |entry, buffers: &[&Buffer], groups| {
        device.launch(&Launch { source: SOURCE, entry, buffers, params: &[n as u32, h as u32], groups })
    };
    let (per_unit, per_element) = (device.line(h), device.elementwise(n * h));
    launch("batch_norm_moments", &[&z, &weight, &moments], per_unit)?;
    launch("batch_norm_forward", &[&z, &moments, &scale, &shift, &x, &y], per_element)?;
    launch("batch_norm_sums", &[&dy, &x, &dscale, &dshift], per_unit)?;
    let buffers = [&dy, &x, &weight, &scale, &moments, &dscale, &dshift, &dz];
    launch("batch_norm_dz", &buffers, per_element)?;
    Ok(vec![
        Tensor::f32("y", &[n, h], device.get(&y)?),
        Tensor::f32("dz", &[n, h], device.get(&dz)?),
        Tensor::f32("dscale", &[h], device.get(&dscale)?),
        Tensor::f32("dshift", &[h], device.get(&dshift)?),
    ])
}
