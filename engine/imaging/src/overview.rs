//! A picture of a case: what the image shows, and where the mask is.

use osteon_radiomics::{Image, Labels};
use osteon_report::Raster;

/// Height of a picture in pixels.
const HEIGHT: usize = 480;
/// Pixels between the planes.
const GAP: usize = 8;
const PAPER: [u8; 3] = [255; 3];
const OUTLINE: [u8; 3] = [208, 40, 40];

/// Values between which the picture goes from white to black.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// White up to here.
    pub low: f64,
    /// Black from here on.
    pub high: f64,
}

impl Window {
    /// Standardised uptake values as PET is usually shown.
    pub const SUV: Self = Self { low: 0.0, high: 8.0 };
    /// Hounsfield units of bone.
    pub const BONE: Self = Self { low: -200.0, high: 1200.0 };
}

/// The greatest values along each axis, side by side (coronal, sagittal, axial), with the outline of
/// the mask. Image and mask lie on one grid; the first axis of the grid is taken for left-right, the
/// third for feet-head.
pub fn overview(image: &Image, mask: &Labels, window: Window) -> Raster {
    let grid = &image.geometry;
    let extent: [f64; 3] = std::array::from_fn(|k| grid.size[k] as f64 * grid.spacing[k]);
    // One scale for all planes, so that they fit each other.
    let scale = HEIGHT as f64 / extent[2].max(extent[1]);
    let planes: Vec<Raster> =
        [(1, 0, 2), (0, 1, 2), (2, 0, 1)].iter().map(|&p| plane(image, mask, window, p, scale)).collect();
    let width = planes.iter().map(|p| p.width + GAP).sum::<usize>() - GAP;
    let mut picture = Raster::new(width, planes.iter().map(|p| p.height).max().unwrap_or(0), PAPER);
    let mut x = 0;
    for plane in planes {
        picture.lay(&plane, x, 0);
        x += plane.width + GAP;
    }
    picture
}

/// The projection along an axis; `across` and `up` are the axes of the picture.
fn plane(
    image: &Image,
    mask: &Labels,
    window: Window,
    (along, across, up): (usize, usize, usize),
    scale: f64,
) -> Raster {
    let grid = &image.geometry;
    let (nu, nv) = (grid.size[across], grid.size[up]);
    let mut most = vec![f64::NEG_INFINITY; nu * nv];
    let mut inside = vec![false; nu * nv];
    for (i, &label) in mask.values.iter().enumerate() {
        let at = [i % grid.size[0], i / grid.size[0] % grid.size[1], i / (grid.size[0] * grid.size[1])];
        debug_assert!(at[along] < grid.size[along]);
        let pixel = at[up] * nu + at[across];
        let value = image.samples.get(i);
        most[pixel] = most[pixel].max(value);
        inside[pixel] |= label > 0;
    }
    // The head is on top, but the front of an axial slice is its first row.
    let flipped = grid.direction[up][2] > 0.5;
    let side = |axis: usize| ((grid.size[axis] as f64 * grid.spacing[axis] * scale).round() as usize).max(1);
    let (width, height) = (side(across), side(up));
    let mut picture = Raster::new(width, height, PAPER);
    let pixel = |x: usize, y: usize| {
        let v = y * nv / height;
        (if flipped { nv - 1 - v } else { v }) * nu + x * nu / width
    };
    for y in 0..height {
        for x in 0..width {
            let here = pixel(x, y);
            let part = ((most[here] - window.low) / (window.high - window.low)).clamp(0.0, 1.0);
            let grey = (255.0 * (1.0 - part)) as u8;
            let edge = inside[here]
                && [(1, 0), (0, 1), (-1, 0), (0, -1)].iter().any(|&(dx, dy)| {
                    let near = x.checked_add_signed(dx).zip(y.checked_add_signed(dy));
                    near.filter(|&(x, y)| x < width && y < height).is_none_or(|(x, y)| !inside[pixel(x, y)])
                });
            picture.set(x, y, if edge { OUTLINE } else { [grey; 3] });
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use osteon_radiomics::{Geometry, Samples};

    use super::*;

    #[test]
    fn the_head_is_on_top_and_the_mask_is_outlined() {
        let geometry = Geometry::aligned([20, 20, 40], [2.0, 2.0, 2.0]);
        let at = |x, y, z| geometry.index([x, y, z]);
        let mut values = vec![0f32; geometry.voxels()];
        // Hot in the uppermost slice, on the right of the patient, at the back.
        values[at(2, 17, 39)] = 50.0;
        let mut labels = vec![0u16; geometry.voxels()];
        for z in 5..15 {
            labels[at(10, 10, z)] = 1;
        }
        let image = Image { geometry: geometry.clone(), samples: Samples::F32(values) };
        let mask = Labels { geometry, values: labels };
        let picture = overview(&image, &mask, Window::SUV);
        assert_eq!((picture.width, picture.height), (240 + 240 + 240 + 16, 480));
        let of = |x: usize, y: usize| {
            let at = 3 * (y * picture.width + x);
            picture.pixels[at..at + 3].to_vec()
        };
        assert_eq!(of(2 * 12 + 6, 5), [0; 3], "coronal");
        assert_eq!(of(248 + 17 * 12 + 6, 5), [0; 3], "sagittal");
        assert_eq!(of(496 + 2 * 12 + 6, 17 * 12 + 6), [0; 3], "axial");
        let red = (0..240 * 480).filter(|i| of(i % 240, i / 240) == OUTLINE).count();
        // The mask is 12 x 120 pixels; a border of one pixel is red.
        assert_eq!(red, 12 * 120 - 10 * 118);
        assert_eq!(of(10 * 12, (40 - 15) * 12), OUTLINE);
    }
}
