//! Cohorts of the R package survival as CSV files, and values that R computed on them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folder `survival/r_survival` of the test data, or `None` with a printed reason.
///
/// # Panics
/// If the data are absent and `OSTEON_REQUIRE` names them.
pub fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("OSTEON_TEST_DATA").map_or_else(
        // The package may be this one or the whole workspace, which has the lock file.
        || {
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            let top = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
            top.unwrap_or(here).join("../shared/data")
        },
        PathBuf::from,
    );
    let folder = root.join("survival/r_survival");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("OSTEON_REQUIRE").is_ok_and(|r| r.split(',').any(|w| w == "data"));
    assert!(!required, "{} is absent and OSTEON_REQUIRE names data", folder.display());
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("skipped: {} is absent (set OSTEON_TEST_DATA)\n", folder.display()),
    );
    None
}

/// Columns of text by name.
pub struct Cohort {
    columns: HashMap<String, Vec<String>>,
}

impl Cohort {
    /// Reads `name.csv`; a comma inside quotes does not occur in these files.
    pub fn read(name: &str) -> Option<Self> {
        let text = std::fs::read_to_string(folder()?.join(format!("{name}.csv"))).expect("readable cohort");
        let mut lines = text.lines().map(|l| l.split(',').map(|c| c.trim_matches('"').to_owned()));
        let names: Vec<String> = lines.next().expect("header").collect();
        let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
        for line in lines {
            for (column, cell) in columns.iter_mut().zip(line) {
                column.push(cell);
            }
        }
        Some(Self { columns: names.into_iter().zip(columns).collect() })
    }

    /// A column as numbers; `NA` is `None`.
    pub fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        self.columns[name].iter().map(|c| c.parse().ok()).collect()
    }

    /// A column as indices of its sorted labels.
    pub fn labels(&self, name: &str) -> Vec<u32> {
        let column = &self.columns[name];
        let mut labels = column.clone();
        labels.sort();
        labels.dedup();
        column.iter().map(|c| labels.partition_point(|l| l < c) as u32).collect()
    }
}

/// A survival outcome with features, complete cases only.
pub struct Study {
    pub time: Vec<f64>,
    pub event: Vec<bool>,
    /// `[N, F]` row-major.
    pub x: Vec<f64>,
    pub features: usize,
}

impl Study {
    /// The study under the name that the reference file uses.
    pub fn read(name: &str) -> Option<Self> {
        let (file, time, event, features): (_, _, (&str, f64), &[&str]) = match name {
            "veteran" => ("veteran", "time", ("status", 1.0), &["karno", "age", "diagtime"]),
            "lung" => ("lung", "time", ("status", 2.0), &["age", "sex", "ph.ecog"]),
            "mgus2" => ("mgus2", "futime", ("death", 1.0), &["age", "sex", "hgb", "mspike"]),
            "rotterdam" => ("rotterdam", "dtime", ("death", 1.0), &["age", "meno", "nodes", "grade", "er"]),
            "flchain" => ("flchain", "futime", ("death", 1.0), &["age", "sex", "kappa", "lambda"]),
            other => panic!("no study {other}"),
        };
        let cohort = Cohort::read(file)?;
        let column = |name: &str| {
            if name == "sex" && file != "lung" {
                cohort.labels(name).into_iter().map(|l| Some(f64::from(l))).collect()
            } else {
                cohort.numbers(name)
            }
        };
        let (times, events) = (column(time), column(event.0));
        let columns: Vec<_> = features.iter().map(|f| column(f)).collect();
        let mut study = Self { time: vec![], event: vec![], x: vec![], features: features.len() };
        for row in 0..times.len() {
            let values: Option<Vec<f64>> = columns.iter().map(|c| c[row]).collect();
            // R's flchain line leaves out the three deaths on the day of the sample.
            let zero = file == "flchain" && times[row] == Some(0.0);
            if let (Some(values), false) = (values, zero) {
                study.time.push(times[row].expect("a time"));
                study.event.push(events[row] == Some(event.1));
                study.x.extend(values);
            }
        }
        Some(study)
    }

    /// Linear predictor `x b` per row.
    pub fn score(&self, coefficients: &[f64]) -> Vec<f64> {
        self.x
            .chunks_exact(self.features)
            .map(|x| x.iter().zip(coefficients).map(|(x, b)| x * b).sum())
            .collect()
    }
}

/// One line of the reference file.
pub struct Reference {
    pub study: String,
    /// `breslow` or `efron`.
    pub ties: String,
    text: String,
}

impl Reference {
    /// The model lines (those with a study, ties and coefficients).
    pub fn read_all() -> Option<Vec<Self>> {
        let path = folder()?.join("reference_values_R_survival_3.5-3.txt");
        let text = std::fs::read_to_string(path).expect("readable reference");
        let models = text.lines().filter(|l| l.contains(" n ") && l.contains(" C_se "));
        Some(
            models
                .map(|line| Self {
                    study: line.split([':', '(', ' ']).next().expect("a name").to_owned(),
                    ties: if line.contains(" efron ") { "efron" } else { "breslow" }.to_owned(),
                    text: line.to_owned(),
                })
                .collect(),
        )
    }

    /// The numbers that follow the word `key`.
    pub fn values(&self, key: &str) -> Vec<f64> {
        let after = self.text.split_whitespace().skip_while(|w| *w != key).skip(1);
        after.map_while(|w| w.parse().ok()).collect()
    }

    /// The value `uno_C` of a study.
    pub fn uno_c(study: &str) -> Option<f64> {
        let path = folder()?.join("reference_values_R_survival_3.5-3.txt");
        let text = std::fs::read_to_string(path).expect("readable reference");
        let line = text.lines().find(|l| l.starts_with(study) && l.contains("uno_C")).expect("a line");
        line.split_whitespace().last()?.parse().ok()
    }
}
