//! Pictures of pixels, as PNG.

use std::io;
use std::path::Path;

use osteon_core::files;

use crate::error::ReportError;

/// A picture in 8-bit red, green and blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    /// Pixels of a row.
    pub width: usize,
    /// Rows, the topmost first.
    pub height: usize,
    /// Three bytes per pixel.
    pub pixels: Vec<u8>,
}

impl Raster {
    /// A picture of one colour.
    pub fn new(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, pixels: colour.repeat(width * height) }
    }

    /// Colours a pixel; one beyond the picture is no pixel.
    pub fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Lays another picture over this one; what reaches beyond is cut off.
    pub fn lay(&mut self, other: &Self, x: usize, y: usize) {
        for row in 0..other.height {
            for column in 0..other.width {
                let at = 3 * (row * other.width + column);
                let [r, g, b] = [0, 1, 2].map(|k| other.pixels[at + k]);
                self.set(x + column, y + row, [r, g, b]);
            }
        }
    }

    /// Writes the picture; the file is complete or absent.
    ///
    /// # Errors
    /// If the file cannot be written, or the picture is empty.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let sides = u32::try_from(self.width).ok().zip(u32::try_from(self.height).ok());
        let written = files::write_atomic::<io::Error>(path, |out| {
            let (width, height) = sides.ok_or_else(|| io::Error::other("the picture is too large"))?;
            let mut encoder = png::Encoder::new(out, width, height);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.pixels)?;
            Ok(writer.finish()?)
        });
        written.map_err(ReportError::io("write", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_reads_back() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("a.png");
        let mut picture = Raster::new(5, 3, [1, 2, 3]);
        let mut spot = Raster::new(2, 2, [9, 9, 9]);
        spot.set(7, 0, [0; 3]);
        picture.lay(&spot, 4, 2);
        picture.write(&path).expect("written");
        let file = io::BufReader::new(std::fs::File::open(&path).expect("the file"));
        let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!(pixels, picture.pixels);
        assert_eq!((&pixels[..3], &pixels[42..]), (&[1, 2, 3][..], &[9, 9, 9][..]));
    }
}
