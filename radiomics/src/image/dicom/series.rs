//! The files of a folder, by series.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use dicom_object::DefaultDicomObject;
use rayon::prelude::*;

use super::object::{self, Extent};
use crate::error::RadiomicsError;

/// A file and its attributes without voxels.
#[derive(Debug, Clone)]
pub(crate) struct Headed {
    /// The file.
    pub path: PathBuf,
    /// What stands before its voxels.
    pub header: Arc<DefaultDicomObject>,
}

impl Headed {
    /// Reads the header of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, RadiomicsError> {
        let header = Arc::new(object::open(path, Extent::Header)?);
        Ok(Self { path: path.to_owned(), header })
    }

    /// Its SOP class.
    pub(crate) fn class(&self) -> String {
        let own = object::text(&self.header, tags::SOP_CLASS_UID);
        own.unwrap_or_else(|| self.header.meta().media_storage_sop_class_uid().to_owned())
    }

    /// Whether it holds slices of an image: not a mask, a screen capture or a plan.
    pub(crate) fn is_image(&self) -> bool {
        const OTHERS: [&str; 3] = [
            uids::SEGMENTATION_STORAGE,
            uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
            uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
        ];
        self.header.get(tags::ROWS).is_some() && !OTHERS.contains(&self.class().as_str())
    }

    /// Its series.
    pub(crate) fn series(&self) -> String {
        object::text(&self.header, tags::SERIES_INSTANCE_UID).unwrap_or_default()
    }
}

/// Path of a series or a mask and what follows `#`: the series of a folder, the region of a file.
pub(crate) fn split(path: &Path) -> (PathBuf, Option<String>) {
    if path.exists() {
        return (path.to_owned(), None);
    }
    match path.to_str().and_then(|t| t.rsplit_once('#')) {
        Some((before, after)) if !after.is_empty() => (before.into(), Some(after.to_owned())),
        _ => (path.to_owned(), None),
    }
}

/// The headers of the DICOM files of a folder, in order of their names; other files are left out.
pub(crate) fn scan(folder: &Path) -> Result<Vec<Headed>, RadiomicsError> {
    let io = |e| RadiomicsError::io(folder, e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_file() && object::is_dicom(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    let all: Vec<Headed> = paths.par_iter().map(|p| Headed::read(p)).collect::<Result<_, _>>()?;
    Ok(all)
}

/// The files of the image series that is wanted, or of the only one.
pub(crate) fn choose(folder: &Path, wanted: Option<&str>) -> Result<Vec<Headed>, RadiomicsError> {
    let mut series: BTreeMap<String, Vec<Headed>> = BTreeMap::new();
    for file in scan(folder)?.into_iter().filter(Headed::is_image) {
        series.entry(file.series()).or_default().push(file);
    }
    let describe = |(uid, files): (&String, &Vec<Headed>)| {
        let header = &files[0].header;
        let word = |tag| object::text(header, tag).unwrap_or_default();
        format!(
            "{uid} ({} \"{}\", {} files)",
            word(tags::MODALITY),
            word(tags::SERIES_DESCRIPTION),
            files.len()
        )
    };
    let listed = || series.iter().map(describe).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(uid) if series.contains_key(uid) => Ok(series.remove(uid).unwrap_or_default()),
        Some(uid) => {
            let reason = format!("no image series {uid} is there; found: {}", listed());
            Err(RadiomicsError::format(folder, reason))
        }
        None if series.is_empty() => Err(RadiomicsError::format(folder, "a folder without DICOM images")),
        None if series.len() > 1 => Err(RadiomicsError::Series { path: folder.to_owned(), found: listed() }),
        None => Ok(series.into_values().next().unwrap_or_default()),
    }
}
