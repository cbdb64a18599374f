//! The device versions.

use crate::backend::{Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "activation", wgsl: include_str!("activation.wgsl"), cuda: include_str!("activation.cu") };

/// Outputs `a` and `dz`; inputs beyond one binding go in pieces.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let n = case.input("z").len();
    let z = device.put("z", &case.input("z").to_f32())?;
    let da = device.put("da", &case.input("da").to_f32())?;
    let (a, dz) = (device.alloc("a", n)?, device.alloc("dz", n)?);
    for piece in device.pieces(n) {
        device.launch(&Launch::new(
            SOURCE,
            "activation",
            &[&z, &da, &a, &dz].map(|b| b.slice(piece.clone())).each_ref(),
            &[piece.len() as u32, case.size("kind") as u32],
            device.elementwise(piece.len()),
        ))?;
    }
    Ok(vec![Tensor::f32("a", &[n], device.get(&a)?), Tensor::f32("dz", &[n], device.get(&dz)?)])
}
