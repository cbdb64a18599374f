//! The device versions, for dropout on its own; a layer's is fused with it.

use super::{op, patient_words};
use crate::backend::{ALIGNMENT, Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};

pub(super) const SOURCE: Source =
    Source { op: "dropout", wgsl: include_str!("dropout.wgsl"), cuda: include_str!("dropout.cu") };

/// Output `y`.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let (shape, n) = (&case.input("a").shape, case.input("a").len());
    let a = device.put("a", &case.input("a").to_f32())?;
    let patient = device.put_words("patient", &patient_words(&op::patients(case)))?;
    let y = device.alloc("y", n)?;
    // Without dropout the threshold is 0, below which no word lies.
    let dropout = op::dropout(case);
    let [threshold, layer, step] = dropout.map_or([0; 3], |d| d.words());
    let [key0, key1] = dropout.map_or([0; 2], |d| d.key());
    let scale = dropout.map_or(1.0, |d| 1.0 / d.keep()) as f32;
    // Whole rows to a piece, starting aligned.
    let rows = (device.limits().binding_words / shape[1].max(2) / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
    for from in (0..shape[0]).step_by(rows) {
        let rows = from..(from + rows).min(shape[0]);
        let of = |buffer: &Buffer, width: usize| buffer.slice(rows.start * width..rows.end * width);
        let n = rows.len() * shape[1];
        device.launch(&Launch::new(
            SOURCE,
            "dropout",
            &[&of(&patient, 2), &of(&a, shape[1]), &of(&y, shape[1])],
            &[n as u32, shape[1] as u32, threshold, layer, step, key0, key1, scale.to_bits()],
            device.elementwise(n),
        ))?;
    }
    Ok(vec![Tensor::f32("y", shape, device.get(&y)?)])
}
