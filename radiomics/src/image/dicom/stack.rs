//! Slices in order of their places, and the grid they make. What is not one regular grid is
//! refused with the places in mm.

use std::path::Path;

use super::slices::Slice;
use crate::error::RadiomicsError;
use crate::image::Geometry;

/// Part of the distance of slices, and mm, by which a gap may differ from the others: headers hold
/// places rounded to 0.1 mm and better.
const UNEVEN: (f64, f64) = (0.02, 0.05);
/// Largest difference of direction cosines that is rounding.
const TURNED: f64 = 1e-3;
/// Slope of the stack against the normal of its slices that is rounding.
const TILTED: f64 = 2e-3;

/// A regular stack of slices.
#[derive(Debug)]
pub(crate) struct Stack {
    /// Slices along the normal.
    pub slices: Vec<Slice>,
    /// Their grid.
    pub geometry: Geometry,
}

impl Stack {
    /// Sorts the slices of a series; `path` names it in errors.
    pub(crate) fn new(path: &Path, mut slices: Vec<Slice>) -> Result<Self, RadiomicsError> {
        let refuse = |reason: String| Err(RadiomicsError::format(path, reason));
        let Some(first) = slices.first() else { return refuse("a series without slices".into()) };
        let (size, spacing, axes) = (first.size, first.spacing, first.axes);
        for s in &slices {
            let name = s.file.path.display();
            if s.size != size {
                return refuse(format!("slices of {size:?} and {:?} pixels ({name})", s.size));
            }
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs();
            if !(0..2).all(|k| close(s.spacing[k], spacing[k])) {
                return refuse(format!("pixel spacing {spacing:?} and {:?} mm ({name})", s.spacing));
            }
            let turned = (0..6).map(|k| (s.axes[k / 3][k % 3] - axes[k / 3][k % 3]).abs());
            if turned.fold(0.0, f64::max) > TURNED {
                return refuse(format!(
                    "slices of different orientation, {axes:?} and {:?} ({name})",
                    s.axes
                ));
            }
        }
        let axes = axes.map(unit);
        if !axes.iter().flatten().all(|c| c.is_finite()) || dot(axes[0], axes[1]).abs() > TURNED {
            return refuse(format!("image orientation {axes:?} is not two orthogonal directions"));
        }
        let normal = unit(cross(axes[0], axes[1]));
        slices.sort_by(|a, b| dot(normal, a.position).total_cmp(&dot(normal, b.position)));
        let places: Vec<f64> = slices.iter().map(|s| dot(normal, s.position)).collect();
        let step = match places.len() {
            1 => match slices[0].step {
                Some(step) => step,
                None => return refuse("a single slice without SliceThickness".into()),
            },
            _ => step(path, &slices, &places)?,
        };
        let (first, last) = (&slices[0], &slices[slices.len() - 1]);
        let along: [f64; 3] = std::array::from_fn(|k| last.position[k] - first.position[k]);
        let aside: [f64; 3] = std::array::from_fn(|k| along[k] - dot(along, normal) * normal[k]);
        let (aside, along) = (dot(aside, aside).sqrt(), dot(along, normal));
        if aside > TILTED * along && aside > 0.01 {
            return refuse(format!(
                "slices are shifted by {aside:.2} mm over {along:.2} mm: a tilted gantry, whose grid is sheared"
            ));
        }
        let geometry = Geometry {
            size: [size[0], size[1], slices.len()],
            spacing: [spacing[0], spacing[1], step],
            origin: first.position,
            direction: [axes[0], axes[1], normal],
        };
        Ok(Self { slices, geometry })
    }
}

/// Distance of neighbouring slices, which must be the same everywhere.
fn step(path: &Path, slices: &[Slice], places: &[f64]) -> Result<f64, RadiomicsError> {
    let refuse = |reason: String| Err(RadiomicsError::format(path, reason));
    let gaps: Vec<f64> = places.windows(2).map(|w| w[1] - w[0]).collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let least = slices[0].step.unwrap_or(0.0).min(1.0) * 0.01 + 1e-4;
    if let Some(k) = gaps.iter().position(|g| *g < least) {
        let name = |s: &Slice| match s.frame {
            0 => s.file.path.display().to_string(),
            frame => format!("{} frame {}", s.file.path.display(), frame + 1),
        };
        return refuse(format!(
            "two slices at {:.3} mm ({} and {}): a copy, or a series of several times or phases",
            places[k],
            name(&slices[k]),
            name(&slices[k + 1])
        ));
    }
    let allowed = (UNEVEN.0 * usual).max(UNEVEN.1).min(0.25 * usual);
    let uneven: Vec<usize> = (0..gaps.len()).filter(|&k| (gaps[k] - usual).abs() > allowed).collect();
    if !uneven.is_empty() {
        let text = |&k: &usize| {
            let missing = (gaps[k] / usual).round();
            let note = match missing {
                m if m >= 2.0 && (gaps[k] - m * usual).abs() <= allowed * m => {
                    format!(", {} missing", m - 1.0)
                }
                _ => String::new(),
            };
            format!("{:.3} to {:.3} mm ({:.3} mm{note})", places[k], places[k + 1], gaps[k])
        };
        let listed: Vec<String> = uneven.iter().take(5).map(text).collect();
        return refuse(format!(
            "slices are {usual:.3} mm apart, but not everywhere: {}{}",
            listed.join(", "),
            if uneven.len() > 5 { format!(" and {} more", uneven.len() - 5) } else { String::new() }
        ));
    }
    Ok((places[places.len() - 1] - places[0]) / gaps.len() as f64)
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn unit(a: [f64; 3]) -> [f64; 3] {
    a.map(|c| c / dot(a, a).sqrt())
}
