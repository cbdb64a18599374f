//! Standardised uptake values by body weight (SUVbw, g/ml) of DICOM PET series.
//!
//! `SUVbw = activity concentration (Bq/ml) x weight (g) / (dose (Bq) x 2^(-t / half-life))`, where
//! `t` runs from injection to the moment that the image is decay corrected to.

pub(crate) mod clock;
pub(crate) mod facts;
pub(crate) mod rules;
mod units;

use std::path::Path;

use dicom_dictionary_std::tags;
use serde::Serialize;

pub use self::units::not_suv;

use self::facts::Facts;
use self::rules::Vendor;
use crate::error::RadiomicsError;
use crate::image::Image;
use crate::image::dicom::object::{self, Attributes, functional};
use crate::image::dicom::series::Headed;
use crate::image::dicom::slices::Slice;
use crate::image::dicom::{self};

/// A PET image in SUVbw and how it became that.
#[derive(Debug, Clone)]
pub struct Suv {
    /// SUVbw in g/ml, double precision.
    pub image: Image,
    /// What it was computed from.
    pub record: SuvRecord,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

/// What SUV was computed from. It holds no date.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuvRecord {
    /// Units of the series: BQML, CNTS or GML.
    pub units: String,
    /// What the series says it is decay corrected to: START, ADMIN or NONE.
    pub decay_correction: Option<String>,
    /// Body weight in kg.
    pub weight_kg: Option<f64>,
    /// Injected dose in MBq.
    pub dose_mbq: Option<f64>,
    /// Half-life in s.
    pub half_life_s: Option<f64>,
    /// Minutes from injection to the scan's start, where decay entered.
    pub uptake_minutes: Option<f64>,
    /// Which attribute told the start of the scan.
    pub scan_start_from: Option<String>,
    /// Least and largest factor from a slice's values to SUV.
    pub factor: [f64; 2],
    /// Largest SUV.
    pub suv_max: f64,
}

impl Suv {
    /// Reads a PET series (as [`Image::read`] names it) in SUVbw.
    ///
    /// # Errors
    /// As [`Image::read`]; [`RadiomicsError::Suv`] if the series is no PET, lacks weight, dose,
    /// half-life, units or times, is not decay or attenuation corrected, or contradicts itself.
    pub fn read(path: &Path) -> Result<Self, RadiomicsError> {
        let refuse = |reason: String| RadiomicsError::Suv { path: path.to_owned(), reason };
        let stack = dicom::stack(path)?;
        let mut files: Vec<&Headed> = Vec::new();
        for slice in &stack.slices {
            if !files.iter().any(|f| f.path == slice.file.path) {
                files.push(&slice.file);
            }
        }
        let header: &Attributes = &files[0].header;
        match object::text(header, tags::MODALITY).as_deref() {
            Some("PT") => {}
            other => return Err(refuse(format!("Modality (0008,0060) is {other:?}, not PT"))),
        }
        if let Some(name) = facts::disagreement(&files) {
            return Err(refuse(format!("{name} differs between slices")));
        }
        let facts = Facts::of(&files);
        let mut factors = Vec::with_capacity(stack.slices.len());
        let mut uptake = None;
        for slice in &stack.slices {
            check_map(slice).map_err(refuse)?;
            let (factor, times) = rules::factor(&facts, vendor(&slice.file.header)).map_err(refuse)?;
            factors.push((slice.position, factor));
            uptake = times;
        }
        let of = |slice: &Slice| factors.iter().find(|f| f.0 == slice.position).map_or(f64::NAN, |f| f.1);
        let image = dicom::values(&stack, of)?;
        let range = factors.iter().map(|f| f.1);
        let suv_max = (0..image.samples.len()).map(|k| image.samples.get(k)).fold(f64::MIN, f64::max);
        let record = SuvRecord {
            units: facts.units.clone().unwrap_or_default(),
            decay_correction: facts.decay_correction.clone(),
            weight_kg: facts.weight,
            dose_mbq: facts.dose.map(|d| d / 1e6),
            half_life_s: facts.half_life,
            uptake_minutes: uptake.as_ref().map(|u| u.seconds() / 60.0),
            scan_start_from: uptake.as_ref().map(|u| u.rule.to_owned()),
            factor: [range.clone().fold(f64::MAX, f64::min), range.fold(f64::MIN, f64::max)],
            suv_max,
        };
        let mut warnings = uptake.map(|u| u.warnings).unwrap_or_default();
        if facts.corrected.is_empty() && record.units != "GML" {
            warnings.push(
                "CorrectedImage (0028,0051) is empty: whether attenuation was corrected is unknown".into(),
            );
        }
        if suv_max > 500.0 {
            warnings.push(format!("the largest SUV is {suv_max:.0}: dose, weight or units may be wrong"));
        }
        Ok(Self { image, record, warnings })
    }
}

/// Philips' factors, which only counts need.
fn vendor(header: &Attributes) -> Vendor {
    let factor = |element: u8| {
        object::private_number(header, 0x7053, "Philips PET Private Group", element).filter(|f| *f > 0.0)
    };
    match (factor(0x00), factor(0x09)) {
        (Some(f), _) => Vendor::ToSuv(f),
        (None, Some(f)) => Vendor::ToActivity(f),
        (None, None) => Vendor::None,
    }
}

/// An enhanced object may rescale its values twice over; the two ways must be one.
fn check_map(slice: &Slice) -> Result<(), String> {
    let map = functional(&slice.file.header, slice.frame, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE);
    let slope = map.and_then(|m| object::number(m, tags::REAL_WORLD_VALUE_SLOPE));
    match slope {
        Some(s) if (s - slice.slope).abs() > 1e-6 * s.abs() => {
            Err(format!("RealWorldValueSlope {s} and RescaleSlope {} differ", slice.slope))
        }
        _ => Ok(()),
    }
}
