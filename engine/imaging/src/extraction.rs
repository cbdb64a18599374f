//! Features of cases, as a batch.

use std::collections::BTreeMap;
use std::path::PathBuf;

use osteon_core::Failure;
use osteon_kernels::backend::Shared;
use osteon_pipeline::{Batch, bits};
use osteon_radiomics::{Image, Labels, Mask, Params, RadiomicsError, extract_on, not_suv};
use serde::{Deserialize, Serialize};

use crate::cases::{Case, Cases};

/// Bytes of voxels per byte of a compressed file.
const UNPACKED: u64 = 5;
/// Bytes at work per byte of voxels, with one filtered image at a time.
const AT_WORK: u64 = 6;

/// What is done with an image and a mask on different grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grids {
    /// The case has no features.
    #[default]
    Refuse,
    /// The mask is put onto the grid of the image, by nearest voxel.
    ResampleMask,
    /// The image is put onto the grid of the mask, by the parameter `interpolator`.
    ResampleImage,
}

/// The extraction of features from cases.
#[derive(Debug)]
pub struct Extraction {
    /// The cases.
    pub cases: Cases,
    /// What is computed, and how.
    pub params: Params,
    /// What is done with an image and a mask on different grids.
    pub grids: Grids,
    /// What computes the matrices and the form, if it is not the processor; results have the same bits.
    pub device: Option<Shared>,
}

/// An image and its mask on one grid.
#[derive(Debug)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// The mask.
    pub labels: Labels,
    /// Names of labels, where the mask has them.
    pub names: BTreeMap<u16, String>,
    /// What a person should know of them.
    pub notes: Vec<String>,
}

/// The features of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseFeatures {
    /// ID, where there is one.
    pub id: Option<String>,
    /// Path of the image as it was given.
    pub image: String,
    /// Path of the mask as it was given.
    pub mask: String,
    /// Conventions that the features follow.
    pub profile: String,
    /// What computed them; in the journal, not in the table, which does not depend on it.
    #[serde(default)]
    pub device: String,
    /// Names of the diagnostics, without their prefix.
    pub told: Vec<String>,
    /// Names of the features.
    pub names: Vec<String>,
    /// A row per region.
    pub regions: Vec<RegionFeatures>,
    /// Regions without features.
    pub faults: Vec<Fault>,
    /// What a person should know of the case.
    pub notes: Vec<String>,
    /// Other columns of the table of cases: how the image was acquired.
    #[serde(skip)]
    pub others: Vec<(String, String)>,
}

/// The features of a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionFeatures {
    /// Its label, `all` for the union.
    pub label: String,
    /// Its name in the mask; empty where it has none.
    pub name: String,
    /// Diagnostics in the order of their names.
    pub told: Vec<String>,
    /// Values in the order of the names; NaN where a feature does not exist.
    #[serde(with = "bits")]
    pub values: Vec<f64>,
}

/// A case or a region without features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Path of the image as it was given.
    pub image: String,
    /// Path of the mask as it was given.
    pub mask: String,
    /// The region, empty if it is the whole case.
    pub label: String,
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub hint: String,
}

impl Fault {
    pub(crate) fn new(case: &Case, error: &RadiomicsError) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        let label = error.label().unwrap_or_default().to_owned();
        let hint = error.hint().unwrap_or_default();
        Self { image: case.image.clone(), mask: case.mask.clone(), label, error: text, hint }
    }

    /// A fault of the program.
    pub(crate) fn internal(case: &Case, message: &str) -> Self {
        let hint = "please report this line with the output of `osteon doctor --json`".to_owned();
        let (image, mask) = (case.image.clone(), case.mask.clone());
        Self { image, mask, label: String::new(), error: format!("internal fault: {message}"), hint }
    }
}

impl Extraction {
    /// Reads a case.
    ///
    /// # Errors
    /// If its files cannot be read or do not fit together.
    pub fn load(&self, case: &Case) -> Result<Loaded, RadiomicsError> {
        let settings = &self.params.settings;
        let path = self.cases.folder.join(&case.image);
        let mut image = Image::read(&path)?;
        let mut notes: Vec<String> = not_suv(&path, &image).into_iter().collect();
        let mask = Mask::read(&self.cases.folder.join(&case.mask), &path, &image.geometry)?;
        let Mask { mut labels, names } = mask;
        if let Some(text) = image.geometry.difference(&labels.geometry, settings.geometry_tolerance) {
            match self.grids {
                Grids::Refuse => return Err(RadiomicsError::Geometry(text)),
                Grids::ResampleMask => labels = labels.onto(&image.geometry),
                Grids::ResampleImage => image = image.onto(&labels.geometry, settings.interpolator),
            }
            let resampled = if self.grids == Grids::ResampleMask { "mask" } else { "image" };
            notes.push(format!("{resampled} resampled: {text}"));
        }
        Ok(Loaded { image, labels, names, notes })
    }

    /// The features of a case that was read.
    ///
    /// # Errors
    /// If image and mask lie on different grids, or a label that was asked for is absent. A region
    /// without features is listed in the result.
    pub fn features(&self, case: &Case, loaded: Loaded) -> Result<CaseFeatures, RadiomicsError> {
        let Loaded { image, labels, names: of_labels, notes } = loaded;
        let mut features = CaseFeatures {
            id: case.id.clone(),
            image: case.image.clone(),
            mask: case.mask.clone(),
            profile: self.params.settings.profile_text(),
            device: self.device.as_ref().map_or("cpu".to_owned(), |device| device.info().to_string()),
            told: Vec::new(),
            names: Vec::new(),
            regions: Vec::new(),
            faults: Vec::new(),
            notes,
            others: Vec::new(),
        };
        for row in extract_on(self.device.as_ref(), &image, &labels, &case.selection, &self.params)? {
            match row {
                Err(error) => features.faults.push(Fault::new(case, &error)),
                Ok(row) => {
                    let (names, values) = row.features.into_iter().unzip();
                    features.names = names;
                    let (told, texts) = row.diagnostics.into_iter().unzip();
                    features.told = told;
                    let name = row.label.parse().ok().and_then(|label: u16| of_labels.get(&label));
                    let name = name.cloned().unwrap_or_default();
                    features.regions.push(RegionFeatures { label: row.label, name, told: texts, values });
                }
            }
        }
        Ok(features)
    }
}

impl Batch for Extraction {
    type Done = CaseFeatures;
    type Failed = Fault;

    fn cases(&self) -> usize {
        self.cases.list.len()
    }

    fn parameters(&self) -> String {
        format!("{} {:?} {:?}", env!("CARGO_PKG_VERSION"), self.grids, self.params)
    }

    fn key(&self, case: usize) -> String {
        let case = &self.cases.list[case];
        let id = case.id.as_deref().unwrap_or_default();
        // Labels alone would not tell whether their union was asked for.
        format!("{id}|{}|{}|{}|{}", case.image, case.mask, case.labels, case.selection.whole)
    }

    fn inputs(&self, case: usize) -> Vec<PathBuf> {
        let case = &self.cases.list[case];
        // Behind the # is which part of it.
        let file = |path: &String| self.cases.folder.join(path.split('#').next().unwrap_or_default());
        [file(&case.image), file(&case.mask)].to_vec()
    }

    fn memory(&self, case: usize, bytes: u64) -> u64 {
        let packed = [".nii", ".nrrd", ".nhdr"].iter().all(|e| !self.cases.list[case].image.ends_with(e));
        let views = self.params.image_types.len() as u64;
        bytes * if packed { UNPACKED } else { 1 } * (AT_WORK + views)
    }

    fn compute(&self, case: usize) -> Result<CaseFeatures, Fault> {
        let case = &self.cases.list[case];
        let features = self.load(case).and_then(|loaded| self.features(case, loaded));
        features.map_err(|e| Fault::new(case, &e))
    }

    fn crashed(&self, case: usize, message: String) -> Fault {
        Fault::internal(&self.cases.list[case], &message)
    }
}
