//! Mixtures of normal distributions with diagonal covariance, fitted by expectation and maximisation (Dempster, Laird
//! and Rubin, J. R. Stat. Soc. B 39, 1977), as PANTHER describes a slide (Song et al., CVPR 2024).
//!
//! A step over all tiles needs, per component, the weight of its tiles and the weighted sums of their values and
//! squares. These are `f64` sums of a slide alone, added over slides as integers, so that a mixture of several sites has
//! the bits of the pooled one.

use std::fs;
use std::io::Write;
use std::path::Path;

use osteon_core::FixedSums;
use osteon_core::files::write_atomic;
use osteon_kernels::ops::linear::{self, Epilogue, Weights};
use osteon_kernels::simd::Level;
use osteon_kernels::tiles::{Lane, from_rows};
use serde::{Deserialize, Serialize};

use crate::error::SlidesError;
use crate::pca::Pca;
use crate::prototypes::Prototypes;
use crate::read::Slide;

/// Tiles at a time.
const UNIT: usize = 256;
/// Columns whose part of a log density is summed in `f32`; parts are added in `f64`.
const PART: usize = 128;
/// Least variance of a component, relative to that of all tiles in the column.
const FLOOR: f64 = 1e-3;
/// Least variance of a column, relative to the mean over columns, from which the floor is taken.
const FLAT: f64 = 1e-6;
/// Membership below which a tile is none of a component's.
const NOTHING: f64 = 1e-12;
/// Gain of the mean log-likelihood, relative to it, at which the fit ends.
const GAIN: f64 = 1e-7;
/// Tiles of the fitted component that are added to those of a slide in its means, so that a slide without such tiles
/// has the fitted mean.
const PRIOR: f64 = 1.0;
const FORMAT: u32 = 1;

/// A fitted mixture of `K` components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    osteon_mixture: u32,
    /// Name of the encoder, where the slides said.
    pub encoder: Option<String>,
    /// `D`.
    pub width: usize,
    /// Tiles it was fitted to.
    pub tiles: u64,
    /// Weights `[K]`; they sum to 1.
    pub weights: Vec<f64>,
    /// Means `[K][D]`.
    pub means: Vec<Vec<f64>>,
    /// Variances `[K][D]`, none below `floor`.
    pub variances: Vec<Vec<f64>>,
    /// Least variances `[D]`.
    pub floor: Vec<f64>,
    /// Mean log-likelihood of a tile before each step; it never falls but by rounding.
    pub log_likelihood: Vec<f64>,
    /// About which sums are formed: the mean of all tiles `[D]`.
    origin: Vec<f64>,
}

/// What a step needs of tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Memberships {
    /// Sum of log densities.
    pub log_likelihood: f64,
    /// Memberships `[K]`; they sum to the number of tiles.
    pub tiles: Vec<f64>,
    /// Weighted sums of the values about the origin `[K, D]`.
    sums: Vec<f64>,
    /// Weighted sums of their squares `[K, D]`.
    squares: Vec<f64>,
}

impl Memberships {
    /// Adds those of other tiles.
    ///
    /// # Panics
    /// If they are of another mixture.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.tiles, &other.tiles),
            (&mut self.sums, &other.sums),
            (&mut self.squares, &other.squares),
        ];
        for (own, other) in pairs {
            assert_eq!(own.len(), other.len(), "memberships of one mixture");
            own.iter_mut().zip(other).for_each(|(a, b)| *a += b);
        }
        self.log_likelihood += other.log_likelihood;
    }

    /// As terms of order-free sums: the log-likelihood, memberships, sums, squares.
    pub fn terms(&self) -> Vec<f64> {
        [&[self.log_likelihood][..], &self.tiles, &self.sums, &self.squares].concat()
    }
}

impl Mixture {
    /// The mixture that a fit begins with: the centres of k-means with the `counts` of their tiles (and one more each,
    /// so that none starts without weight), and in every component the variances of all tiles.
    ///
    /// # Errors
    /// If there are fewer tiles than components, or all tiles are equal.
    pub fn begin(prototypes: &Prototypes, counts: &[u64], pca: &Pca) -> Result<Self, SlidesError> {
        let (k, tiles) = (prototypes.centres.len(), counts.iter().sum::<u64>());
        if tiles < k as u64 {
            return Err(SlidesError::Model(format!(
                "a mixture of {k} components needs as many tiles; there are {tiles}"
            )));
        }
        let variance: Vec<f64> = pca.deviation.iter().map(|d| d * d).collect();
        let typical = variance.iter().sum::<f64>() / variance.len().max(1) as f64;
        if typical <= 0.0 {
            return Err(SlidesError::Model("all tiles are equal: no mixture can be fitted".into()));
        }
        let variance: Vec<f64> = variance.into_iter().map(|v| v.max(FLAT * typical)).collect();
        let whole = (tiles + k as u64) as f64;
        Ok(Self {
            osteon_mixture: FORMAT,
            encoder: pca.encoder.clone(),
            width: pca.width,
            tiles,
            weights: counts.iter().map(|&n| (n + 1) as f64 / whole).collect(),
            means: prototypes.centres.clone(),
            variances: vec![variance.clone(); k],
            floor: variance.iter().map(|v| FLOOR * v).collect(),
            log_likelihood: Vec::new(),
            origin: pca.mean.clone(),
        })
    }

    /// The memberships of no tiles.
    pub fn none(&self) -> Memberships {
        let (k, width) = (self.weights.len(), self.width);
        let zeros = vec![0.0; k * width];
        Memberships { log_likelihood: 0.0, tiles: vec![0.0; k], sums: zeros.clone(), squares: zeros }
    }

    /// Number of sums that [`Self::step`] takes.
    pub fn terms(&self) -> usize {
        1 + self.weights.len() * (1 + 2 * self.width)
    }

    /// The memberships of the tiles of a slide. Log densities are `f32` over parts of 128 columns and `f64` across;
    /// everything else is `f64`, in the order of the tiles.
    ///
    /// # Errors
    /// If the slide cannot be read, or has another width.
    pub fn expect(&self, slide: &Slide) -> Result<Memberships, SlidesError> {
        let (k, width) = (self.weights.len(), self.width);
        let mut found = self.none();
        if slide.tiles() == 0 {
            return Ok(found);
        }
        if slide.width() != width {
            let text = format!("{} values a tile, unlike the {width} of the mixture", slide.width());
            return Err(SlidesError::format(slide.path(), text));
        }
        let (parts, bias) = self.densities();
        slide.stream(UNIT, |rows| {
            let tiles = rows.len() / width;
            let about: Vec<f64> =
                (0..rows.len()).zip(self.origin.iter().cycle()).map(|(at, o)| rows.get(at) - o).collect();
            let mut scores: Vec<f64> = bias.iter().copied().cycle().take(tiles * k).collect();
            for (first, weights) in (0..width).step_by(PART).zip(&parts) {
                let columns = PART.min(width - first);
                let mut values = Vec::with_capacity(2 * columns * tiles);
                for tile in about.chunks_exact(width) {
                    let tile = &tile[first..first + columns];
                    values.extend(tile.iter().map(|&x| x as f32));
                    values.extend(tile.iter().map(|&x| (x * x) as f32));
                }
                let x = from_rows(&values, tiles, 2 * columns);
                let mut y = vec![Lane::ZERO; tiles.div_ceil(16) * k];
                let zero = vec![0.0; k];
                let layer = Weights { w: weights, b: &zero, inputs: 2 * columns, outputs: k };
                linear::forward(Level::current(), layer, Epilogue::NONE, &x, &mut y, &mut []);
                for (t, scores) in scores.chunks_exact_mut(k).enumerate() {
                    let of = |c: usize| f64::from(y[t / 16 * k + c].0[t % 16]);
                    scores.iter_mut().enumerate().for_each(|(c, s)| *s += of(c));
                }
            }
            for (tile, scores) in about.chunks_exact(width).zip(scores.chunks_exact_mut(k)) {
                found.log_likelihood += memberships(scores);
                for (c, &r) in scores.iter().enumerate().filter(|(_, r)| **r > NOTHING) {
                    found.tiles[c] += r;
                    let sums = &mut found.sums[c * width..][..width];
                    let squares = &mut found.squares[c * width..][..width];
                    for ((x, sum), square) in tile.iter().zip(sums).zip(squares) {
                        *sum += r * x;
                        *square += r * x * x;
                    }
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Log densities as dot products: per part of the columns the factors of values and squares, `[K, 2 columns]`, and
    /// a constant per component with the logarithm of its weight.
    fn densities(&self) -> (Vec<Vec<f32>>, Vec<f64>) {
        let width = self.width;
        let components = || self.means.iter().zip(&self.variances);
        let part = |first: usize| {
            let columns = first..(first + PART).min(width);
            let factors = |(m, v): (&Vec<f64>, &Vec<f64>)| {
                let linear = columns.clone().map(|j| ((m[j] - self.origin[j]) / v[j]) as f32);
                let square = columns.clone().map(|j| (-0.5 / v[j]) as f32);
                linear.chain(square).collect::<Vec<f32>>()
            };
            components().flat_map(factors).collect()
        };
        let constant = |((m, v), weight): ((&Vec<f64>, &Vec<f64>), &f64)| {
            let term =
                |j: usize| (m[j] - self.origin[j]).powi(2) / v[j] + libm::log(std::f64::consts::TAU * v[j]);
            libm::log(*weight) - 0.5 * (0..width).map(term).sum::<f64>()
        };
        let bias = components().zip(&self.weights).map(constant).collect();
        ((0..width).step_by(PART).map(part).collect(), bias)
    }

    /// Moves the components to the weighted moments of all tiles; `sums` are those of [`Memberships::terms`]. One with
    /// less than a tile stays where it is. Returns whether it is worth another step.
    ///
    /// # Panics
    /// If there are not as many sums as terms.
    pub fn step(&mut self, sums: &FixedSums) -> bool {
        assert_eq!(sums.len(), self.terms(), "a sum for each term");
        let (k, width) = (self.weights.len(), self.width);
        let tiles: Vec<f64> = (0..k).map(|c| sums.value(1 + c)).collect();
        let whole: f64 = tiles.iter().sum();
        for c in 0..k {
            self.weights[c] = tiles[c] / whole;
            if tiles[c] < 1.0 {
                continue;
            }
            for j in 0..width {
                let at = 1 + k + c * width + j;
                let mean = sums.value(at) / tiles[c];
                let variance = sums.value(at + k * width) / tiles[c] - mean * mean;
                self.means[c][j] = self.origin[j] + mean;
                self.variances[c][j] = variance.max(self.floor[j]);
            }
        }
        let now = sums.value(0) / whole;
        let gain = self.log_likelihood.last().map_or(f64::INFINITY, |before| now - before);
        self.log_likelihood.push(now);
        gain > GAIN * now.abs()
    }

    /// Mixing weights of a slide `[K]`: its memberships as shares; NaN without tiles.
    pub fn shares(&self, of: &Memberships) -> Vec<f64> {
        let whole: f64 = of.tiles.iter().sum();
        of.tiles.iter().map(|n| if whole > 0.0 { n / whole } else { f64::NAN }).collect()
    }

    /// Means of a slide `[K, D]`: of its tiles by membership and one tile of the fitted mean.
    pub fn slide_means(&self, of: &Memberships) -> Vec<f64> {
        let mut means = Vec::with_capacity(of.sums.len());
        for ((mean, n), sums) in self.means.iter().zip(&of.tiles).zip(of.sums.chunks_exact(self.width.max(1)))
        {
            let mean = mean.iter().zip(sums).zip(&self.origin);
            means.extend(mean.map(|((m, sum), o)| (PRIOR * m + sum + n * o) / (PRIOR + n)));
        }
        means
    }

    /// Writes the model; every number reads back as it is.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SlidesError> {
        let write = |out: &mut std::io::BufWriter<fs::File>| {
            serde_json::to_writer(&mut *out, self)?;
            out.write_all(b"\n")
        };
        write_atomic(path, write).map_err(|e| SlidesError::io(path, e))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// If the file cannot be read, or is no mixture.
    pub fn read(path: &Path) -> Result<Self, SlidesError> {
        let text = fs::read_to_string(path).map_err(|e| SlidesError::io(path, e))?;
        let model: Self = serde_json::from_str(&text).map_err(|e| SlidesError::format(path, e))?;
        let k = model.weights.len();
        let square = |x: &[Vec<f64>]| x.len() == k && x.iter().all(|r| r.len() == model.width);
        let whole = square(&model.means) && square(&model.variances) && model.origin.len() == model.width;
        let valid = model.variances.iter().flatten().all(|v| *v > 0.0);
        match model.osteon_mixture == FORMAT && k > 0 && whole && valid {
            true => Ok(model),
            false => Err(SlidesError::format(path, "is no mixture of this version, or is damaged")),
        }
    }
}

/// Log densities to memberships; gives the log of their sum.
fn memberships(scores: &mut [f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut whole = 0.0;
    for score in scores.iter_mut() {
        *score = libm::exp(*score - largest);
        whole += *score;
    }
    scores.iter_mut().for_each(|r| *r /= whole);
    largest + libm::log(whole)
}
