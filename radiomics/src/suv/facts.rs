//! What the headers of a PET series say about dose, patient and time.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::clock::{self, Moment};
use crate::image::dicom::object::{self, Attributes, functional};
use crate::image::dicom::series::Headed;

/// The times of one slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    /// Start of its acquisition.
    pub acquired: Moment,
    /// From the scan's start to the slice's mean count rate (FrameReferenceTime), in s.
    pub reference: Option<f64>,
    /// Length of its acquisition in s.
    pub duration: Option<f64>,
}

/// What SUV needs, each `None` where the header lacks it or holds no number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// BQML, CNTS, GML or another.
    pub units: Option<String>,
    /// Kind of SUV that GML holds.
    pub suv_type: Option<String>,
    /// START, ADMIN or NONE.
    pub decay_correction: Option<String>,
    /// Corrections that were made: ATTN, DECY, ...
    pub corrected: Vec<String>,
    /// kg.
    pub weight: Option<f64>,
    /// Bq.
    pub dose: Option<f64>,
    /// s.
    pub half_life: Option<f64>,
    /// Injection with its date.
    pub injected: Option<Moment>,
    /// Injection as a time of the day.
    pub injected_of_day: Option<f64>,
    /// Radiopharmaceuticals listed.
    pub injections: usize,
    /// Start of the series.
    pub series: Option<Moment>,
    /// GE's start of the scan.
    pub ge_scan: Option<Moment>,
    /// What an enhanced object is decay corrected to.
    pub corrected_to: Option<Moment>,
    /// Of the slices.
    pub timing: Vec<Timing>,
}

/// What the files of a series must agree in.
const AGREED: [&str; 6] = [
    "Units (0054,1001)",
    "DecayCorrection (0054,1102)",
    "PatientWeight (0010,1030)",
    "RadionuclideTotalDose (0018,1074)",
    "RadionuclideHalfLife (0018,1075)",
    "the time of injection",
];

/// The first of what files must agree in that differs between two of them.
pub(crate) fn disagreement(files: &[&Headed]) -> Option<&'static str> {
    let values = |file: &&Headed| {
        let f = Facts::of(&[*file]);
        let numbers = [f.weight, f.dose, f.half_life].map(|x| format!("{x:?}"));
        let [weight, dose, half_life] = numbers;
        let injected = format!("{:?} {:?}", f.injected, f.injected_of_day);
        [format!("{:?}", f.units), format!("{:?}", f.decay_correction), weight, dose, half_life, injected]
    };
    let all: Vec<[String; 6]> = files.iter().map(values).collect();
    (0..AGREED.len()).find(|&k| all.windows(2).any(|w| w[0][k] != w[1][k])).map(|k| AGREED[k])
}

impl Facts {
    /// Reads them from the files of one series; what slices share is taken from the first.
    pub(crate) fn of(files: &[&Headed]) -> Self {
        let Some(first) = files.first() else { return Self::default() };
        let header: &Attributes = &first.header;
        let zone = object::text(header, tags::TIMEZONE_OFFSET_FROM_UTC);
        let stamp = |from: &Attributes, tag: Tag| {
            object::text(from, tag).and_then(|t| clock::joined(&t, zone.as_deref()))
        };
        let isotopes = object::items(header, tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
        let isotope = isotopes.first();
        let ge = |element: u8| {
            let text = object::private_text(header, 0x0009, "GEMS_PETD_01", element)?;
            clock::joined(&text, zone.as_deref())
        };
        let start = isotope.and_then(|i| stamp(i, tags::RADIOPHARMACEUTICAL_START_DATE_TIME));
        let of_day = isotope
            .and_then(|i| object::text(i, tags::RADIOPHARMACEUTICAL_START_TIME))
            .and_then(|t| clock::of_day(&t));
        let decay_corrected = object::text(header, tags::DECAY_CORRECTED);
        let decay_correction = object::text(header, tags::DECAY_CORRECTION).or(match &decay_corrected {
            Some(yes) if yes == "YES" => Some("START".to_owned()),
            Some(no) if no == "NO" => Some("NONE".to_owned()),
            _ => None,
        });
        let mut corrected = object::texts(header, tags::CORRECTED_IMAGE);
        let enhanced = [(tags::ATTENUATION_CORRECTED, "ATTN"), (tags::DECAY_CORRECTED, "DECY")];
        for (tag, word) in enhanced {
            if object::text(header, tag).as_deref() == Some("YES") {
                corrected.push(word.to_owned());
            }
        }
        Self {
            units: object::text(header, tags::UNITS).or_else(|| mapped_units(header)),
            suv_type: object::text(header, tags::SUV_TYPE),
            decay_correction,
            corrected,
            weight: object::number(header, tags::PATIENT_WEIGHT),
            dose: isotope.and_then(|i| object::number(i, tags::RADIONUCLIDE_TOTAL_DOSE)),
            half_life: isotope.and_then(|i| object::number(i, tags::RADIONUCLIDE_HALF_LIFE)),
            injected: start.or_else(|| ge(0x3b).filter(|_| of_day.is_none())),
            injected_of_day: of_day,
            injections: isotopes.len(),
            series: dated(header, tags::SERIES_DATE, tags::SERIES_TIME),
            ge_scan: ge(0x0d),
            corrected_to: stamp(header, tags::DECAY_CORRECTION_DATE_TIME),
            timing: files.iter().flat_map(|f| timings(&f.header, zone.as_deref())).collect(),
        }
    }
}

fn dated(from: &Attributes, date: Tag, time: Tag) -> Option<Moment> {
    clock::moment(&object::text(from, date)?, &object::text(from, time)?)
}

/// The times of the slices of a file that has any.
fn timings(header: &Attributes, zone: Option<&str>) -> Vec<Timing> {
    let seconds =
        |from: &Attributes, tag: Tag| object::number(from, tag).filter(|x| *x > 0.0).map(|x| x / 1000.0);
    let frames = object::items(header, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len();
    if frames == 0 {
        let acquired = dated(header, tags::ACQUISITION_DATE, tags::ACQUISITION_TIME)
            .or_else(|| clock::joined(&object::text(header, tags::ACQUISITION_DATE_TIME)?, zone));
        let timing = acquired.map(|acquired| Timing {
            acquired,
            reference: seconds(header, tags::FRAME_REFERENCE_TIME),
            duration: seconds(header, tags::ACTUAL_FRAME_DURATION),
        });
        return timing.into_iter().collect();
    }
    let of = |frame| {
        let content = functional(header, frame, tags::FRAME_CONTENT_SEQUENCE)?;
        let text = object::text(content, tags::FRAME_ACQUISITION_DATE_TIME)?;
        let acquired = clock::joined(&text, zone)?;
        Some(Timing { acquired, reference: None, duration: None })
    };
    (0..frames).filter_map(of).collect()
}

/// Units of an enhanced object, which a real-world value map holds (UCUM codes).
fn mapped_units(header: &Attributes) -> Option<String> {
    let map = functional(header, 0, tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)?;
    let code = object::text(object::item(map, tags::MEASUREMENT_UNITS_CODE_SEQUENCE)?, tags::CODE_VALUE)?;
    let known = match code.as_str() {
        "Bq/ml" | "Bq/mL" => "BQML",
        "{counts}" => "CNTS",
        "g/ml{SUVbw}" | "{SUVbw}g/ml" => "GML",
        other => other,
    };
    Some(known.to_owned())
}
