//! Counts, sums and products of tiles over slides and sites.

use osteon_core::{FixedSums, Reduce};
use osteon_kernels::ops::gram;

use crate::error::SlidesError;
use crate::reduce::SlideProducts;

/// Sums over slides whose bits depend neither on the order of the slides nor on who holds them: each slide's sums
/// are a function of the slide alone, and are added as integers ([`FixedSums`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scatter {
    width: usize,
    slides: u64,
    tiles: u64,
    /// Sums `[D]`, then the stored upper triangle of products.
    sums: FixedSums,
}

impl Scatter {
    /// No slides yet.
    pub fn new(width: usize) -> Self {
        Self { width, slides: 0, tiles: 0, sums: FixedSums::new(width + gram::len(width)) }
    }

    /// Adds a slide.
    ///
    /// # Panics
    /// If it has another width.
    pub fn add(&mut self, tiles: u64, products: &SlideProducts) {
        let terms = [products.sum.as_slice(), &products.gram].concat();
        self.sums.add(&terms);
        self.slides += 1;
        self.tiles += tiles;
    }

    /// Adds the slides of another.
    ///
    /// # Panics
    /// If it has another width.
    pub fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.slides += other.slides;
        self.tiles += other.tiles;
    }

    /// Replaces the sums by those over all sites: one message of counts, sums and products.
    ///
    /// # Errors
    /// If a site is lost, or its sums are not finite.
    pub fn reduce(&mut self, over: &dyn Reduce) -> Result<(), SlidesError> {
        let mut words = self.to_words();
        over.words(&mut words)?;
        *self = Self::from_words(self.width, &words)
            .ok_or_else(|| SlidesError::Model("sums of another width".into()))?;
        match self.sums.faults() {
            0 => Ok(()),
            n => Err(SlidesError::Model(format!("{n} sums over slides are not finite or above 2^90"))),
        }
    }

    /// `D`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Slides added.
    pub fn slides(&self) -> u64 {
        self.slides
    }

    /// Tiles of these slides.
    pub fn tiles(&self) -> u64 {
        self.tiles
    }

    /// Mean over tiles.
    pub fn mean(&self) -> Vec<f64> {
        (0..self.width).map(|j| self.sums.value(j) / self.tiles as f64).collect()
    }

    /// Covariance over tiles (divisor `n - 1`), `[D, D]`.
    pub fn covariance(&self) -> Vec<f64> {
        let (n, width, mean) = (self.tiles as f64, self.width, self.mean());
        let mut covariance = vec![0.0; width * width];
        for j in 0..width {
            for i in 0..=j {
                let sum = self.sums.value(width + gram::at(i, j));
                let value = (sum - n * mean[i] * mean[j]) / (n - 1.0).max(1.0);
                covariance[i * width + j] = value;
                covariance[j * width + i] = value;
            }
        }
        covariance
    }

    /// All of it as words that add up by wrapping addition.
    pub fn to_words(&self) -> Vec<u64> {
        let mut words = self.sums.to_words();
        words.extend([self.slides, self.tiles]);
        words
    }

    /// Reads back what [`Self::to_words`] wrote; `None` for another width.
    pub fn from_words(width: usize, words: &[u64]) -> Option<Self> {
        let (sums, counts) = words.split_at_checked(words.len().checked_sub(2)?)?;
        let sums = FixedSums::from_words(sums);
        (sums.len() == width + gram::len(width)).then(|| Self {
            width,
            slides: counts[0],
            tiles: counts[1],
            sums,
        })
    }
}
