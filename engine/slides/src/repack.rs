//! A file that reads at disk speed.

use std::path::Path;

use half::{bf16, f16};
use osteon_kernels::ops::pool::Rows;
use osteon_table::array::Number;

use crate::error::SlidesError;
use crate::read::Slide;

/// Tiles that are converted at a time.
#[cfg(feature = "hdf5")]
const UNIT: usize = 512;

/// Writes the embeddings of a slide as a contiguous data set `features` of an HDF5 file, as `number` or, by default,
/// in the type they have (bfloat16 as float32, which holds every value of it). Everything else in an HDF5 file is copied.
/// Returns the tiles written.
///
/// # Errors
/// If a file cannot be read or written, or a value does not fit into half precision.
#[cfg(feature = "hdf5")]
pub fn repack(slide: &Slide, to: &Path, number: Option<Number>) -> Result<usize, SlidesError> {
    use osteon_table::array::ArrayWriter;

    let number = match number.unwrap_or(slide.number()) {
        Number::Bf16 => Number::F32,
        other => other,
    };
    let array = slide.array();
    let hdf5 = slide.path().extension().is_some_and(|e| e == "h5" || e == "hdf5");
    let like = array.filter(|_| hdf5).map(|a| (slide.path(), a.name()));
    let attributes = array.map(|a| a.attributes().clone()).unwrap_or_default();
    let (tiles, width) = (slide.tiles(), slide.width());
    let mut writer = ArrayWriter::create(to, "features", tiles, width, number, &attributes, like)?;
    let mut bytes = Vec::new();
    slide.stream(UNIT, |rows| {
        bytes.clear();
        convert(rows, number, &mut bytes).map_err(|x| {
            SlidesError::format(slide.path(), format!("{x} does not fit into float16; keep the type"))
        })?;
        Ok(writer.append(&bytes)?)
    })?;
    writer.finish()?;
    Ok(tiles)
}

/// Writes the embeddings of a slide; this build has no HDF5.
///
/// # Errors
/// Always.
#[cfg(not(feature = "hdf5"))]
pub fn repack(_slide: &Slide, to: &Path, _number: Option<Number>) -> Result<usize, SlidesError> {
    let path = to.to_owned();
    Err(osteon_table::TableError::Feature { path, feature: "hdf5" }.into())
}

/// Appends values in another type; a value that would become infinite is the error.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
fn convert(rows: Rows, number: Number, out: &mut Vec<u8>) -> Result<(), f64> {
    match (rows, number) {
        (Rows::F16(v), Number::F16) => out.extend_from_slice(bytemuck::cast_slice(v)),
        (Rows::F32(v), Number::F32) => out.extend_from_slice(bytemuck::cast_slice(v)),
        (Rows::F64(v), Number::F64) => out.extend_from_slice(bytemuck::cast_slice(v)),
        _ => {
            for x in (0..rows.len()).map(|k| rows.get(k)) {
                match number {
                    Number::F16 => {
                        let half = f16::from_f64(x);
                        if half.is_infinite() && x.is_finite() {
                            return Err(x);
                        }
                        out.extend(half.to_le_bytes());
                    }
                    Number::Bf16 => out.extend(bf16::from_f64(x).to_le_bytes()),
                    Number::F32 => out.extend((x as f32).to_le_bytes()),
                    Number::F64 => out.extend(x.to_le_bytes()),
                }
            }
        }
    }
    Ok(())
}
