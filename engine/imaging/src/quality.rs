//! What a person should look at before a case is used.

use osteon_pipeline::bits;
use serde::{Deserialize, Serialize};

/// Measures of a case; NaN where one cannot be taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Values in the order of [`Quality::COLUMNS`].
    #[serde(with = "bits")]
    values: Vec<f64>,
    /// What is unusual about the case, in words.
    pub flags: Vec<String>,
}

/// A measure, and between which values it is usual.
struct Rule {
    column: &'static str,
    low: f64,
    high: f64,
    flag: &'static str,
}

const fn rule(column: &'static str, low: f64, high: f64, flag: &'static str) -> Rule {
    Rule { column, low, high, flag }
}

const FREE: f64 = f64::INFINITY;

/// The EANM guideline (Boellaard et al., Eur J Nucl Med Mol Imaging 42 (2015) 328) asks for 60 min
/// from injection to scan, 55 to 75 min being acceptable, and a liver SUV between 1.3 and 3.0. The
/// other limits are ours.
const RULES: [Rule; 11] = [
    rule("UptakeMinutes", 55.0, 75.0, "uptake time"),
    rule("DoseMBq", 50.0, 800.0, "dose"),
    rule("VoxelMl", 0.0, 0.2, "coarse voxels"),
    rule("CoverageMm", 600.0, FREE, "short scan"),
    rule("SkeletonMl", 300.0, 8000.0, "volume of the skeleton"),
    rule("OutsidePercent", 0.0, 5.0, "skeleton beyond the PET"),
    rule("OffsetMm", 0.0, 10.0, "PET and CT lie apart"),
    rule("ImplantsMl", 0.0, 1.0, "implants"),
    rule("ContrastMl", 0.0, 50.0, "contrast agent"),
    rule("LiverSuvMean", 1.3, 3.0, "liver uptake"),
    rule("SuvMax", 0.5, 100.0, "highest SUV"),
];

impl Quality {
    /// Names of the measures.
    pub const COLUMNS: [&'static str; RULES.len()] = {
        let mut names = [""; RULES.len()];
        let mut k = 0;
        while k < names.len() {
            names[k] = RULES[k].column;
            k += 1;
        }
        names
    };

    /// The measures of a case, `measure` giving each by its name, and what is unusual in them.
    pub fn of(measure: impl Fn(&str) -> Option<f64>, others: Vec<String>) -> Self {
        let values: Vec<f64> = RULES.iter().map(|r| measure(r.column).unwrap_or(f64::NAN)).collect();
        let unusual =
            |(r, x): (&Rule, &f64)| (*x < r.low || *x > r.high).then(|| format!("{} {x:.1}", r.flag));
        let flags = RULES.iter().zip(&values).filter_map(unusual).chain(others).collect();
        Self { values, flags }
    }

    /// The measures in the order of the columns.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unusual_is_flagged_and_what_is_unknown_is_not() {
        let measure = |name: &str| match name {
            "UptakeMinutes" => Some(93.25),
            "LiverSuvMean" => Some(2.0),
            "OffsetMm" => Some(10.0),
            _ => None,
        };
        let quality = Quality::of(measure, vec!["the body is cut off".into()]);
        assert_eq!(quality.flags, ["uptake time 93.2", "the body is cut off"]);
        assert_eq!(quality.values()[0], 93.25);
        assert!(quality.values()[1].is_nan());
    }
}
