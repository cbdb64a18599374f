//! Where the voxels of an image are.

/// A regular grid of voxels in patient space (left, posterior, superior; mm).
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Voxels along x, y, z; x is the fastest in memory.
    pub size: [usize; 3],
    /// Distance of neighbouring voxel centres along x, y, z, in mm.
    pub spacing: [f64; 3],
    /// Centre of voxel (0, 0, 0), in mm.
    pub origin: [f64; 3],
    /// Unit vectors of the axes: `direction[axis]` points along x, y or z of the grid.
    pub direction: [[f64; 3]; 3],
}

impl Geometry {
    /// A grid at the origin whose axes are those of the patient.
    pub fn aligned(size: [usize; 3], spacing: [f64; 3]) -> Self {
        let direction = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        Self { size, spacing, origin: [0.0; 3], direction }
    }

    /// Number of voxels.
    pub fn voxels(&self) -> usize {
        self.size.iter().product()
    }

    /// Place in memory of a voxel.
    pub fn index(&self, at: [usize; 3]) -> usize {
        (at[2] * self.size[1] + at[1]) * self.size[0] + at[0]
    }

    /// Volume of a voxel in mm3.
    pub fn voxel_volume(&self) -> f64 {
        self.spacing.iter().product()
    }

    /// What keeps `other` from being the same grid, in words; `None` if nothing does. `tolerance`
    /// is a part of a voxel for positions and absolute for direction cosines.
    pub fn difference(&self, other: &Self, tolerance: f64) -> Option<String> {
        let mut found = Vec::new();
        if self.size != other.size {
            found.push(format!("size {:?} and {:?} voxels", self.size, other.size));
        }
        let apart =
            |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let limit = tolerance * self.spacing[0];
        let gap = apart(&self.spacing, &other.spacing);
        if gap > limit {
            found.push(format!(
                "spacing differs by {gap:.3e} mm ({:?} and {:?})",
                self.spacing, other.spacing
            ));
        }
        let gap = apart(&self.origin, &other.origin);
        if gap > limit {
            found.push(format!("origin differs by {gap:.3e} mm ({:?} and {:?})", self.origin, other.origin));
        }
        let turned =
            self.direction.iter().zip(&other.direction).map(|(a, b)| apart(a, b)).fold(0.0, f64::max);
        if turned > tolerance {
            found.push(format!("direction cosines differ by {turned:.3e}"));
        }
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Whether the axes are orthogonal unit vectors.
    pub fn is_orthonormal(&self) -> bool {
        let d = &self.direction;
        let dot = |a: usize, b: usize| (0..3).map(|k| d[a][k] * d[b][k]).sum::<f64>();
        (0..3).all(|a| (0..=a).all(|b| (dot(a, b) - f64::from(u8::from(a == b))).abs() < 1e-4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_named_in_mm() {
        let a = Geometry::aligned([4, 4, 4], [2.0, 2.0, 3.0]);
        let mut b = a.clone();
        assert_eq!(a.difference(&b, 1e-6), None);
        b.origin[2] = 0.5;
        let text = a.difference(&b, 1e-6).expect("a difference");
        assert!(text.contains("origin differs by 5.000e-1 mm"), "{text}");
        assert!(a.difference(&b, 0.3).is_none());
    }

    #[test]
    fn a_sheared_grid_is_seen() {
        let mut a = Geometry::aligned([1, 1, 1], [1.0; 3]);
        assert!(a.is_orthonormal());
        a.direction[2] = [0.0, 0.1, 0.995];
        assert!(!a.is_orthonormal());
    }
}
