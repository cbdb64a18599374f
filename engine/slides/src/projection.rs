//! Random projection: fewer numbers, nearly the same distances (Johnson and Lindenstrauss 1984).

use osteon_core::rng::{Purpose, Stream};

/// A matrix of independent normal numbers with variance `1 / k`, a function of its seed and sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    width: usize,
    rows: Vec<Vec<f64>>,
}

impl Projection {
    /// From `width` values to `k`.
    pub fn new(seed: u64, width: usize, k: usize) -> Self {
        let scale = 1.0 / (k.max(1) as f64).sqrt();
        let row = |r: usize| {
            let mut stream = Stream::new(seed, Purpose::Init, r as u64);
            (0..width).map(|_| scale * stream.normal()).collect()
        };
        Self { width, rows: (0..k).map(row).collect() }
    }

    /// `k`.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The projection of a vector.
    ///
    /// # Panics
    /// If the vector has another width.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len(), self.width, "a vector of the width of the projection");
        self.rows.iter().map(|row| row.iter().zip(x).map(|(r, x)| r * x).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_nearly_kept_and_the_seed_decides() {
        let x: Vec<f64> = (0..300).map(|i| f64::from(i % 7) - 3.0).collect();
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let y = Projection::new(1, 300, 200).apply(&x);
        assert!((length(&y) / length(&x) - 1.0).abs() < 0.15);
        assert_eq!(y, Projection::new(1, 300, 200).apply(&x));
        assert_ne!(y, Projection::new(2, 300, 200).apply(&x));
        // More rows scale, and do not redraw, the ones before.
        let more = Projection::new(1, 300, 800).apply(&x);
        assert!((2.0 * more[5] - y[5]).abs() < 1e-9);
    }
}
