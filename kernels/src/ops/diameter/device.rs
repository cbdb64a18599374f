//! The device versions: the ends of lines and the distances of all pairs; hulls of sections are the host's.

use super::{Diameters, Ends, Lines, Sections, Vertex, farthest};
use crate::backend::{Device, DeviceError, Launch, Source};
use crate::ops::mesh::device::Placed;

pub(super) const SOURCE: Source =
    Source { op: "diameter", wgsl: include_str!("diameter.wgsl"), cuda: include_str!("diameter.cu") };

/// A pair whose distance is largest has, in `f32`, a square of at least this part of the largest.
const NEARLY: f32 = 1.0 - 1e-5;

/// The ends of the lines of a region; [`Ends::sections`] goes on from there.
///
/// # Errors
/// If the cells or lines are more than the device can see at once, or it fails.
pub fn ends(placed: &Placed) -> Result<Ends, DeviceError> {
    let Placed { device, solid, cells, voxel } = placed;
    let [nx, ny, nz] = solid.size.map(|n| 2 * n + 1);
    let none = |lines: usize| [u32::MAX, 0].repeat(lines);
    let along_x = device.put_words("along_x", &none(nz * ny))?;
    let along_y = device.put_words("along_y", &none(nz * nx))?;
    let [width, layer] = placed.strides();
    for piece in device.pieces(voxel.words) {
        let params = [piece.len() as u32, width, layer, nx as u32, ny as u32];
        let groups = device.elementwise(piece.len());
        let buffers = [cells, &voxel.slice(piece), &along_x, &along_y];
        device.launch(&Launch::new(SOURCE, "diameter_ends", &buffers, &params, groups))?;
    }
    let lines = |words: Vec<u32>, width: usize| {
        let end = |e: &[u32]| if e[0] <= e[1] { (e[0] as i32, e[1] as i32) } else { (i32::MAX, i32::MIN) };
        Lines { width, ends: words.chunks_exact(2).map(end).collect() }
    };
    Ok(Ends {
        along_x: lines(device.download(&along_x)?, ny),
        along_y: lines(device.download(&along_y)?, nx),
    })
}

/// The diameters, with the bits of [`diameters`](super::diameters): the host compares the vertices that the device
/// found to be the ends of nearly the longest distance.
///
/// # Errors
/// If the corners are more than the device can see at once, or it fails.
pub fn longest(device: &dyn Device, sections: &Sections) -> Result<Diameters, DeviceError> {
    sections.families(|sections, half| widest(device, sections, half))
}

fn widest(device: &dyn Device, sections: &[Vec<Vertex>], half: [f64; 3]) -> Result<f64, DeviceError> {
    let mut section = Vec::new();
    for corners in sections {
        let first = section.len() as u32 / 2;
        section.extend([first, first + corners.len() as u32].repeat(corners.len()));
    }
    let vertices = || sections.iter().flatten();
    let n = section.len() / 2;
    let vertex: Vec<f32> = vertices().flatten().map(|&x| x as f32).collect();
    let (vertex, section) = (device.put("vertex", &vertex)?, device.put_words("section", &section)?);
    let squares = device.alloc("farthest", n)?;
    let [x, y, z] = half.map(|mm| (mm as f32).to_bits());
    let (buffers, groups) = ([&vertex, &section, &squares], device.elementwise(n));
    device.launch(&Launch::new(SOURCE, "diameter_farthest", &buffers, &[n as u32, x, y, z], groups))?;
    let squares = device.get(&squares)?;
    let least = NEARLY * squares.iter().copied().fold(0.0, f32::max);
    let mut squares = squares.iter();
    let ends_of = |corners: &Vec<Vertex>| {
        let kept: Vec<Vertex> =
            corners.iter().zip(&mut squares).filter(|(_, s)| **s >= least).map(|(v, _)| *v).collect();
        farthest(&kept, half)
    };
    Ok(sections.iter().map(ends_of).fold(0.0, f64::max))
}
