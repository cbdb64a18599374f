//! One pass over the tiles of a slide, or of several slides of a patient.

use std::fmt;
use std::str::FromStr;

use osteon_core::files::sha256_hex;
use osteon_kernels::backend::DeviceInfo;
use osteon_kernels::ops::gram;
use osteon_kernels::ops::pool::{Pool, Precision, Rows};

use crate::error::SlidesError;
use crate::order::{Sample, Top};
use crate::read::{Level, Slide};
use crate::sums::Sums;

/// Values of `topk` where it does not say.
const TOP: usize = 10;

/// A vector made of the tiles, value by value of the embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pooling {
    /// Mean over tiles.
    Mean,
    /// Standard deviation over tiles (divisor `T`).
    Std,
    /// Largest value.
    Max,
    /// Smallest value.
    Min,
    /// Quantile, in hundredths; of slides with more than 16,384 tiles, that of a fixed sample of as many.
    Quantile(u32),
    /// Mean of the largest values.
    Top(usize),
}

impl FromStr for Pooling {
    type Err = SlidesError;

    fn from_str(text: &str) -> Result<Self, SlidesError> {
        let number = |rest: &str| rest.parse::<u32>().ok();
        Ok(match text.trim() {
            "mean" => Self::Mean,
            "std" => Self::Std,
            "max" => Self::Max,
            "min" => Self::Min,
            "topk" => Self::Top(TOP),
            other => {
                let quantile = other.strip_prefix('q').and_then(number).filter(|&q| q <= 100);
                let top = other.strip_prefix("top").and_then(number).filter(|k| (1..=1000).contains(k));
                match (quantile, top) {
                    (Some(q), _) => Self::Quantile(q),
                    (_, Some(k)) => Self::Top(k as usize),
                    _ => {
                        let known = "mean, std, max, min, q0 to q100 (a quantile in per cent), topk or top1 to top1000";
                        return Err(SlidesError::Option(format!(
                            "\"{other}\" is no pooling; there are {known}"
                        )));
                    }
                }
            }
        })
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Std => f.write_str("std"),
            Self::Max => f.write_str("max"),
            Self::Min => f.write_str("min"),
            Self::Quantile(q) => write!(f, "q{q}_"),
            Self::Top(k) => write!(f, "top{k}_"),
        }
    }
}

/// What a pass computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Data set of an HDF5 file; by default a usual one.
    pub key: Option<String>,
    /// Vectors.
    pub pools: Vec<Pooling>,
    /// Sums of products, for a PCA.
    pub products: bool,
    /// Arithmetic of sums within blocks.
    pub precision: Precision,
    /// Device that forms moments and products, in single precision; else the processor.
    pub device: Option<DeviceInfo>,
}

/// Sums of products of the tiles of a slide, about zero.
#[derive(Debug, Clone, PartialEq)]
pub struct SlideProducts {
    /// `[D]`: sums of values.
    pub sum: Vec<f64>,
    /// Upper triangle of `[D, D]`, stored as [`gram::at`] says: sums of products.
    pub gram: Vec<f64>,
}

/// What came of a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// `T`.
    pub tiles: u64,
    /// `D`; 0 where no slide says.
    pub width: usize,
    /// Name of the encoder, where a file says.
    pub encoder: Option<String>,
    /// What rows stand for.
    pub level: Level,
    /// Largest absolute value.
    pub largest: f64,
    /// Whether quantiles are those of a sample.
    pub sampled: bool,
    /// Hash of the moments: slides with equal tiles have equal ones.
    pub digest: String,
    /// Means of the columns, whatever was asked for.
    pub mean: Vec<f64>,
    /// The vectors in the order asked for; NaN without tiles.
    pub vectors: Vec<Vec<f64>>,
    /// Sums of products, where asked for and there are tiles.
    pub products: Option<SlideProducts>,
}

/// Reduces the tiles of `slides` together. Blocks begin anew with each slide, so that the bits do not depend on how
/// a file brings its rows.
///
/// # Errors
/// If a slide cannot be read, holds NaN or infinity, slides differ in width, level or encoder, or a device fails or
/// cannot sum such numbers.
pub fn reduce(slides: &[Slide], wanted: &Wanted) -> Result<Reduced, SlidesError> {
    agree(slides)?;
    let width = slides.iter().map(Slide::width).max().unwrap_or(0);
    let level = slides.first().map_or(Level::Tile, Slide::level);
    let mut sums = Sums::new(width, wanted)?;
    let levels: Vec<f64> = wanted
        .pools
        .iter()
        .filter_map(|p| if let Pooling::Quantile(q) = p { Some(f64::from(*q) / 100.0) } else { None })
        .collect();
    let mut sample = (!levels.is_empty()).then(|| Sample::new(width));
    let mut tops: Vec<Top> = wanted
        .pools
        .iter()
        .filter_map(|p| if let Pooling::Top(k) = p { Some(Top::new(width, *k)) } else { None })
        .collect();
    for slide in slides {
        let mut before = 0;
        slide.stream(sums.unit(), |rows| {
            sums.pool(rows)?;
            if !sums.pool.is_finite() {
                return Err(not_finite(slide, rows, before, width));
            }
            before += (rows.len() / width) as u64;
            if let Some(sample) = &mut sample {
                sample.add(rows);
            }
            tops.iter_mut().for_each(|top| top.add(rows));
            Ok(sums.multiply(rows)?)
        })?;
    }
    let (pool, gram) = sums.finish()?;
    if let (Some(slide), Some(gram)) = (slides.first(), &gram)
        && gram.iter().any(|x| !x.is_finite())
    {
        return Err(SlidesError::format(slide.path(), "its values are too large to be multiplied"));
    }
    let products = gram.filter(|_| pool.tiles() > 0).map(|gram| about_zero(&pool, gram));
    let mut quantiles = sample.as_ref().map(|s| s.quantiles(&levels)).unwrap_or_default().into_iter();
    let mut tops = tops.into_iter();
    let n = pool.tiles() as f64;
    let empty = |x: Vec<f64>| if n > 0.0 { x } else { vec![f64::NAN; width] };
    let vectors = wanted.pools.iter().map(|pooling| match pooling {
        Pooling::Mean => empty(pool.mean()),
        Pooling::Std => empty(pool.deviations().iter().map(|d| (d / n).sqrt()).collect()),
        Pooling::Max => empty(pool.max().to_vec()),
        Pooling::Min => empty(pool.min().to_vec()),
        Pooling::Quantile(_) => empty(quantiles.next().unwrap_or_default()),
        Pooling::Top(_) => empty(tops.next().map(|t| t.means()).unwrap_or_default()),
    });
    let vectors = vectors.collect();
    let extremes = pool.max().iter().chain(pool.min());
    Ok(Reduced {
        tiles: pool.tiles(),
        width,
        encoder: slides.iter().find_map(Slide::encoder).map(ToOwned::to_owned),
        level,
        largest: if n > 0.0 { extremes.fold(0.0, |m, x| m.max(x.abs())) } else { 0.0 },
        sampled: sample.is_some_and(|s| s.is_part()),
        digest: digest(&pool),
        mean: empty(pool.mean()),
        vectors,
        products,
    })
}

/// Slides of one case must be of one kind.
fn agree(slides: &[Slide]) -> Result<(), SlidesError> {
    let mut with_tiles = slides.iter().filter(|s| s.tiles() > 0);
    let Some(first) = with_tiles.next() else { return Ok(()) };
    for other in with_tiles {
        let names = format!("{} and {}", first.path().display(), other.path().display());
        if first.width() != other.width() {
            let text = format!("{names} have {} and {} values a tile", first.width(), other.width());
            return Err(SlidesError::Mixed(text));
        }
        if first.level() != other.level() {
            return Err(SlidesError::Mixed(format!(
                "one of {names} holds tiles, the other a vector of the slide"
            )));
        }
        if let (Some(a), Some(b)) = (first.encoder(), other.encoder())
            && a != b
        {
            return Err(SlidesError::Mixed(format!("{names} come of the encoders {a} and {b}")));
        }
    }
    Ok(())
}

/// Counts what is no number; `rows` is the first piece that has some.
fn not_finite(slide: &Slide, rows: Rows, before: u64, width: usize) -> SlidesError {
    let (mut values, mut tiles, mut first) = (0, 0, None);
    for t in 0..rows.len() / width {
        let bad = (0..width).filter(|j| !rows.get(t * width + j).is_finite()).count() as u64;
        values += bad;
        tiles += u64::from(bad > 0);
        if bad > 0 && first.is_none() {
            first = Some(before + t as u64);
        }
    }
    match first {
        Some(first) => SlidesError::NotFinite { path: slide.path().to_owned(), values, tiles, first },
        None => SlidesError::format(slide.path(), "its values are too large to be squared in float32"),
    }
}

/// From sums about the shift to sums about zero.
fn about_zero(pool: &Pool, mut products: Vec<f64>) -> SlideProducts {
    let n = pool.tiles() as f64;
    let shift: Vec<f64> = pool.shift().iter().map(|&s| f64::from(s)).collect();
    let (width, about) = (shift.len(), pool.sum());
    for j in 0..width {
        for i in 0..=j {
            let cross = shift[i] * about[j] + shift[j] * about[i] + n * shift[i] * shift[j];
            products[gram::at(i, j)] += cross;
        }
    }
    let sum = about.iter().zip(&shift).map(|(s, c)| s + n * c).collect();
    SlideProducts { sum, gram: products }
}

fn digest(pool: &Pool) -> String {
    let mut bytes = pool.tiles().to_le_bytes().to_vec();
    for values in [&pool.mean()[..], &pool.deviations(), pool.max(), pool.min()] {
        values.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    }
    sha256_hex(&bytes)[..32].to_owned()
}
