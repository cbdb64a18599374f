//! Prototypes of tiles: the centres of k-means (Lloyd, IEEE Trans. Inf. Theory 28, 1982).

use osteon_core::FixedSums;
use osteon_core::rng::{Purpose, Stream};
use osteon_kernels::ops::linear::{self, Epilogue, Weights};
use osteon_kernels::simd::Level;
use osteon_kernels::tiles::{Lane, from_rows};

use crate::error::SlidesError;
use crate::pca::Pca;
use crate::read::Slide;

/// Tiles that are assigned at a time.
const UNIT: usize = 512;

/// Centres of clusters of tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Prototypes {
    /// `[K][D]`.
    pub centres: Vec<Vec<f64>>,
}

/// The tiles of a slide, each with the nearest prototype.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned {
    /// Tiles of each prototype.
    pub counts: Vec<u64>,
    /// Sums of the values of these tiles, `[K, D]`.
    pub sums: Vec<f64>,
}

impl Assigned {
    /// No tiles.
    pub fn new(k: usize, width: usize) -> Self {
        Self { counts: vec![0; k], sums: vec![0.0; k * width] }
    }

    /// Adds those of other tiles.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
    }

    /// As terms of order-free sums: counts, then sums.
    pub fn terms(&self) -> Vec<f64> {
        self.counts.iter().map(|&n| n as f64).chain(self.sums.iter().copied()).collect()
    }
}

impl Prototypes {
    /// First centres: normal draws along the principal components. They depend on sums over all tiles alone, so that
    /// no tile of a site is shown to another.
    pub fn draw(pca: &Pca, k: usize, seed: u64) -> Self {
        let centre = |index: usize| {
            let mut stream = Stream::new(seed, Purpose::Init, index as u64);
            let mut x = pca.mean.clone();
            for (component, variance) in pca.components.iter().zip(&pca.variance) {
                let along = stream.normal() * variance.max(0.0).sqrt();
                x.iter_mut().zip(component).for_each(|(x, c)| *x += along * c);
            }
            x
        };
        Self { centres: (0..k).map(centre).collect() }
    }

    /// Assigns the tiles of a slide; of equally near prototypes the first. Distances are `f32`, sums `f64` in the order
    /// of the tiles.
    ///
    /// # Errors
    /// If the slide cannot be read, or has another width.
    pub fn assign(&self, slide: &Slide) -> Result<Assigned, SlidesError> {
        let (k, width) = (self.centres.len(), slide.width());
        let mut assigned = Assigned::new(k, width);
        if slide.tiles() == 0 {
            return Ok(assigned);
        }
        if self.centres.iter().any(|c| c.len() != width) {
            return Err(SlidesError::format(
                slide.path(),
                format!("{width} values a tile, unlike the prototypes"),
            ));
        }
        // The nearest centre maximises x c - |c|^2 / 2; about the mean of the centres less is lost to rounding.
        let origin: Vec<f64> =
            (0..width).map(|j| self.centres.iter().map(|c| c[j]).sum::<f64>() / k as f64).collect();
        let w: Vec<f32> =
            self.centres.iter().flat_map(|c| c.iter().zip(&origin).map(|(x, o)| (x - o) as f32)).collect();
        let b: Vec<f32> =
            w.chunks_exact(width).map(|c| -0.5 * c.iter().map(|x| x * x).sum::<f32>()).collect();
        let weights = Weights { w: &w, b: &b, inputs: width, outputs: k };
        slide.stream(UNIT, |rows| {
            let tiles = rows.len() / width;
            // Converted once: half precision takes longer to read than to add.
            let values: Vec<f64> = (0..rows.len()).map(|at| rows.get(at)).collect();
            let shift =
                |tile: &[f64]| tile.iter().zip(&origin).map(|(x, o)| (x - o) as f32).collect::<Vec<_>>();
            let shifted: Vec<f32> = values.chunks_exact(width).flat_map(shift).collect();
            let x = from_rows(&shifted, tiles, width);
            let mut y = vec![Lane::ZERO; x.len() / width * k];
            linear::forward(Level::current(), weights, Epilogue::NONE, &x, &mut y, &mut []);
            for (t, tile) in values.chunks_exact(width).enumerate() {
                let score = |c: usize| y[t / 16 * k + c].0[t % 16];
                let best = (1..k).fold(0, |best, c| if score(c) > score(best) { c } else { best });
                assigned.counts[best] += 1;
                let sums = &mut assigned.sums[best * width..][..width];
                sums.iter_mut().zip(tile).for_each(|(sum, x)| *sum += x);
            }
            Ok(())
        })?;
        Ok(assigned)
    }

    /// Moves each centre to the mean of its tiles; one without tiles stays. `sums` are those of [`Assigned::terms`]
    /// over all slides. Returns whether any centre moved.
    ///
    /// # Panics
    /// If the sizes do not agree.
    pub fn step(&mut self, sums: &FixedSums) -> bool {
        let k = self.centres.len();
        let width = self.centres.first().map_or(0, Vec::len);
        assert_eq!(sums.len(), k * (1 + width), "a sum for each term");
        let mut moved = false;
        for (c, centre) in self.centres.iter_mut().enumerate() {
            let count = sums.value(c);
            for (j, x) in centre.iter_mut().enumerate().filter(|_| count > 0.0) {
                let mean = sums.value(k + c * width + j) / count;
                moved |= mean.to_bits() != x.to_bits();
                *x = mean;
            }
        }
        moved
    }
}
