//! Parameters by PyRadiomics' names: settings, feature classes, image types.

use osteon_kernels::voxels::Offset;
use serde_json::{Map, Value};

use crate::error::RadiomicsError;
use crate::features::{CLASSES, Compute};
use crate::filters::{Filter, FilterSettings};
use crate::profile::Profile;
use crate::resample::Interpolator;
use crate::roi::{Binning, Resegment, ResegmentMode};
use crate::voxel::VoxelSettings;

/// How directions are weighted before their matrices are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Sum of the steps.
    Manhattan,
    /// Length of the step.
    Euclidean,
    /// Largest step.
    Infinity,
    /// All alike.
    NoWeighting,
}

impl Norm {
    /// Length in mm of an offset; for [`Norm::NoWeighting`] what leaves its weight at 1 in a sum of
    /// lengths.
    pub(crate) fn length(self, offset: Offset, spacing: [f64; 3]) -> f64 {
        let steps: [f64; 3] = std::array::from_fn(|k| f64::from(offset[k].abs()) * spacing[k]);
        match self {
            Self::Manhattan => steps.iter().sum(),
            Self::Euclidean => steps.iter().map(|s| s * s).sum::<f64>().sqrt(),
            Self::Infinity => steps.iter().copied().fold(0.0, f64::max),
            Self::NoWeighting => 1.0,
        }
    }
}

/// Settings of an extraction; the defaults are PyRadiomics'.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How values become grey levels (`binWidth` or `binCount`).
    pub binning: Binning,
    /// Chebyshev distances of neighbours in GLCM, GLDM and NGTDM.
    pub distances: Vec<u32>,
    /// `force2D`: neighbours within planes only.
    pub force_2d: bool,
    /// `force2Ddimension`: the axis that planes are normal to, 0 z, 1 y, 2 x.
    pub force_2d_dimension: usize,
    /// Largest difference of dependent grey levels.
    pub gldm_a: u32,
    /// How directions are weighted; by default each is a matrix of its own.
    pub weighting_norm: Option<Norm>,
    /// Added to values before they are squared.
    pub voxel_array_shift: f64,
    /// Values that stay in a region.
    pub resegment: Option<Resegment>,
    /// `resegmentMode` as it was given; a range takes it, whichever comes first.
    pub resegment_mode: Option<ResegmentMode>,
    /// `resegmentShape`: whether shape is that of the resegmented region.
    pub resegment_shape: bool,
    /// Whether the whole image is brought to mean 0 and standard deviation 1 first.
    pub normalize: bool,
    /// Factor after normalisation.
    pub normalize_scale: f64,
    /// Standard deviations beyond which normalised values are clipped.
    pub remove_outliers: Option<f64>,
    /// `resampledPixelSpacing`: voxel spacing in mm along x, y, z that image and mask are brought to; 0 keeps one.
    pub resampled_spacing: Option<[f64; 3]>,
    /// How the image is interpolated; the mask always takes its nearest voxel.
    pub interpolator: Interpolator,
    /// `padDistance`: voxels round the region that are resampled too.
    pub pad_distance: u32,
    /// Fewest dimensions in which a region extends over more than a voxel.
    pub minimum_roi_dimensions: usize,
    /// A region has more voxels than this.
    pub minimum_roi_size: Option<usize>,
    /// Part of a voxel by which the grids of image and mask may differ.
    pub geometry_tolerance: f64,
    /// `correctMask`: whether a mask on another grid is put onto that of the image by who reads them.
    pub correct_mask: bool,
    /// `preCrop`: whether filters see only the box of the region with `padDistance` voxels round it.
    pub pre_crop: bool,
    /// `symmetricalGLCM`: whether pairs are counted both ways.
    pub symmetrical_glcm: bool,
    /// `additionalInfo`: whether `diagnostics_*` columns precede the features.
    pub additional_info: bool,
    /// Parameters of filters.
    pub filter: FilterSettings,
    /// Parameters of voxel-based maps.
    pub voxel: VoxelSettings,
    /// Whose conventions of binning and resampling hold.
    pub profile: Profile,
    /// What was set, by name.
    given: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            binning: Binning::Width(25.0),
            distances: vec![1],
            force_2d: false,
            force_2d_dimension: 0,
            gldm_a: 0,
            weighting_norm: None,
            voxel_array_shift: 0.0,
            resegment: None,
            resegment_mode: None,
            resegment_shape: false,
            normalize: false,
            normalize_scale: 1.0,
            remove_outliers: None,
            resampled_spacing: None,
            interpolator: Interpolator::BSpline,
            pad_distance: 5,
            minimum_roi_dimensions: 2,
            minimum_roi_size: None,
            geometry_tolerance: 1e-6,
            correct_mask: false,
            pre_crop: false,
            symmetrical_glcm: true,
            additional_info: false,
            filter: FilterSettings::default(),
            voxel: VoxelSettings::default(),
            profile: Profile::PyRadiomics,
            given: Map::new(),
        }
    }
}

/// The names of [`Settings`] in a parameter file.
const KEYS: [&str; 26] = [
    "binWidth",
    "binCount",
    "distances",
    "force2D",
    "force2Ddimension",
    "gldm_a",
    "weightingNorm",
    "voxelArrayShift",
    "resegmentRange",
    "resegmentMode",
    "resegmentShape",
    "normalize",
    "normalizeScale",
    "removeOutliers",
    "resampledPixelSpacing",
    "interpolator",
    "padDistance",
    "minimumROIDimensions",
    "minimumROISize",
    "geometryTolerance",
    "preCrop",
    "correctMask",
    "symmetricalGLCM",
    "additionalInfo",
    "label",
    "label_channel",
];

impl Settings {
    /// The axis (0 x, 1 y, 2 z) along which no neighbour lies, if any.
    pub(crate) fn flat_axis(&self) -> Option<usize> {
        self.force_2d.then(|| 2 - self.force_2d_dimension)
    }

    /// The farthest neighbour.
    pub(crate) fn reach(&self) -> u32 {
        self.distances.iter().copied().max().unwrap_or(1)
    }

    /// Refuses settings that mean nothing together.
    ///
    /// # Errors
    /// If `resegmentMode` was given without `resegmentRange`, which PyRadiomics passes over: a user
    /// who names a mode expects voxels to be left out.
    pub fn check(&self) -> Result<(), RadiomicsError> {
        if self.resegment_mode.is_some() && self.resegment.is_none() {
            let range = "given together with resegmentRange, such as resegmentRange=[-3,3]";
            return Err(RadiomicsError::setting("resegmentMode", "given without a range", range));
        }
        Ok(())
    }

    /// Sets a parameter by PyRadiomics' name.
    ///
    /// # Errors
    /// If the name is unknown or the value out of range.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), RadiomicsError> {
        let wrong = |range: &str| RadiomicsError::setting(key, value, range);
        let number = || value.as_f64().filter(|x| x.is_finite()).ok_or_else(|| wrong("a number"));
        let positive = || number().ok().filter(|x| *x > 0.0).ok_or_else(|| wrong("a number above 0"));
        let flag = || value.as_bool().ok_or_else(|| wrong("true or false"));
        let whole =
            |most: u64, range: &str| value.as_u64().filter(|n| *n <= most).ok_or_else(|| wrong(range));
        match key {
            "binWidth" => self.binning = Binning::Width(positive()?),
            "binCount" => {
                let range = "an integer from 1 to 65535";
                let count = whole(65535, range)?;
                self.binning =
                    Binning::Count(u32::try_from(count).ok().filter(|n| *n > 0).ok_or_else(|| wrong(range))?);
            }
            "distances" => {
                let range = "a list of integers from 1 to 16";
                let item = |v: &Value| v.as_u64().filter(|d| (1..=16).contains(d)).map(|d| d as u32);
                let list = value.as_array().and_then(|a| a.iter().map(item).collect::<Option<Vec<u32>>>());
                self.distances = list.filter(|l| !l.is_empty()).ok_or_else(|| wrong(range))?;
            }
            "force2D" => self.force_2d = flag()?,
            "force2Ddimension" => self.force_2d_dimension = whole(2, "0, 1 or 2")? as usize,
            "gldm_a" => self.gldm_a = whole(1 << 30, "an integer from 0")? as u32,
            "weightingNorm" => {
                self.weighting_norm = match value.as_str() {
                    None if value.is_null() => None,
                    Some("manhattan") => Some(Norm::Manhattan),
                    Some("euclidean") => Some(Norm::Euclidean),
                    Some("infinity") => Some(Norm::Infinity),
                    Some("no_weighting") => Some(Norm::NoWeighting),
                    _ => return Err(wrong("manhattan, euclidean, infinity or no_weighting")),
                }
            }
            "voxelArrayShift" => self.voxel_array_shift = number()?,
            "resegmentRange" => {
                let mut list: Option<Vec<f64>> =
                    value.as_array().and_then(|a| a.iter().map(Value::as_f64).collect());
                list.iter_mut().for_each(|l| l.sort_by(f64::total_cmp));
                let range = match list.as_deref() {
                    None if value.is_null() => None,
                    Some(&[low]) => Some((low, None)),
                    Some(&[low, high]) => Some((low, Some(high))),
                    _ => return Err(wrong("a list of one or two numbers")),
                };
                let mode = self.resegment_mode.unwrap_or(ResegmentMode::Absolute);
                self.resegment = range.map(|range| Resegment { range, mode });
            }
            "resegmentMode" => {
                let mode = match value.as_str() {
                    Some("absolute") => ResegmentMode::Absolute,
                    Some("relative") => ResegmentMode::Relative,
                    Some("sigma") => ResegmentMode::Sigma,
                    _ => return Err(wrong("absolute, relative or sigma")),
                };
                self.resegment_mode = Some(mode);
                if let Some(r) = &mut self.resegment {
                    r.mode = mode;
                }
            }
            "resegmentShape" => self.resegment_shape = flag()?,
            "normalize" => self.normalize = flag()?,
            "normalizeScale" => self.normalize_scale = positive()?,
            "removeOutliers" => {
                self.remove_outliers = if value.is_null() { None } else { Some(positive()?) };
            }
            "resampledPixelSpacing" => {
                let list: Option<Vec<f64>> =
                    value.as_array().and_then(|a| a.iter().map(Value::as_f64).collect());
                let spacing = list.and_then(|l| <[f64; 3]>::try_from(l).ok());
                let spacing = spacing.filter(|s| s.iter().all(|x| x.is_finite() && *x >= 0.0));
                if spacing.is_none() && !value.is_null() {
                    return Err(wrong("three numbers from 0"));
                }
                self.resampled_spacing = spacing;
            }
            "interpolator" => {
                self.interpolator = match value.as_str() {
                    // PyRadiomics' default, which nothing uses without a spacing.
                    None if value.is_null() => Interpolator::BSpline,
                    Some("sitkNearestNeighbor") => Interpolator::Nearest,
                    Some("sitkLinear") => Interpolator::Linear,
                    Some("sitkBSpline") => Interpolator::BSpline,
                    _ => return Err(wrong("sitkNearestNeighbor, sitkLinear or sitkBSpline")),
                }
            }
            "padDistance" => self.pad_distance = whole(1000, "an integer from 0 to 1000")? as u32,
            "minimumROIDimensions" => self.minimum_roi_dimensions = whole(3, "1, 2 or 3")? as usize,
            "minimumROISize" => {
                self.minimum_roi_size =
                    if value.is_null() { None } else { Some(whole(u64::MAX, "an integer from 0")? as usize) };
            }
            "geometryTolerance" => {
                // Larger tolerances hide masks of another patient.
                let range = "a part of a voxel, above 0 and at most 1";
                self.geometry_tolerance =
                    positive().ok().filter(|x| *x <= 1.0).ok_or_else(|| wrong(range))?;
            }
            "preCrop" => self.pre_crop = flag()?,
            "correctMask" => self.correct_mask = flag()?,
            "symmetricalGLCM" => self.symmetrical_glcm = flag()?,
            "additionalInfo" => self.additional_info = flag()?,
            // The label is chosen by the caller.
            "label" => {}
            "label_channel" => {
                value.as_u64().filter(|n| *n == 0).ok_or_else(|| wrong("0: masks have one channel"))?;
            }
            key if FilterSettings::KEYS.contains(&key) => self.filter.set(key, value)?,
            key if VoxelSettings::KEYS.contains(&key) => self.voxel.set(key, value)?,
            _ => {
                let known = KEYS.iter().chain(&FilterSettings::KEYS).chain(&VoxelSettings::KEYS);
                return Err(unknown(key, known.copied()));
            }
        }
        self.given.insert(key.to_owned(), value.clone());
        Ok(())
    }

    /// The settings as PyRadiomics lists them: its general defaults and whatever was set.
    pub(crate) fn listed(&self, label: &str) -> Value {
        let mut all = serde_json::json!({
            "minimumROIDimensions": 2,
            "minimumROISize": null,
            "normalize": false,
            "normalizeScale": 1,
            "removeOutliers": null,
            "resampledPixelSpacing": null,
            "interpolator": "sitkBSpline",
            "preCrop": false,
            "padDistance": 5,
            "distances": [1],
            "force2D": false,
            "force2Ddimension": 0,
            "resegmentRange": null,
            "label": 1,
            "additionalInfo": true,
        });
        if let Some(table) = all.as_object_mut() {
            table.extend(self.given.clone());
        }
        all["label"] = label.parse::<u16>().map_or_else(|_| label.into(), Value::from);
        all
    }
}

/// What to compute.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Settings.
    pub settings: Settings,
    /// Classes by index in [`CLASSES`], and the features of each by index in its list, in the order of
    /// their columns.
    pub features: Vec<(usize, Vec<usize>)>,
    /// Filters, in the order of their columns.
    pub image_types: Vec<ImageType>,
    /// Whether `pet_*` columns follow, of the image as it was read.
    pub pet: bool,
}

/// A filter with settings that hold for its images alone.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageType {
    /// The filter.
    pub filter: Filter,
    /// Settings by name.
    pub settings: Map<String, Value>,
}

impl ImageType {
    /// A filter with the settings of all.
    pub fn plain(filter: Filter) -> Self {
        Self { filter, settings: Map::new() }
    }

    /// The settings of its images.
    ///
    /// # Errors
    /// If a setting is unknown, out of range, or one that must hold for all images.
    pub fn settings(&self, general: &Settings) -> Result<Settings, RadiomicsError> {
        const GENERAL: [&str; 15] = [
            "normalize",
            "normalizeScale",
            "removeOutliers",
            "resampledPixelSpacing",
            "interpolator",
            "padDistance",
            "preCrop",
            "correctMask",
            "resegmentRange",
            "resegmentMode",
            "resegmentShape",
            "additionalInfo",
            "geometryTolerance",
            "minimumROISize",
            "minimumROIDimensions",
        ];
        let mut own = general.clone();
        for (key, value) in &self.settings {
            if GENERAL.contains(&key.as_str()) {
                return Err(RadiomicsError::setting(
                    key,
                    value,
                    "set for all images, in the section setting",
                ));
            }
            own.set(key, value)?;
        }
        Ok(own)
    }
}

impl Default for Params {
    /// All default features of the original image.
    fn default() -> Self {
        let named = |c: &usize| CLASSES[*c].name != "shape2D";
        let features = (0..CLASSES.len()).filter(named).map(|c| (c, defaults(c))).collect();
        Self {
            settings: Settings::default(),
            features,
            image_types: vec![ImageType::plain(Filter::Original)],
            pet: false,
        }
    }
}

fn defaults(class: usize) -> Vec<usize> {
    let on_request = CLASSES[class].on_request;
    let names = CLASSES[class].features.iter().enumerate();
    names.filter(|(_, f)| !on_request.contains(f)).map(|(k, _)| k).collect()
}

impl Params {
    /// Why features have to be computed on the processor, if they have to.
    pub fn needs_processor(&self) -> Option<&'static str> {
        let of_pairs = self.features.iter().any(|(class, _)| CLASSES[*class].name == "glcm");
        let one_way =
            |t: &ImageType| t.settings(&self.settings).is_ok_and(|settings| !settings.symmetrical_glcm);
        (of_pairs && self.image_types.iter().any(one_way))
            .then_some("pairs counted one way only (symmetricalGLCM) have no device version")
    }

    /// Reads a parameter file of PyRadiomics, parsed to a value: `setting`, `featureClass`,
    /// `imageType`.
    ///
    /// # Errors
    /// If a key is unknown (the nearest known one is named) or a value out of range.
    pub fn from_value(file: &Value) -> Result<Self, RadiomicsError> {
        let mut params = Self::default();
        // PyRadiomics' default; without a file there are features alone.
        params.settings.additional_info = true;
        let sections =
            file.as_object().ok_or_else(|| RadiomicsError::setting("file", "no table", "sections"))?;
        for (section, content) in sections {
            let empty = Map::new();
            let table = match content {
                Value::Null => &empty,
                Value::Object(table) => table,
                _ => return Err(RadiomicsError::setting(section, content, "a table")),
            };
            match section.as_str() {
                "setting" => {
                    for (key, value) in table {
                        params.settings.set(key, value)?;
                    }
                    // Listed in the order of the file, those of maps behind.
                    let maps = std::mem::replace(&mut params.settings.given, table.clone());
                    let maps = maps.into_iter().filter(|(k, _)| VoxelSettings::KEYS.contains(&k.as_str()));
                    params.settings.given.extend(maps);
                }
                "voxelSetting" => {
                    for (key, value) in table {
                        if !VoxelSettings::KEYS.contains(&key.as_str()) {
                            return Err(unknown(key, VoxelSettings::KEYS));
                        }
                        params.settings.set(key, value)?;
                    }
                }
                // An empty section is one that is not there.
                "featureClass" | "imageType" if table.is_empty() => {}
                "featureClass" => params.features = classes(table)?,
                "imageType" => {
                    params.image_types = table.iter().map(image_type).collect::<Result<_, _>>()?;
                }
                _ => return Err(unknown(section, ["setting", "featureClass", "imageType", "voxelSetting"])),
            }
        }
        for image_type in &params.image_types {
            image_type.settings(&params.settings)?;
        }
        Ok(params)
    }
}

fn image_type((name, options): (&String, &Value)) -> Result<ImageType, RadiomicsError> {
    let settings = match options {
        Value::Null => Map::new(),
        Value::Object(table) => table.clone(),
        _ => return Err(RadiomicsError::setting(name, options, "a table")),
    };
    Ok(ImageType { filter: Filter::named(name)?, settings })
}

/// Features that PyRadiomics knows but gives no column, since others are equal to them.
const WITHOUT_COLUMN: [(&str, &str); 6] = [
    ("glcm", "Dissimilarity"),
    ("glcm", "Homogeneity1"),
    ("glcm", "Homogeneity2"),
    ("glcm", "SumVariance"),
    ("gldm", "DependencePercentage"),
    ("gldm", "GrayLevelNonUniformityNormalized"),
];

/// Feature classes of a parameter file; shape always comes first, as in PyRadiomics.
fn classes(table: &Map<String, Value>) -> Result<Vec<(usize, Vec<usize>)>, RadiomicsError> {
    let mut chosen = Vec::new();
    for (name, list) in table {
        let class = CLASSES.iter().position(|c| c.name == name);
        let class = class.ok_or_else(|| unknown(name, CLASSES.map(|c| c.name)))?;
        let features = match list {
            Value::Null => defaults(class),
            Value::Array(names) if names.is_empty() => defaults(class),
            Value::Array(names) => {
                let known = CLASSES[class].features;
                let mut features = Vec::new();
                for wanted in names.iter().map(|v| v.as_str().unwrap_or_default()) {
                    match known.iter().position(|f| *f == wanted) {
                        Some(k) if features.contains(&k) => {}
                        Some(k) => features.push(k),
                        None if WITHOUT_COLUMN.contains(&(name, wanted)) => {}
                        None => return Err(unknown(wanted, known.iter().copied())),
                    }
                }
                features
            }
            _ => return Err(RadiomicsError::setting(name, list, "a list of features")),
        };
        chosen.push((class, features));
    }
    // The two classes of form are the first of all.
    chosen.sort_by_key(|(class, _)| match CLASSES[*class].compute {
        Compute::OfValues(_) => CLASSES.len(),
        _ => *class,
    });
    Ok(chosen)
}

pub(crate) fn unknown<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> RadiomicsError {
    let nearest = osteon_core::names::nearest(key, known).map(ToOwned::to_owned);
    RadiomicsError::UnknownKey { key: key.to_owned(), nearest }
}
