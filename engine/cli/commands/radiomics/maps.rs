//! `osteon radiomics extract --voxel-based`.

use std::fs;
use std::path::Path;

use osteon_core::ExitCode;
use osteon_radiomics::{Image, Maps, Mask, Params, RadiomicsError, Selection};
use osteon_study::watch::Watch;

use crate::failure::CommandError;
use crate::talk::Talk;

/// Writes a file per feature into a folder, named `LABEL_FEATURE.nrrd`.
pub fn maps(
    image: &Path,
    mask: &Path,
    selection: &Selection,
    params: &Params,
    folder: &Path,
    talk: &Talk,
) -> Result<ExitCode, CommandError> {
    let path = image;
    let image = Image::read(path)?;
    let mask = Mask::read(mask, path, &image.geometry)?.labels;
    fs::create_dir_all(folder).map_err(|e| {
        let text = format!("cannot make the folder {}: {e}", folder.display());
        CommandError::Plain(text, ExitCode::Io, None)
    })?;
    let (mut written, mut failed): (usize, Vec<RadiomicsError>) = (0, Vec::new());
    osteon_radiomics::maps(&image, &mask, selection, params, |found| {
        let write = |maps: Maps| {
            for (k, (name, _)) in maps.features.iter().enumerate() {
                maps.write(k, &folder.join(format!("{}_{name}.nrrd", maps.label)))?;
            }
            Ok::<usize, RadiomicsError>(maps.features.len())
        };
        match found.and_then(write) {
            Ok(files) => written += files,
            Err(error) => failed.push(error),
        }
    })?;
    if written == 0 && failed.len() == 1 {
        return Err(failed.remove(0).into());
    }
    failed.iter().for_each(|error| talk.warn(&format!("no maps: {error}")));
    talk.say(&format!("{written} maps in {}", folder.display()));
    Ok(match (written, failed.len()) {
        (_, 0) => ExitCode::Ok,
        (0, _) => ExitCode::Data,
        _ => ExitCode::Partial,
    })
}
