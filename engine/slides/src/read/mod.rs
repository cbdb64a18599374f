//! The file of a slide.

mod npy;
mod parquet;
mod pickle;
mod torch;
mod zip;

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use osteon_kernels::ops::pool::Rows;
use osteon_table::array::{Array, Number, Numbers, read_array, read_numbers};

use crate::error::SlidesError;

/// Names of the data set of embeddings, the most telling first.
const KEYS: [&str; 5] = ["features", "feats", "patch_embeddings", "embeddings", "embedding"];
/// Name of the data set of coordinates.
const COORDINATES: &str = "coords";
/// Attributes that name the encoder.
const ENCODERS: [&str; 3] = ["encoder", "extractor", "model"];
/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A tile.
    Tile,
    /// A whole slide: one row, the output of a slide encoder.
    Slide,
}

/// Where the numbers are.
enum Source {
    Array(Array),
    Memory(Vec<u8>),
}

/// The embeddings of a slide, `[T, D]`.
pub struct Slide {
    path: PathBuf,
    tiles: usize,
    width: usize,
    number: Number,
    level: Level,
    encoder: Option<String>,
    source: Source,
}

impl Slide {
    /// Opens a slide. `key` names the data set of an HDF5 file, by default the first of `features`, `feats`,
    /// `patch_embeddings`, `embeddings` and `embedding`.
    ///
    /// # Errors
    /// If the file cannot be read or holds no embeddings.
    pub fn open(path: &Path, key: Option<&str>) -> Result<Self, SlidesError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "h5" | "hdf5" => {
                let array = match key {
                    Some(key) => read_array(path, &[key])?,
                    None => read_array(path, &KEYS)?,
                };
                Self::from_array(path, array)
            }
            "npy" => Self::from_array(path, npy::read(path)?),
            "pt" | "pth" => match torch::read(path)? {
                torch::Tensor::Plain(array) => Self::from_array(path, array),
                torch::Tensor::Gathered { shape, number, bytes } => {
                    Self::new(path, &shape, number, Source::Memory(bytes))
                }
            },
            "parquet" => {
                let (rows, columns, values) = parquet::read(path)?;
                let bytes = bytemuck::cast_slice(&values).to_vec();
                Self::new(path, &[rows, columns], Number::F64, Source::Memory(bytes))
            }
            _ => Err(SlidesError::Extension { path: path.to_owned() }),
        }
    }

    fn from_array(path: &Path, array: Array) -> Result<Self, SlidesError> {
        let attributes = array.attributes();
        let encoder = ENCODERS.iter().find_map(|name| attributes.get(*name)).cloned();
        let whole = attributes.get("feat_type").is_some_and(|t| t == "slide" || t == "patient");
        let (shape, number) = (array.shape().to_vec(), array.number());
        let mut slide = Self::new(path, &shape, number, Source::Array(array))?;
        slide.encoder = encoder.filter(|e| e != "None" && !e.is_empty());
        if whole {
            slide.level = Level::Slide;
        }
        Ok(slide)
    }

    fn new(path: &Path, shape: &[usize], number: Number, source: Source) -> Result<Self, SlidesError> {
        let (tiles, width, level) = match *shape {
            // What TRIDENT leaves of a slide without tissue.
            [0] => (0, 0, Level::Tile),
            [width] => (1, width, Level::Slide),
            [tiles, width] | [1, tiles, width] => (tiles, width, Level::Tile),
            _ => {
                let text = format!(
                    "an array of shape {shape:?} is not the tiles of a slide: [D], [T, D] or [1, T, D]"
                );
                return Err(SlidesError::format(path, text));
            }
        };
        if width == 0 && tiles > 0 {
            return Err(SlidesError::format(path, "its embeddings have no columns"));
        }
        Ok(Self { path: path.to_owned(), tiles, width, number, level, encoder: None, source })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `T`.
    pub fn tiles(&self) -> usize {
        self.tiles
    }

    /// `D`; 0 where a slide without tiles does not say.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The type of the numbers.
    pub fn number(&self) -> Number {
        self.number
    }

    /// What a row stands for.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Name of the encoder, where the file says.
    pub fn encoder(&self) -> Option<&str> {
        self.encoder.as_deref()
    }

    /// The array, where the numbers are in the file as they are needed.
    pub fn array(&self) -> Option<&Array> {
        match &self.source {
            Source::Array(array) => Some(array),
            Source::Memory(_) => None,
        }
    }

    /// Where each tile lies, `[T]` pairs of x and y in the unit of the file (CLAM and TRIDENT: pixels of level 0, STAMP:
    /// micrometres); `None` where an HDF5 file has no `coords`, and in other formats.
    ///
    /// # Errors
    /// If they cannot be read, or are not a pair per tile.
    pub fn coordinates(&self) -> Result<Option<Vec<[f64; 2]>>, SlidesError> {
        let extension = self.path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !matches!(extension.to_ascii_lowercase().as_str(), "h5" | "hdf5") {
            return Ok(None);
        }
        let Some(Numbers { shape, values }) = read_numbers(&self.path, COORDINATES)? else { return Ok(None) };
        if shape.last() != Some(&2) || values.len() != 2 * self.tiles {
            let text = format!(
                "\"{COORDINATES}\" of shape {shape:?} are not a pair for each of {} tiles",
                self.tiles
            );
            return Err(SlidesError::format(&self.path, text));
        }
        Ok(Some(values.chunks_exact(2).map(|p| [p[0], p[1]]).collect()))
    }

    /// Calls `visit` for the tiles in order, in pieces that are multiples of `unit` tiles but for the last. About a
    /// megabyte (or a chunk of the file, if that is larger) is in memory at a time.
    ///
    /// # Errors
    /// If the file cannot be read, or `visit` fails.
    pub fn stream(
        &self,
        unit: usize,
        mut visit: impl FnMut(Rows) -> Result<(), SlidesError>,
    ) -> Result<(), SlidesError> {
        let row = self.width * self.number.bytes();
        if self.tiles == 0 || row == 0 {
            return Ok(());
        }
        let array = match &self.source {
            Source::Memory(bytes) => return self.pieces(bytes, unit, row, &mut visit),
            Source::Array(array) => array,
        };
        let rows = array.open()?;
        let stride = array.stride();
        let step = (PIECE / row).max(unit).next_multiple_of(stride);
        let mut held = Vec::new();
        for start in (0..self.tiles).step_by(step) {
            let end = (start + step).min(self.tiles);
            rows.read(start, end, &mut held)?;
            let ready = if end == self.tiles { held.len() } else { held.len() / (unit * row) * unit * row };
            self.pieces(&held[..ready], unit, row, &mut visit)?;
            held.drain(..ready);
        }
        Ok(())
    }

    fn pieces(
        &self,
        bytes: &[u8],
        unit: usize,
        row: usize,
        visit: &mut impl FnMut(Rows) -> Result<(), SlidesError>,
    ) -> Result<(), SlidesError> {
        for piece in bytes.chunks(unit * row) {
            match self.number {
                Number::F16 => visit(Rows::F16(&aligned::<f16>(piece)))?,
                Number::Bf16 => visit(Rows::Bf16(&aligned::<bf16>(piece)))?,
                Number::F32 => visit(Rows::F32(&aligned::<f32>(piece)))?,
                Number::F64 => visit(Rows::F64(&aligned::<f64>(piece)))?,
            }
        }
        Ok(())
    }
}

/// The numbers in place, or copied where the memory is not aligned for them.
fn aligned<T: bytemuck::Pod>(bytes: &[u8]) -> std::borrow::Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(values) => values.into(),
        Err(_) => {
            let mut values = vec![T::zeroed(); bytes.len() / size_of::<T>()];
            bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
            values.into()
        }
    }
}
