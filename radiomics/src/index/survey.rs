//! What lies in a folder of DICOM files: headers only, read by all threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use rayon::prelude::*;

use crate::error::RadiomicsError;
use crate::image::dicom::object::{self, Attributes, functional};
use crate::image::dicom::series::Headed;
use crate::image::dicom::slices::{self, Slice};
use crate::image::dicom::stack::{cross, dot};
use crate::suv::facts::Facts;

/// Retired from the standard, alive in archives.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);

/// What the index keeps of one file.
#[derive(Debug, Clone)]
struct Entry {
    path: PathBuf,
    series: Series,
}

/// A series of a study.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub files: Vec<PathBuf>,
    /// What tells who the patient is; never written where pseudonyms are asked for.
    pub identifiers: Vec<String>,
    pub patient: String,
    pub study: String,
    pub uid: String,
    pub frame_of_reference: Option<String>,
    pub modality: String,
    pub class: String,
    pub description: String,
    pub image_type: Vec<String>,
    pub series_type: Vec<String>,
    pub manufacturer: String,
    pub model: String,
    pub reconstruction: String,
    pub kernel: String,
    /// Slices, or frames.
    pub slices: usize,
    /// Distance of columns and rows in mm.
    pub spacing: Option<[f64; 2]>,
    pub thickness: Option<f64>,
    /// Places of the slices along their normal in mm.
    pub places: Vec<f64>,
    /// Series that a mask was drawn on.
    pub drawn_on: Vec<String>,
    /// Doses and times; timing of all files.
    pub facts: Facts,
}

/// The series of a folder in order of patient, study and UID, and the files that could not be read.
pub(crate) type Survey = (Vec<Series>, Vec<(PathBuf, String)>);

/// Reads the headers of all DICOM files below a folder.
pub(crate) fn survey(folder: &Path) -> Result<Survey, RadiomicsError> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    let read = |path: &PathBuf| match Headed::read(path) {
        Ok(file) => Ok(Entry { path: path.clone(), series: entry(&file) }),
        Err(e) => Err((path.clone(), e.to_string())),
    };
    let all: Vec<Result<Entry, (PathBuf, String)>> =
        paths.par_iter().filter(|p| object::is_dicom(p)).map(read).collect();
    let mut unread = Vec::new();
    let mut series: BTreeMap<(String, String, String), Series> = BTreeMap::new();
    for file in all {
        match file {
            Err(fault) => unread.push(fault),
            Ok(Entry { series: s, .. }) if s.class == uids::MEDIA_STORAGE_DIRECTORY_STORAGE => drop(s),
            Ok(Entry { path, series: s }) => {
                let key = (s.patient.clone(), s.study.clone(), s.uid.clone());
                let all = series.entry(key).or_insert_with(|| Series {
                    files: Vec::new(),
                    slices: 0,
                    places: Vec::new(),
                    facts: Facts { timing: Vec::new(), ..s.facts.clone() },
                    ..s.clone()
                });
                all.files.push(path);
                all.slices += s.slices;
                all.places.extend(s.places);
                all.facts.timing.extend(s.facts.timing);
                for (to, from) in [(&mut all.identifiers, s.identifiers), (&mut all.drawn_on, s.drawn_on)] {
                    let new: Vec<String> = from.into_iter().filter(|i| !to.contains(i)).collect();
                    to.extend(new);
                }
            }
        }
    }
    Ok((series.into_values().collect(), unread))
}

/// Files below a folder by name; links to folders are not followed, so there are no circles.
fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), RadiomicsError> {
    let io = |e| RadiomicsError::io(folder, e);
    let mut entries = fs::read_dir(folder).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(io)?;
        let path = entry.path();
        if kind.is_dir() {
            walk(&path, into)?;
        } else if path.is_file() {
            into.push(path);
        }
    }
    Ok(())
}

fn entry(file: &Headed) -> Series {
    let header: &Attributes = &file.header;
    let text = |tag: Tag| object::text(header, tag).unwrap_or_default();
    let modality = text(tags::MODALITY);
    let measures = functional(header, 0, tags::PIXEL_MEASURES_SEQUENCE).unwrap_or(header);
    let spacing = object::vector::<2>(measures, tags::PIXEL_SPACING).map(|[rows, columns]| [columns, rows]);
    let facts = if modality == "PT" { Facts::of(&[file]) } else { Facts::default() };
    let drawn_on = drawn_on(header);
    Series {
        files: vec![file.path.clone()],
        identifiers: identifiers(header),
        patient: text(tags::PATIENT_ID),
        study: text(tags::STUDY_INSTANCE_UID),
        uid: text(tags::SERIES_INSTANCE_UID),
        frame_of_reference: object::text(header, tags::FRAME_OF_REFERENCE_UID).or_else(|| {
            object::text(
                object::item(header, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE)?,
                tags::FRAME_OF_REFERENCE_UID,
            )
        }),
        class: file.class(),
        description: text(tags::SERIES_DESCRIPTION),
        image_type: object::texts(header, tags::IMAGE_TYPE),
        series_type: object::texts(header, tags::SERIES_TYPE),
        manufacturer: text(tags::MANUFACTURER),
        model: text(tags::MANUFACTURER_MODEL_NAME),
        reconstruction: text(tags::RECONSTRUCTION_METHOD),
        kernel: text(tags::CONVOLUTION_KERNEL),
        slices: object::count(header, tags::NUMBER_OF_FRAMES).unwrap_or(1),
        spacing,
        thickness: object::number(measures, tags::SLICE_THICKNESS),
        places: slices::of(file).map_or(Vec::new(), |s| s.iter().map(place).collect()),
        drawn_on,
        modality,
        facts,
    }
}

/// Where a slice lies along its normal.
fn place(slice: &Slice) -> f64 {
    dot(cross(slice.axes[0], slice.axes[1]), slice.position)
}

/// The series that a mask names.
fn drawn_on(header: &Attributes) -> Vec<String> {
    let mut found = Vec::new();
    let mut series = |from: &Attributes, sequence: Tag| {
        let items = object::items(from, sequence).iter();
        found.extend(items.filter_map(|s| object::text(s, tags::SERIES_INSTANCE_UID)));
    };
    series(header, tags::REFERENCED_SERIES_SEQUENCE);
    for frame in object::items(header, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE) {
        for study in object::items(frame, tags::RT_REFERENCED_STUDY_SEQUENCE) {
            series(study, tags::RT_REFERENCED_SERIES_SEQUENCE);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Texts that name the patient: numbers, names and their parts, the day of birth.
fn identifiers(header: &Attributes) -> Vec<String> {
    let mut all = Vec::new();
    for tag in [
        tags::PATIENT_ID,
        OTHER_PATIENT_IDS,
        tags::PATIENT_BIRTH_DATE,
        tags::ACCESSION_NUMBER,
        tags::PATIENT_NAME,
        tags::OTHER_PATIENT_NAMES,
        tags::PATIENT_BIRTH_NAME,
        tags::PATIENT_MOTHER_BIRTH_NAME,
    ] {
        for text in object::texts(header, tag) {
            all.extend(text.split(['^', '=']).map(str::trim).filter(|t| t.len() > 1).map(ToOwned::to_owned));
            all.push(text);
        }
    }
    for other in object::items(header, tags::OTHER_PATIENT_I_DS_SEQUENCE) {
        all.extend(object::text(other, tags::PATIENT_ID));
    }
    all.sort();
    all.dedup();
    all
}
