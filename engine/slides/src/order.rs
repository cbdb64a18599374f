//! Order statistics of columns: quantiles and the largest values.

use osteon_core::rng::mix64;
use osteon_kernels::ops::pool::Rows;

/// Tiles that are kept for quantiles; of a slide with more, those with the smallest hashes of their number.
pub(crate) const SAMPLE: usize = 16_384;

/// Tiles of a slide: all of them, or a sample that depends on nothing but their number.
pub(crate) struct Sample {
    width: usize,
    seen: u64,
    /// Hash and number of each kept tile, as a heap with the largest hash on top.
    heap: std::collections::BinaryHeap<(u64, u64, usize)>,
    values: Vec<f32>,
}

impl Sample {
    pub(crate) fn new(width: usize) -> Self {
        Self { width, seen: 0, heap: std::collections::BinaryHeap::new(), values: Vec::new() }
    }

    /// Whether tiles were left out.
    pub(crate) fn is_part(&self) -> bool {
        self.seen > SAMPLE as u64
    }

    pub(crate) fn add(&mut self, rows: Rows) {
        for t in 0..rows.len() / self.width {
            let hash = mix64(self.seen);
            let slot = if self.heap.len() < SAMPLE {
                let slot = self.heap.len();
                self.values.resize((slot + 1) * self.width, 0.0);
                Some(slot)
            } else {
                let larger = self.heap.peek().is_some_and(|top| hash < top.0);
                larger.then(|| self.heap.pop().map_or(0, |top| top.2))
            };
            if let Some(slot) = slot {
                self.heap.push((hash, self.seen, slot));
                let target = &mut self.values[slot * self.width..][..self.width];
                for (j, value) in target.iter_mut().enumerate() {
                    *value = rows.get(t * self.width + j) as f32;
                }
            }
            self.seen += 1;
        }
    }

    /// The quantiles `levels` of each column, with straight lines between order statistics (type 7 of Hyndman and
    /// Fan, The American Statistician 50, 1996; the default of NumPy and R). One vector per level.
    pub(crate) fn quantiles(&self, levels: &[f64]) -> Vec<Vec<f64>> {
        let kept = self.heap.len();
        let mut found = vec![vec![f64::NAN; self.width]; levels.len()];
        if kept == 0 {
            return found;
        }
        let mut column = vec![0f32; kept];
        for j in 0..self.width {
            for (value, row) in column.iter_mut().zip(self.values.chunks_exact(self.width)) {
                *value = row[j];
            }
            for (level, found) in levels.iter().zip(&mut found) {
                let at = level * (kept - 1) as f64;
                let (low, part) = (at.floor() as usize, at - at.floor());
                let (_, &mut first, above) = column.select_nth_unstable_by(low, f32::total_cmp);
                let next = above.iter().copied().min_by(f32::total_cmp).unwrap_or(first);
                let first = f64::from(first);
                found[j] = if part > 0.0 { first + part * (f64::from(next) - first) } else { first };
            }
        }
        found
    }
}

/// The `k` largest values of each column.
pub(crate) struct Top {
    width: usize,
    k: usize,
    seen: usize,
    /// Per column, the largest first.
    values: Vec<f64>,
}

impl Top {
    pub(crate) fn new(width: usize, k: usize) -> Self {
        Self { width, k, seen: 0, values: vec![f64::NEG_INFINITY; width * k] }
    }

    pub(crate) fn add(&mut self, rows: Rows) {
        let k = self.k;
        for t in 0..rows.len() / self.width {
            for (j, best) in self.values.chunks_exact_mut(k).enumerate() {
                let x = rows.get(t * self.width + j);
                if x > best[k - 1] {
                    let place = best.partition_point(|&y| y >= x);
                    best[place..].rotate_right(1);
                    best[place] = x;
                }
            }
        }
        self.seen += rows.len() / self.width;
    }

    /// Mean of the `k` largest values, or of all where there are fewer.
    pub(crate) fn means(&self) -> Vec<f64> {
        let count = self.k.min(self.seen);
        let mean = |best: &[f64]| best[..count].iter().sum::<f64>() / count as f64;
        self.values.chunks_exact(self.k).map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([3, 1, 4, 1, 5], [0, .1, .5, .9, 1]) = [1, 1, 3, 4.6, 5]
        let x = [3f32, 1.0, 4.0, 1.0, 5.0];
        let mut sample = Sample::new(1);
        sample.add(Rows::F32(&x[..2]));
        sample.add(Rows::F32(&x[2..]));
        let found = sample.quantiles(&[0.0, 0.1, 0.5, 0.9, 1.0]);
        let wanted = [1.0, 1.0, 3.0, 4.6, 5.0];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found[0] - wanted).abs() < 1e-12, "{found:?} {wanted}");
        }
    }

    #[test]
    fn a_sample_of_many_tiles_is_near_and_does_not_depend_on_pieces() {
        let x: Vec<f32> = (0..40_000).map(|i| i as f32).collect();
        let of = |piece: usize| {
            let mut sample = Sample::new(1);
            x.chunks(piece).for_each(|rows| sample.add(Rows::F32(rows)));
            assert!(sample.is_part());
            sample.quantiles(&[0.1, 0.5])
        };
        let whole = of(40_000);
        assert_eq!(whole, of(512));
        assert!((whole[0][0] / 40_000.0 - 0.1).abs() < 0.02 && (whole[1][0] / 40_000.0 - 0.5).abs() < 0.02);
    }

    #[test]
    fn the_largest_are_kept() {
        let mut top = Top::new(2, 3);
        top.add(Rows::F32(&[1.0, -1.0, 5.0, -2.0, 3.0, -3.0, 4.0, -4.0]));
        assert_eq!(top.means(), [4.0, -2.0]);
        let mut few = Top::new(1, 3);
        few.add(Rows::F32(&[2.0, 4.0]));
        assert_eq!(few.means(), [3.0]);
    }
}
