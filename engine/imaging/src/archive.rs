//! From DICOM to features: SUV, the skeleton, features, a picture, quality control.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use osteon_pipeline::{Batch, Entry, Outcome};
use osteon_radiomics::skeleton::{self, Group, Settings, offset, sections};
use osteon_radiomics::{Geometry, Image, Labels, Mask, Params, RadiomicsError, Suv, SuvRecord, not_suv};
use osteon_report::sheet::{Picture, write_sheet};
use osteon_table::{Column, Table};
use serde::{Deserialize, Serialize};

use crate::cases::{Case, Cases};
use crate::error::ImagingError;
use crate::extraction::{CaseFeatures, Extraction, Fault, Grids, Loaded};
use crate::overview::{Window, overview};
use crate::quality::Quality;
use crate::results::Results;

/// Uptake from which a PET voxel is taken for body when PET and CT are compared, in g/ml.
const BODY_SUV: f64 = 0.2;
/// Minutes from injection to scan: a measure, and a column of `radiomics index`.
const UPTAKE: &str = "UptakeMinutes";
/// Label of the liver in a TotalSegmentator map (task "total", version 2).
const LIVER: u16 = 5;
/// Memory at work per byte of compressed input: CT, its sets of voxels, and PET.
const AT_WORK: u64 = 16;

/// Where the regions of a case come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The mask of a case as it is, or the skeleton of its CT by thresholds where it has none.
    MaskOrThresholds(Settings),
    /// The mask is a TotalSegmentator map: its bones, or those of some groups.
    LabelMap(Vec<Group>),
}

/// The cases of an archive on their way to a table of features.
#[derive(Debug)]
pub struct Archive {
    /// The cases; those without a mask have a CT.
    pub cases: Cases,
    /// What is computed, and how.
    pub params: Params,
    /// Where regions come from.
    pub source: Source,
    /// Folder for SUV images, masks and pictures.
    pub out: PathBuf,
}

/// A finished case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArchiveCase {
    /// Its features.
    pub features: CaseFeatures,
    /// Its quality.
    pub quality: Quality,
    /// Its picture, within the folder.
    pub picture: String,
}

/// A PET image in SUV.
struct Pet {
    image: Image,
    record: Option<SuvRecord>,
    notes: Vec<String>,
}

/// Regions on the grid of the PET, and what was measured on the way.
struct Regions {
    labels: Labels,
    /// Names of labels, where they have them.
    names: BTreeMap<u16, String>,
    found: Option<skeleton::Skeleton>,
    liver: Option<Labels>,
    /// Part of the skeleton beyond the PET.
    beyond: Option<f64>,
    notes: Vec<String>,
}

impl Archive {
    /// The name of a case in files: its ID, or its number.
    fn name(&self, case: usize) -> String {
        let number = format!("case-{:04}", case + 1);
        let Some(id) = self.cases.list[case].id.as_deref().filter(|id| !id.is_empty()) else { return number };
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name: String = id.chars().map(plain).collect();
        // A second scan of a patient must not overwrite the first.
        let twice = self.cases.list.iter().filter(|other| other.id.as_deref() == Some(id)).count() > 1;
        if twice || name != id { format!("{name}-{number}") } else { name }
    }

    /// What another column of the table of cases holds.
    fn other(&self, case: usize, column: &str) -> Option<&str> {
        let (_, values) = self.cases.others.iter().find(|(name, _)| name == column)?;
        values.get(case).map(String::as_str)
    }

    /// The number there.
    fn listed(&self, case: usize, column: &str) -> Option<f64> {
        self.other(case, column)?.trim().parse().ok().filter(|x: &f64| x.is_finite())
    }

    fn pet(&self, case: &Case) -> Result<Pet, RadiomicsError> {
        let path = self.cases.folder.join(&case.image);
        let plain = [".nii", ".nii.gz", ".nrrd", ".nhdr"].iter().any(|e| case.image.ends_with(e));
        if plain {
            let image = Image::read(&path)?;
            let notes = not_suv(&path, &image).into_iter().collect();
            return Ok(Pet { image, record: None, notes });
        }
        let suv = Suv::read(&path)?;
        Ok(Pet { image: suv.image, record: Some(suv.record), notes: suv.warnings })
    }

    fn regions(&self, case: &Case, grid: &Geometry) -> Result<Regions, RadiomicsError> {
        let place = |name: &str| self.cases.folder.join(name);
        let tolerance = self.params.settings.geometry_tolerance;
        if case.mask.is_empty() {
            let Source::MaskOrThresholds(settings) = &self.source else {
                let reason = "the case has no label map".to_owned();
                return Err(RadiomicsError::Region { label: "skeleton".into(), reason });
            };
            let found = skeleton::segment(&Image::read(&place(&case.ct))?, settings)?;
            let (labels, beyond) = (found.mask.by_volume(grid), Some(found.mask.beyond(grid)));
            let names = BTreeMap::new();
            return Ok(Regions { labels, names, found: Some(found), liver: None, beyond, notes: Vec::new() });
        }
        let Mask { labels: mask, names } = Mask::read(&place(&case.mask), &place(&case.image), grid)?;
        let mut notes = Vec::new();
        let onto =
            |labels: Labels, notes: &mut Vec<String>| match grid.difference(&labels.geometry, tolerance) {
                None => labels,
                Some(text) => {
                    notes.push(format!("mask put onto the grid of the PET: {text}"));
                    labels.by_volume(grid)
                }
            };
        let Source::LabelMap(groups) = &self.source else {
            let labels = onto(mask, &mut notes);
            return Ok(Regions { labels, names, found: None, liver: None, beyond: None, notes });
        };
        let liver = mask.values.contains(&LIVER).then(|| {
            let values = mask.values.iter().map(|l| u16::from(*l == LIVER)).collect();
            onto(Labels { geometry: mask.geometry.clone(), values }, &mut Vec::new())
        });
        let bones = mask.of_bones(groups)?;
        let beyond = Some(bones.beyond(grid));
        let labels = onto(bones, &mut notes);
        let names = skeleton::bones().into_iter().map(|bone| (bone.label, bone.name)).collect();
        Ok(Regions { labels, names, found: None, liver, beyond, notes })
    }

    fn finish(&self, number: usize) -> Result<ArchiveCase, RadiomicsError> {
        let case = &self.cases.list[number];
        let pet = self.pet(case)?;
        let regions = self.regions(case, &pet.image.geometry)?;
        let quality = quality(&pet, &regions, self.listed(number, UPTAKE));

        let name = self.name(number);
        let file = |folder: &str, ending: &str| -> Result<PathBuf, RadiomicsError> {
            let folder = self.out.join(folder);
            fs::create_dir_all(&folder)
                .map_err(|e| RadiomicsError::Io { path: folder.clone(), source: e })?;
            Ok(folder.join(format!("{name}{ending}")))
        };
        let picture = file("pictures", ".png")?;
        let failed = |e: osteon_report::ReportError| RadiomicsError::Io {
            path: picture.clone(),
            source: std::io::Error::other(e.to_string()),
        };
        overview(&pet.image, &regions.labels, Window::SUV).write(&picture).map_err(failed)?;
        regions.labels.write_nifti(&file("masks", ".nii.gz")?)?;
        pet.image.write_nifti(&file("suv", ".nii.gz")?)?;

        let notes = [pet.notes, regions.notes].concat();
        let loaded = Loaded { image: pet.image, labels: regions.labels, names: regions.names, notes };
        let features = self.extraction().features(case, loaded)?;
        Ok(ArchiveCase { features, quality, picture: format!("pictures/{name}.png") })
    }

    /// The extraction of features alone; its cases are not used.
    fn extraction(&self) -> Extraction {
        let cases = Cases { list: Vec::new(), folder: PathBuf::new(), others: Vec::new() };
        Extraction { cases, params: self.params.clone(), grids: Grids::Refuse, device: None }
    }
}

/// Measures a case; `uptake` in minutes is that of the table of cases, for images that are SUV already.
fn quality(pet: &Pet, regions: &Regions, uptake: Option<f64>) -> Quality {
    let grid = &pet.image.geometry;
    let inside = |labels: &Labels| -> Vec<f64> {
        let places = (0..labels.values.len()).filter(|&i| labels.values[i] > 0);
        places.map(|i| pet.image.samples.get(i)).collect()
    };
    let voxel = grid.voxel_volume() / 1000.0;
    let values = inside(&regions.labels);
    let skeleton = values.len() as f64 * voxel;
    let record = pet.record.as_ref();
    let found = regions.found.as_ref();
    let mut others = Vec::new();
    if found.is_some_and(|f| f.truncated) {
        others.push("the body is cut off at a side of the CT".to_owned());
    }
    if !pet.notes.is_empty() {
        others.extend(pet.notes.iter().cloned());
    }
    let measure = |name: &str| match name {
        UPTAKE => record.and_then(|r| r.uptake_minutes).or(uptake),
        "DoseMBq" => record?.dose_mbq,
        "VoxelMl" => Some(voxel),
        "CoverageMm" => Some(grid.size[2] as f64 * grid.spacing[2]),
        "SkeletonMl" => Some(skeleton),
        "OutsidePercent" => Some(100.0 * regions.beyond?),
        "OffsetMm" => offset(&sections(&pet.image, BODY_SUV), &found?.body),
        "ImplantsMl" => Some(found?.volumes.implants),
        "ContrastMl" => Some(found?.volumes.contrast),
        "LiverSuvMean" => {
            let liver = inside(regions.liver.as_ref()?);
            (!liver.is_empty()).then(|| liver.iter().sum::<f64>() / liver.len() as f64)
        }
        "SuvMax" => values.iter().copied().reduce(f64::max),
        _ => None,
    };
    Quality::of(measure, others)
}

impl Batch for Archive {
    type Done = ArchiveCase;
    type Failed = Fault;

    fn cases(&self) -> usize {
        self.cases.list.len()
    }

    fn parameters(&self) -> String {
        format!("{} {:?} {:?}", env!("CARGO_PKG_VERSION"), self.source, self.params)
    }

    fn key(&self, case: usize) -> String {
        let c = &self.cases.list[case];
        let id = c.id.as_deref().unwrap_or_default();
        let uptake = self.other(case, UPTAKE).unwrap_or_default();
        format!("{id}|{}|{}|{}|{}|{}|{uptake}", c.image, c.mask, c.ct, c.labels, c.selection.whole)
    }

    fn inputs(&self, case: usize) -> Vec<PathBuf> {
        let case = &self.cases.list[case];
        let named = [&case.image, &case.mask, &case.ct].into_iter().filter(|path| !path.is_empty());
        named.map(|path| self.cases.folder.join(path.split('#').next().unwrap_or_default())).collect()
    }

    fn memory(&self, _case: usize, bytes: u64) -> u64 {
        bytes * AT_WORK
    }

    fn compute(&self, case: usize) -> Result<ArchiveCase, Fault> {
        self.finish(case).map_err(|e| Fault::new(&self.cases.list[case], &e))
    }

    fn crashed(&self, case: usize, message: String) -> Fault {
        Fault::internal(&self.cases.list[case], &message)
    }
}

/// Writes `features.csv`, `qc.csv` and the contact sheet `cohort.html` of finished cases into the
/// folder of the archive; gives the results for the table of failures.
///
/// # Errors
/// If a file cannot be written.
pub fn conclude_archive(
    archive: &Archive,
    entries: Vec<Entry<ArchiveCase, Fault>>,
) -> Result<Results, ImagingError> {
    let mut results = Results::default();
    let (mut rows, mut pictures): (Vec<(usize, Quality)>, Vec<Picture>) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.outcome {
            Outcome::Failed(fault) => results.faults.push(fault),
            Outcome::Done(mut case) => {
                results.faults.append(&mut case.features.faults);
                let others = archive.cases.others.iter();
                case.features.others =
                    others.map(|(name, v)| (name.clone(), v[entry.case].clone())).collect();
                pictures.push(Picture {
                    file: case.picture,
                    caption: archive.name(entry.case),
                    flags: case.quality.flags.clone(),
                });
                rows.push((entry.case, case.quality));
                results.cases.push(case.features);
            }
        }
    }
    write_quality(&archive.out.join("qc.csv"), archive, &rows)?;
    write_sheet(&archive.out.join("cohort.html"), "Cases", &pictures)?;
    if results.rows() > 0 {
        results.write(&archive.out.join("features.csv"))?;
    }
    Ok(results)
}

fn write_quality(path: &Path, archive: &Archive, rows: &[(usize, Quality)]) -> Result<(), ImagingError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut columns = vec![Column::texts("Case", rows.iter().map(|(k, _)| archive.name(*k)))];
    for (k, name) in Quality::COLUMNS.iter().enumerate() {
        columns.push(Column::floats(*name, rows.iter().map(|(_, q)| q.values()[k])));
    }
    columns.push(Column::texts("Flags", rows.iter().map(|(_, q)| q.flags.join("; "))));
    Ok(osteon_table::write(path, &Table::new(path, columns)?)?)
}
