//! Maps as files.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use osteon_core::files;

use super::Maps;
use crate::error::RadiomicsError;

impl Maps {
    /// Writes the map of one feature as NRRD: gzipped doubles on the grid of the maps. The file is
    /// complete or absent.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, feature: usize, path: &Path) -> Result<(), RadiomicsError> {
        let grid = &self.geometry;
        let vector = |v: [f64; 3]| format!("({},{},{})", v[0], v[1], v[2]);
        let axes = [0, 1, 2].map(|k| vector(grid.direction[k].map(|c| c * grid.spacing[k]))).join(" ");
        let [nx, ny, nz] = grid.size;
        let header = format!(
            "NRRD0004\ntype: double\ndimension: 3\nspace: left-posterior-superior\nsizes: {nx} {ny} {nz}\n\
             space directions: {axes}\nkinds: domain domain domain\nendian: little\nencoding: gzip\n\
             space origin: {}\n\n",
            vector(grid.origin)
        );
        let bytes: Vec<u8> = self.volume(feature).iter().flat_map(|x| x.to_le_bytes()).collect();
        files::write_atomic::<io::Error>(path, |out| {
            out.write_all(header.as_bytes())?;
            let mut packed = GzEncoder::new(out, Compression::fast());
            packed.write_all(&bytes)?;
            packed.finish().map(drop)
        })
        .map_err(|e| RadiomicsError::io(path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Geometry, Image};

    #[test]
    fn a_map_is_read_back() {
        let geometry = Geometry { origin: [1.0, -2.0, 0.1], ..Geometry::aligned([3, 2, 2], [1.5, 1.0, 2.0]) };
        let features = vec![("original_glcm_Contrast".to_owned(), vec![0.25, 1e-300])];
        let maps = Maps { label: "1".into(), geometry, voxels: vec![1, 7], features, outside: -1.0 };
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("map.nrrd");
        maps.write(0, &path).expect("a file");
        let image = Image::read(&path).expect("an image");
        assert_eq!(image.geometry, maps.geometry);
        let values: Vec<f64> = (0..12).map(|k| image.samples.get(k)).collect();
        assert_eq!(values, maps.volume(0));
        assert_eq!((values[0], values[1], values[7]), (-1.0, 0.25, 1e-300));
    }
}
