//! How a factor to SUV follows from the facts. Sources: QIBA FDG-PET/CT profile and its SUV
//! calculation (vendor-neutral pseudo-code), DICOM PS3.3 C.8.9.1; `docs/pet.md` tells them in words.

use std::f64::consts::LN_2;

use super::clock::{Moment, shown};
use super::facts::Facts;

/// Clocks that differ by less, in s, agree.
const SAME: f64 = 1.0;
/// Two ways to the scan's start that differ by more, in s, are told about.
const APART: f64 = 60.0;
const DAY: f64 = 86_400.0;

/// Where decay is counted from and to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Uptake {
    /// Injection.
    pub injected: Moment,
    /// Start of the scan.
    pub scan: Moment,
    /// Which attribute told the start of the scan.
    pub rule: &'static str,
    /// What looks odd.
    pub warnings: Vec<String>,
}

impl Uptake {
    /// Seconds from injection to scan.
    pub(crate) fn seconds(&self) -> f64 {
        self.scan - self.injected
    }
}

/// Times of injection and of the scan's start.
pub(crate) fn uptake(facts: &Facts) -> Result<Uptake, String> {
    let mut warnings = Vec::new();
    let (scan, rule) = scan_start(facts, &mut warnings)?;
    let injected = match (facts.injected, facts.injected_of_day) {
        (Some(moment), _) => moment,
        (None, Some(of_day)) => {
            // A time without a date is the last such time before the scan.
            let moment = (scan / DAY).floor() * DAY + of_day;
            if moment > scan { moment - DAY } else { moment }
        }
        (None, None) => {
            return Err("RadiopharmaceuticalStartDateTime (0018,1078) and RadiopharmaceuticalStartTime \
                        (0018,1072) are missing"
                .into());
        }
    };
    let seconds = scan - injected;
    if !(0.0..DAY).contains(&seconds) {
        return Err(format!(
            "the scan starts {:.1} min after the injection ({rule} {}, injected {}): a date or a time is wrong",
            seconds / 60.0,
            shown(scan),
            shown(injected)
        ));
    }
    if seconds > DAY / 4.0 {
        warnings.push(format!("{:.1} h from injection to scan", seconds / 3600.0));
    }
    Ok(Uptake { injected, scan, rule, warnings })
}

/// The start of the scan and the attribute that told it.
fn scan_start(facts: &Facts, warnings: &mut Vec<String>) -> Result<(Moment, &'static str), String> {
    if let Some(moment) = facts.corrected_to {
        return Ok((moment, "DecayCorrectionDateTime"));
    }
    let first = facts.timing.iter().map(|t| t.acquired).min_by(f64::total_cmp);
    let computed = back_computed(facts);
    if let Some(series) = facts.series {
        match first {
            // Post-processing writes the time of its own work: later than the first slice.
            Some(first) if series > first + SAME => {}
            Some(_) => {
                if let Some(other) = computed.filter(|c| (c - series).abs() > APART) {
                    warnings.push(format!(
                        "SeriesTime is {}, FrameReferenceTime puts the start of the scan at {}",
                        shown(series),
                        shown(other)
                    ));
                }
                return Ok((series, "SeriesTime"));
            }
            None => {
                warnings.push("no AcquisitionTime: SeriesTime is taken unchecked".into());
                return Ok((series, "SeriesTime"));
            }
        }
    }
    let Some(first) = first else {
        return Err(
            "SeriesTime (0008,0031) and AcquisitionTime (0008,0032), or their dates, are missing".into()
        );
    };
    if let Some(moment) = facts.ge_scan.filter(|m| *m <= first + SAME) {
        return Ok((moment, "GE scan time (0009,100d)"));
    }
    if let Some(moment) = computed {
        return Ok((moment, "FrameReferenceTime"));
    }
    warnings.push(format!(
        "SeriesTime is later than the first slice; the start of its acquisition, {}, is taken",
        shown(first)
    ));
    Ok((first, "AcquisitionTime"))
}

/// The start of the scan by FrameReferenceTime: a slice's acquisition, less the time from the scan's
/// start to the slice's mean count rate, plus that from the slice's start to its mean count rate.
fn back_computed(facts: &Facts) -> Option<Moment> {
    let decay = LN_2 / facts.half_life.filter(|h| *h > 0.0)?;
    let of = |t: &super::facts::Timing| {
        let during = decay * t.duration?;
        let mean = (during / -(-during).exp_m1()).ln() / decay;
        Some(t.acquired - t.reference? + mean)
    };
    facts.timing.iter().filter_map(of).min_by(f64::total_cmp)
}

/// Where the activity concentration of a slice comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Vendor {
    /// None: values are in the units of the header.
    None,
    /// Philips' factor from counts to SUV (7053,1000).
    ToSuv(f64),
    /// Philips' factor from counts to Bq/ml (7053,1009).
    ToActivity(f64),
}

/// The factor from a slice's values to SUVbw, and the uptake if decay entered.
pub(crate) fn factor(facts: &Facts, vendor: Vendor) -> Result<(f64, Option<Uptake>), String> {
    let units = facts.units.as_deref().ok_or("Units (0054,1001) is missing")?;
    if units == "GML" {
        return match facts.suv_type.as_deref() {
            None | Some("BW") => Ok((1.0, None)),
            Some(other) => {
                Err(format!("SUVType (0054,1006) is {other}: SUV of another kind than body weight"))
            }
        };
    }
    if !matches!(units, "BQML" | "CNTS") {
        return Err(format!("Units (0054,1001) is {units}; BQML, CNTS and GML can become SUV"));
    }
    for (word, what) in [("ATTN", "attenuation"), ("DECY", "decay")] {
        if !facts.corrected.is_empty() && !facts.corrected.iter().any(|c| c == word) {
            let list = facts.corrected.join("\\");
            return Err(format!("CorrectedImage (0028,0051) is {list}: not corrected for {what}"));
        }
    }
    let correction = facts.decay_correction.as_deref().ok_or("DecayCorrection (0054,1102) is missing")?;
    if !matches!(correction, "START" | "ADMIN") {
        return Err(format!("DecayCorrection (0054,1102) is {correction}; START and ADMIN can become SUV"));
    }
    let concentration = match vendor {
        Vendor::ToSuv(factor) if units == "CNTS" => return Ok((factor, None)),
        Vendor::ToActivity(factor) if units == "CNTS" => factor,
        _ if units == "CNTS" => {
            return Err("Units are counts (CNTS), and neither Philips' SUV factor (7053,1000) nor its \
                        activity factor (7053,1009) is there"
                .into());
        }
        _ => 1.0,
    };
    let mut missing = Vec::new();
    let mut need = |value: Option<f64>, name: &'static str| {
        if value.is_none_or(|x| x == 0.0) {
            missing.push(name);
        }
        value.unwrap_or(f64::NAN)
    };
    let weight = need(facts.weight, "PatientWeight (0010,1030)");
    let dose = need(facts.dose, "RadionuclideTotalDose (0018,1074)");
    let half_life = need(facts.half_life, "RadionuclideHalfLife (0018,1075)");
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        return Err(format!("{} {verb} missing", missing.join(", ")));
    }
    if facts.injections > 1 {
        return Err(format!("{} radiopharmaceuticals are listed (0054,0016)", facts.injections));
    }
    for (value, range, text) in [
        (weight, 0.2..=600.0, "PatientWeight (0010,1030) in kg"),
        (dose, 1e5..=1e11, "RadionuclideTotalDose (0018,1074) in Bq (not MBq)"),
        (half_life, 10.0..=1e8, "RadionuclideHalfLife (0018,1075) in s"),
    ] {
        if !range.contains(&value) {
            return Err(format!("{text} is {value}, outside {} to {}", range.start(), range.end()));
        }
    }
    let uptake = if correction == "START" { Some(uptake(facts)?) } else { None };
    let left = uptake.as_ref().map_or(1.0, |u| (-u.seconds() / half_life).exp2());
    Ok((concentration * weight * 1000.0 / (dose * left), uptake))
}
