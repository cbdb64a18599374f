//! The device versions.

use crate::backend::{ALIGNMENT, Buffer, Device, DeviceError, Launch, Source};
use crate::ops::case::{Case, Tensor};
use crate::ops::linear::device::{Draw, Post};
use crate::ops::schedule::Row;

pub(super) const SOURCE: Source =
    Source { op: "batch_norm", wgsl: include_str!("batch_norm.wgsl"), cuda: include_str!("batch_norm.cu") };

/// The normalised units of a layer of several problems.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Problems `B`.
    pub problems: usize,
    /// Patients `N`, or rows of a piece of one problem's.
    pub n: usize,
    /// Units `H`.
    pub width: usize,
    /// Whether there are case weights; else all are 1.
    pub weighted: bool,
    /// First word of the scales `[H]` in a parameter vector; the shifts follow.
    pub scale_at: usize,
    /// First word of the running means `[H]`; the variances follow.
    pub mean_at: usize,
    /// Words of a parameter vector.
    pub stride: usize,
    /// What follows.
    pub post: Post,
    /// Whether the rows are the first, and the last, of their problem.
    pub ends: [bool; 2],
}

impl Norm {
    /// Words of the buffer of moments.
    pub fn moment_words(&self) -> usize {
        6 * self.problems * self.width
    }

    fn launch(&self, entry: &'static str, buffers: &[&Buffer], groups: [u32; 3]) -> Launch {
        let [kind, threshold, layer, scale, _] = self.post.words();
        let size = |x: usize| x as u32;
        let params = [
            size(self.problems),
            size(self.n),
            size(self.width),
            self.weighted.into(),
            size(self.scale_at),
            size(self.mean_at),
            size(self.stride),
            self.ends[0].into(),
            self.ends[1].into(),
            kind,
            threshold,
            layer,
            scale,
        ];
        Launch::new(SOURCE, entry, buffers, &params, groups)
    }

    fn units(&self, device: &dyn Device) -> [u32; 3] {
        device.line(self.problems * self.width)
    }

    fn elements(&self, device: &dyn Device) -> [u32; 3] {
        device.elementwise(self.problems * self.n * self.width)
    }

    /// Sums of `z`, `[B, N, H]`.
    pub fn sums(&self, device: &dyn Device, z: &Buffer, weight: &Buffer, moments: &Buffer) -> Launch {
        self.launch("batch_norm_sums", &[z, weight, moments], self.units(device))
    }

    /// Squares about the mean, after the sums of all rows; with the last rows the moments are done,
    /// and the running ones in `params` move.
    pub fn squares(
        &self,
        device: &dyn Device,
        z: &Buffer,
        weight: &Buffer,
        step: &Buffer,
        moments: &Buffer,
        params: &Buffer,
    ) -> Launch {
        self.launch("batch_norm_squares", &[z, weight, step, moments, params], self.units(device))
    }

    /// Normalised `x`, and `y` after scale, shift, nonlinearity and dropout.
    pub fn forward(
        &self,
        device: &dyn Device,
        z: &Buffer,
        moments: &Buffer,
        params: &Buffer,
        draw: &Draw,
        x: &Buffer,
        y: &Buffer,
    ) -> Launch {
        let buffers = [z, moments, params, &draw.patient, &draw.step, x, y];
        self.launch("batch_norm_forward", &buffers, self.elements(device))
    }

    /// Gradients of scale and shift, from that of what they give.
    pub fn slopes(&self, device: &dyn Device, dy: &Buffer, x: &Buffer, gradient: &Buffer) -> Launch {
        self.launch("batch_norm_slopes", &[dy, x, gradient], self.units(device))
    }

    /// Gradient of `z`, after the slopes of all rows.
    pub fn input_gradient(
        &self,
        device: &dyn Device,
        dy: &Buffer,
        x: &Buffer,
        weight: &Buffer,
        moments: &Buffer,
        params: &Buffer,
        gradient: &Buffer,
        dz: &Buffer,
    ) -> Launch {
        let buffers = [dy, x, weight, moments, params, gradient, dz];
        self.launch("batch_norm_dz", &buffers, self.elements(device))
    }
}

/// Outputs `y`, `dz`, `dscale`, `dshift`; rows beyond one binding go in pieces.
pub(super) fn run(device: &dyn Device, case: &Case) -> Result<Vec<Tensor>, DeviceError> {
    let (n, h) = (case.input("z").shape[0], case.input("z").shape[1]);
    let put = |name| device.put(name, &case.input(name).to_f32());
    let (z, weight, dy) = (put("z")?, put("weight")?, put("dy")?);
    let mut params = [case.input("scale").to_f32(), case.input("shift").to_f32()].concat();
    params.resize(4 * h, 0.0);
    let (params, gradient) = (device.put("params", &params)?, device.alloc("gradient", 4 * h)?);
    let draw = Draw {
        patient: device.alloc("patient", 2 * n)?,
        step: device.put_words("step", &Row::default().words())?,
    };
    let norm = Norm {
        problems: 1,
        n,
        width: h,
        weighted: true,
        scale_at: 0,
        mean_at: 2 * h,
        stride: 4 * h,
        post: Post::NONE,
        ends: [true, true],
    };
    let moments = device.alloc("moments", norm.moment_words())?;
    let (x, y, dz) = (device.alloc("x", n * h)?, device.alloc("y", n * h)?, device.alloc("dz", n * h)?);
    let rows = (device.limits().binding_words / h.max(2) / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
    let pieces: Vec<(Norm, std::ops::Range<usize>)> = (0..n.max(1))
        .step_by(rows)
        .map(|from| {
            let rows = from..(from + rows).min(n);
            (Norm { n: rows.len(), ends: [from == 0, rows.end == n], ..norm }, rows)
        })
        .collect();
    let of = |buffer: &Buffer, width: usize, rows: &std::ops::Range<usize>| {
        buffer.slice(rows.start * width..rows.end * width)
    };
    for (norm, rows) in &pieces {
        device.launch(&norm.sums(device, &of(&z, h, rows), &of(&weight, 1, rows), &moments))?;
    }
    for (norm, rows) in &pieces {
        let (z, weight) = (of(&z, h, rows), of(&weight, 1, rows));
        device.launch(&norm.squares(device, &z, &weight, &draw.step, &moments, &params))?;
    }
    for (norm, rows) in &pieces {
        let draw = Draw { patient: of(&draw.patient, 2, rows), step: draw.step.clone() };
        let (x, y) = (of(&x, h, rows), of(&y, h, rows));
        device.launch(&norm.forward(device, &of(&z, h, rows), &moments, &params, &draw, &x, &y))?;
        device.launch(&norm.slopes(device, &of(&dy, h, rows), &x, &gradient))?;
    }
    for (norm, rows) in &pieces {
        let (dy, x, weight) = (of(&dy, h, rows), of(&x, h, rows), of(&weight, 1, rows));
        let dz = of(&dz, h, rows);
        device.launch(&norm.input_gradient(device, &dy, &x, &weight, &moments, &params, &gradient, &dz))?;
    }
    let gradient = device.get(&gradient)?;
    Ok(vec![
        Tensor::f32("y", &[n, h], device.get(&y)?),
        Tensor::f32("dz", &[n, h], device.get(&dz)?),
        Tensor::f32("dscale", &[h], gradient[..h].to_vec()),
        Tensor::f32("dshift", &[h], gradient[h..2 * h].to_vec()),
    ])
}
