//! A made-up cohort that looks like myelodysplastic syndromes, for the demo and for tests. No
//! number in it comes from a patient; frequencies and effects are rounded to what the literature
//! on the disease makes plausible.
//!
//! Patient `i` depends on the seed and on `i` alone, so a larger cohort begins with the smaller one.

use osteon_core::rng::{Purpose, Stream};
use osteon_table::{Cells, Column, Table};

use crate::error::DataError;
use crate::schema::{ColumnSpec, Kind, Role, Schema, Transform};

/// A site of the cohort.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its share of the patients, relative to the other sites.
    pub share: f64,
    /// Shift of the latent severity of its patients, in standard deviations.
    pub severity: f64,
}

/// A cohort to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohort {
    /// Number of patients.
    pub patients: usize,
    /// The sites.
    pub sites: Vec<Site>,
    /// Seed.
    pub seed: u64,
}

impl Default for Cohort {
    /// 1200 patients in three sites of 60, 30 and 10 % with different case mix.
    fn default() -> Self {
        let site = |name: &str, share, severity| Site { name: name.to_owned(), share, severity };
        let sites = vec![site("alpha", 0.6, -0.1), site("beta", 0.3, 0.1), site("gamma", 0.1, 0.4)];
        Self { patients: 1200, sites, seed: 1 }
    }
}

/// Gene, frequency at average severity, log odds per unit of severity, log hazard ratio.
const GENES: [(&str, f64, f64, f64); 20] = [
    ("SF3B1", 0.24, -0.6, -0.35),
    ("TET2", 0.26, 0.0, 0.0),
    ("ASXL1", 0.22, 0.4, 0.30),
    ("SRSF2", 0.16, 0.2, 0.20),
    ("DNMT3A", 0.13, 0.0, 0.10),
    ("RUNX1", 0.10, 0.5, 0.40),
    ("U2AF1", 0.09, 0.1, 0.25),
    ("TP53", 0.10, 0.7, 0.65),
    ("STAG2", 0.07, 0.3, 0.20),
    ("EZH2", 0.06, 0.3, 0.30),
    ("ZRSR2", 0.05, -0.1, 0.0),
    ("BCOR", 0.05, 0.2, 0.15),
    ("CBL", 0.04, 0.3, 0.30),
    ("IDH2", 0.04, 0.1, 0.15),
    ("NRAS", 0.04, 0.6, 0.45),
    ("KRAS", 0.03, 0.5, 0.30),
    ("IDH1", 0.03, 0.2, 0.10),
    ("SETBP1", 0.03, 0.3, 0.25),
    ("NPM1", 0.02, 0.6, 0.40),
    ("FLT3", 0.02, 0.8, 0.50),
];

/// Cytogenetic groups from best to worst, with their frequency at average severity.
const CYTOGENETICS: [(&str, f64); 5] =
    [("very good", 0.04), ("good", 0.68), ("intermediate", 0.14), ("poor", 0.06), ("very poor", 0.08)];

/// Scale of the Weibull times in days, their shape, and the mean of the random censoring in days.
const SCALE_DAYS: f64 = 5500.0;
const SHAPE: f64 = 1.1;
const DROPOUT_DAYS: f64 = 7000.0;

/// Values of a slide vector, and the share of patients that have none.
const SLIDE_WIDTH: usize = 8;
const WITHOUT_SLIDE: f64 = 0.2;

/// Columns of one patient before values go missing.
struct Patient {
    site: usize,
    severity: f64,
    /// age, bm_blast, hb, plt, wbc, anc.
    numbers: [Option<f64>; 6],
    male: bool,
    cytogenetics: usize,
    genes: [bool; GENES.len()],
    time_days: f64,
    event: bool,
}

/// Makes the cohort and its schema: id `patient`, `site`, `time_days`, `event`, six clinical numbers
/// (some missing), sex, a cytogenetic category and 20 gene flags.
///
/// # Errors
/// If there is no patient or no site, or the shares are not positive.
pub fn cohort(cohort: &Cohort) -> Result<(Table, Schema), DataError> {
    let total: f64 = cohort.sites.iter().map(|s| s.share).sum();
    let bad = cohort.sites.iter().any(|s| !(s.share >= 0.0 && s.severity.is_finite()));
    if cohort.patients == 0 || bad || !(total > 0.0 && total.is_finite()) {
        return Err(DataError::Split("a cohort needs patients, and sites with positive shares".to_owned()));
    }
    let patients: Vec<Patient> = (0..cohort.patients).map(|i| patient(cohort, total, i)).collect();
    let all = |value: &dyn Fn(&Patient) -> i64| patients.iter().map(value).collect::<Vec<_>>();
    let mut columns = vec![
        Column::texts("patient", (1..=cohort.patients).map(|i| format!("P{i:05}"))),
        Column::texts("site", patients.iter().map(|p| cohort.sites[p.site].name.as_str())),
        Column::floats("time_days", patients.iter().map(|p| p.time_days)),
        Column::ints("event", all(&|p| i64::from(p.event))),
    ];
    let mut specs = vec![
        ColumnSpec::new("patient", Role::Id, Kind::Continuous),
        ColumnSpec::new("site", Role::Site, Kind::Continuous),
        ColumnSpec {
            unit: Some("days".to_owned()),
            ..ColumnSpec::new("time_days", Role::Time, Kind::Continuous)
        },
        ColumnSpec::new("event", Role::Event, Kind::Binary),
    ];
    let numbers = [
        ("age", "years", Transform::None),
        ("bm_blast", "%", Transform::Log1p),
        ("hb", "g/dl", Transform::None),
        ("plt", "10^9/l", Transform::Log1p),
        ("wbc", "10^9/l", Transform::Log1p),
        ("anc", "10^9/l", Transform::Log1p),
    ];
    for (k, (name, unit, transform)) in numbers.into_iter().enumerate() {
        let cells = Cells::Float(patients.iter().map(|p| p.numbers[k]).collect());
        columns.push(Column { name: name.to_owned(), cells });
        let spec = ColumnSpec::new(name, Role::Feature, Kind::Continuous);
        specs.push(ColumnSpec { unit: Some(unit.to_owned()), transform, ..spec });
    }
    columns.push(Column::ints("sex_male", all(&|p| i64::from(p.male))));
    specs.push(ColumnSpec::new("sex_male", Role::Feature, Kind::Binary));
    columns.push(Column::texts("cytogenetics", patients.iter().map(|p| CYTOGENETICS[p.cytogenetics].0)));
    let levels = CYTOGENETICS.iter().map(|(name, _)| (*name).to_owned()).collect();
    specs.push(ColumnSpec::new("cytogenetics", Role::Feature, Kind::Categorical { levels }));
    for (k, (gene, ..)) in GENES.iter().enumerate() {
        let name = format!("mut_{gene}");
        columns.push(Column::ints(name.as_str(), all(&|p| i64::from(p.genes[k]))));
        let spec = ColumnSpec::new(name, Role::Feature, Kind::Binary);
        specs.push(ColumnSpec { block: "genomic".to_owned(), ..spec });
    }
    Ok((Table::new("synthetic cohort", columns)?, Schema { columns: specs }))
}

/// Slide vectors of the same patients, as `osteon slides reduce --by patient --pca 8` would write them: columns
/// `patient` and `pca0` to `pca7`, no row for a fifth of the patients. The first two values follow the latent
/// severity, of which the clinical columns tell less; the others are noise.
///
/// # Errors
/// As [`cohort()`].
pub fn slides(of: &Cohort) -> Result<Table, DataError> {
    let (table, _) = cohort(of)?;
    let total: f64 = of.sites.iter().map(|s| s.share).sum();
    let mut ids = Vec::new();
    let mut values = vec![Vec::new(); SLIDE_WIDTH];
    for i in 0..table.rows() {
        // A stream of its own: with or without slides, the cohort is the same.
        let mut s = Stream::new(of.seed, Purpose::Synthetic, (1 << 40) + i as u64);
        if s.uniform() < WITHOUT_SLIDE {
            continue;
        }
        let severity = patient(of, total, i).severity;
        ids.push(format!("P{:05}", i + 1));
        for (k, column) in values.iter_mut().enumerate() {
            let signal = [1.5, -0.8].get(k).map_or(0.0, |slope| slope * severity);
            column.push(((signal + s.normal() / (1.0 + k as f64).sqrt()) * 1e4).round() / 1e4);
        }
    }
    let mut columns = vec![Column::texts("patient", ids)];
    let numbered = values.into_iter().enumerate();
    columns.extend(numbered.map(|(k, values)| Column::floats(format!("pca{k}"), values)));
    Ok(Table::new("synthetic slides", columns)?)
}

fn patient(cohort: &Cohort, total: f64, i: usize) -> Patient {
    let mut s = Stream::new(cohort.seed, Purpose::Synthetic, i as u64);
    let mut place = s.uniform() * total;
    let mut site = 0;
    for (k, of) in cohort.sites.iter().enumerate().filter(|(_, of)| of.share > 0.0) {
        site = k;
        if place < of.share {
            break;
        }
        place -= of.share;
    }
    let severity = s.normal() + cohort.sites[site].severity;
    let round = |x: f64, digits: i32| (x * 10f64.powi(digits)).round() / 10f64.powi(digits);
    let age = round((72.0 + 11.0 * s.normal()).clamp(18.0, 97.0), 1);
    let male = s.uniform() < 0.62;
    let genes = GENES.map(|(_, frequency, slope, _)| {
        let logit = (frequency / (1.0 - frequency)).ln() + slope * severity;
        s.uniform() < 1.0 / (1.0 + (-logit).exp())
    });
    // Worse groups gain weight with severity, and more so with a TP53 mutation.
    let tilt = 0.35 * severity + if genes[7] { 0.8 } else { 0.0 };
    let weights: Vec<f64> =
        CYTOGENETICS.iter().enumerate().map(|(k, (_, f))| f * (tilt * (k as f64 - 1.0)).exp()).collect();
    let mut draw = s.uniform() * weights.iter().sum::<f64>();
    let mut cytogenetics = weights.len() - 1;
    for (k, w) in weights.iter().enumerate() {
        if draw < *w {
            cytogenetics = k;
            break;
        }
        draw -= w;
    }
    let blast = round((1.1 + 0.75 * severity + 0.6 * s.normal()).exp().clamp(0.0, 19.0), 1);
    let hb = round((9.8 - 0.6 * severity + 1.7 * s.normal()).clamp(3.0, 17.0), 1);
    let plt = (4.8 - 0.25 * severity + 0.75 * s.normal()).exp().round().clamp(2.0, 1200.0);
    let wbc = round((1.4 + 0.5 * s.normal()).exp(), 2);
    let anc = round(wbc * (0.1 + 0.6 * s.uniform()), 2);
    // Log hazard: not linear in age, blasts and haemoglobin, and with an interaction of TP53 and the
    // karyotype, so that a network has something to find that a linear model does not.
    let gene_effect: f64 =
        GENES.iter().zip(genes).map(|((.., effect), has)| if has { *effect } else { 0.0 }).sum();
    let interaction = if genes[7] && cytogenetics >= 3 { 0.8 } else { 0.0 };
    let log_hazard = 0.3 * ((age - 70.0) / 10.0)
        + 0.15 * ((age - 75.0) / 10.0).max(0.0).powi(2)
        + 0.45 * ((blast + 1.0).ln() - 1.5)
        + 0.35 * (9.0 - hb).max(0.0) / 2.0
        - 0.15 * ((plt / 120.0).ln().min(0.5))
        + [-0.3, 0.0, 0.25, 0.6, 0.9][cytogenetics]
        + if male { 0.12 } else { 0.0 }
        + gene_effect
        + interaction;
    // Weibull: S(t) = exp(-(t / scale)^shape * exp(log hazard)).
    let survival = SCALE_DAYS * (-(1.0 - s.uniform()).ln() * (-log_hazard).exp()).powf(1.0 / SHAPE);
    let study_end = 365.25 * (1.0 + 6.0 * s.uniform());
    let dropout = -DROPOUT_DAYS * (1.0 - s.uniform()).ln();
    let censored = study_end.min(dropout);
    let mut keep = |x: f64, missing: f64| (s.uniform() >= missing).then_some(x);
    let numbers = [
        keep(age, 0.0),
        keep(blast, 0.04),
        keep(hb, 0.03),
        keep(plt, 0.03),
        keep(wbc, 0.06),
        keep(anc, 0.08),
    ];
    let time_days = survival.min(censored).ceil();
    Patient { site, severity, numbers, male, cytogenetics, genes, time_days, event: survival <= censored }
}
