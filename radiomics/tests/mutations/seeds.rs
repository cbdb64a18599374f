//! Small files without a fault, one of each kind.

use std::fs;
use std::io::Write;
use std::path::Path;

use dicom_dictionary_std::{tags, uids};
use flate2::Compression;
use flate2::write::GzEncoder;
use osteon_radiomics::{Geometry, Image, Samples};

use crate::objects::{SIZE, STEP, bits, enhanced, pet, rectangle, segmentation, structures, write, write_as};

/// A file and the fuzz target that it is for.
pub struct Seed {
    pub name: String,
    pub target: &'static str,
    pub bytes: Vec<u8>,
}

/// The grid of the PET series `pet(0)` to `pet(3)`, on which the masks lie.
pub fn grid() -> Geometry {
    let mut grid = Geometry::aligned([SIZE[0], SIZE[1], 4], [2.0, 2.5, STEP]);
    grid.origin = [-10.0, -20.0, 5.0];
    grid
}

/// Writes every seed into a folder.
pub fn seeds(dir: &Path) -> Vec<Seed> {
    let mut all = Vec::new();
    let mut add = |name: &str, target: &'static str| {
        let bytes = fs::read(dir.join(name)).expect("a seed");
        all.push(Seed { name: name.to_owned(), target, bytes });
    };
    let voxels = grid().voxels();
    for (kind, samples) in [
        ("short", Samples::I16((0..voxels as i16).collect())),
        ("float", Samples::F32((0..voxels).map(|k| k as f32 / 8.0).collect())),
    ] {
        let image = Image { geometry: grid(), samples };
        for name in [format!("{kind}.nii"), format!("{kind}.nii.gz")] {
            image.write_nifti(&dir.join(&name)).expect("a NIfTI file");
            add(&name, "nifti");
        }
    }
    let header = |kind: &str, encoding: &str| {
        format!(
            "NRRD0005\n# a comment\ntype: {kind}\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 4\n\
             space directions: (2,0,0) (0,2.5,0) (0,0,3)\nkinds: domain domain domain\nendian: little\n\
             encoding: {encoding}\nspace origin: (-10,-20,5)\n\n"
        )
    };
    let words: Vec<u8> = (0..voxels as u16).flat_map(u16::to_le_bytes).collect();
    fs::write(dir.join("raw.nrrd"), [header("ushort", "raw").as_bytes(), &words].concat()).expect("a file");
    add("raw.nrrd", "nrrd");
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&words).expect("packed");
    let packed = packed.finish().expect("packed");
    fs::write(dir.join("gzip.nrrd"), [header("short", "gzip").as_bytes(), &packed].concat()).expect("a file");
    add("gzip.nrrd", "nrrd");

    write(&dir.join("slice.dcm"), &pet(0));
    write_as(&dir.join("implicit.dcm"), &pet(1), uids::IMPLICIT_VR_LITTLE_ENDIAN);
    write(&dir.join("enhanced.dcm"), &enhanced(3));
    for name in ["slice.dcm", "implicit.dcm", "enhanced.dcm"] {
        add(name, "dicom");
    }
    let mut seg = segmentation(&[(2, 3.0), (1, 1.0), (2, 1.0)]);
    bits(&mut seg, 3, &[11, 12, 13, 24 + 2]);
    write(&dir.join("segments.dcm"), &seg);
    // Off the grid, so that it has its own.
    let mut seg = segmentation(&[(1, 0.5), (1, 1.5), (1, 3.5)]);
    bits(&mut seg, 3, &[0, 12, 24]);
    seg.remove_element(tags::FRAME_OF_REFERENCE_UID);
    write(&dir.join("apart.dcm"), &seg);
    let ring = vec![rectangle([0.0, 2.0], [0.0, 2.0], 1.0), rectangle([1.0, 1.0], [1.0, 1.0], 1.0)];
    let corner = vec![rectangle([3.0, 3.0], [2.0, 2.0], 2.0)];
    let regions = [(7, "ring", ring), (3, "corner", corner)];
    write(&dir.join("contours.dcm"), &structures("1.2.300", &regions));
    for name in ["segments.dcm", "apart.dcm", "contours.dcm"] {
        add(name, "mask");
    }
    all
}
