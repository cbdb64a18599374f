//! The device versions: tiles of 16 x 16 results, problems of a batch side by side.

use super::BLOCK_ROWS;
use super::op::Layer;
use crate::backend::{Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};
use crate::ops::dropout::patient_words;

pub(super) const SOURCE: Source =
    Source { op: "linear", wgsl: include_str!("linear.wgsl"), cuda: include_str!("linear.cu") };

const TILE: usize = 16;

/// Outputs `y`, `dx`, `dw`, `db`.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let l = Layer::of(case);
    let b = l.problems;
    let put = |name| device.put(name, &case.input(name).to_f32());
    let (x, w, bias, dy) = (put("x")?, put("w")?, put("b")?, put("dy")?);
    let patient = device.put_words("patient", &patient_words(&l.patients))?;
    let keys: Vec<u32> = (0..b).flat_map(|k| l.dropout(k).map_or([0; 2], |d| d.key())).collect();
    let keys = device.put_words("keys", &keys)?;
    let (y, dz) = (device.alloc("y", b * l.n * l.outputs)?, device.alloc("dz", b * l.n * l.outputs)?);
    let dx = device.alloc("dx", b * l.n * l.inputs)?;
    let (dw, db) = (device.alloc("dw", b * l.outputs * l.inputs)?, device.alloc("db", b * l.outputs)?);
    let blocks = l.n.div_ceil(BLOCK_ROWS);
    let weights = l.outputs * (l.inputs + 1);
    let partial = device.alloc("partial", b * blocks * weights)?;

    let dropout = l.dropout(0);
    let [threshold, layer, step] = dropout.map_or([0; 3], |d| d.words());
    let keep = dropout.map_or(1.0, |d| d.keep());
    let params = [
        b as u32,
        l.n as u32,
        l.inputs as u32,
        l.outputs as u32,
        (l.n * l.inputs) as u32,
        case.size("activation") as u32,
        threshold,
        layer,
        step,
        ((1.0 / keep) as f32).to_bits(),
        (keep as f32).to_bits(),
        blocks as u32,
    ];
    let launch = |entry, buffers: &[&Buffer], groups| {
        device.launch(&Launch { source: SOURCE, entry, buffers, params: &params, groups })
    };
    let tiles = |columns: usize| [l.n.div_ceil(TILE) as u32, columns.div_ceil(TILE) as u32, b as u32];
    if l.n > 0 {
        launch("linear_forward", &[&x, &w, &bias, &patient, &keys, &y], tiles(l.outputs))?;
        launch("linear_dz", &[&dy, &y, &patient, &keys, &dz], device.elementwise(b * l.n * l.outputs))?;
        launch("linear_dx", &[&dz, &w, &dx], tiles(l.inputs))?;
        let columns = (l.inputs + 1).div_ceil(TILE) as u32;
        let grid = [columns, l.outputs.div_ceil(TILE) as u32, (b * blocks) as u32];
        launch("linear_partial", &[&x, &dz, &partial], grid)?;
    }
    launch("linear_dw", &[&partial, &dw, &db], device.elementwise(b * weights))?;
    Ok(l.tensors(device.get(&y)?, device.get(&dx)?, device.get(&dw)?, device.get(&db)?))
}
