//! Generated cohorts and the studies on them.

use std::fs;
use std::path::{Path, PathBuf};

use osteon_data::synthetic::{Cohort, cohort};
use osteon_table::Table;

/// A made-up cohort of three sites.
pub fn patients(n: usize) -> Table {
    cohort(&Cohort { patients: n, ..Cohort::default() }).expect("a cohort").0
}

/// The rows of a table whose `column` has that value, without the column.
pub fn rows_of(table: &Table, column: &str, value: &str) -> String {
    let csv = as_csv(table);
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let at = header.iter().position(|h| *h == column).expect("the column");
    let without = |cells: Vec<&str>| {
        cells.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, c)| *c).collect::<Vec<_>>().join(",")
    };
    let mut out = without(header.clone()) + "\n";
    for cells in lines.map(|l| l.split(',').collect::<Vec<_>>()).filter(|c| c[at] == value) {
        out += &(without(cells) + "\n");
    }
    out
}

/// The table as CSV text; no cell of the made-up cohort needs quotes.
pub fn as_csv(table: &Table) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cohort.csv");
    osteon_table::write(&path, table).expect("written");
    fs::read_to_string(path).expect("read")
}

const FEATURES: &str = r#"["age", "bm_blast", "hb", "plt", "wbc", "anc", "sex_male", "mut_*"]"#;

/// A study with everything in it that random numbers touch: dropout, mini-batches, two seeds. The
/// tables `[data]` and `[federation]` are completed by `data` and `federation`.
pub fn study(data: &str, federation: &str) -> String {
    format!(
        r#"[data]
id = "patient"
time = "time_days"
time_unit = "days"
event = "event"
features = {FEATURES}
{data}

[split]
test = 0.2

[model]
hidden = [8]
dropout = 0.2

[train]
arm = "federated"
learning_rate = 0.01
batch = 64
seeds = 2

[federation]
rounds = 5
local_epochs = 2
{federation}
"#
    )
}

/// A folder with `cohort.csv` of `n` patients and `STUDY.toml`, whose sites are a column.
pub fn by_column(dir: &Path, n: usize) -> PathBuf {
    osteon_table::write(&dir.join("cohort.csv"), &patients(n)).expect("written");
    written(dir, &study("path = \"cohort.csv\"", "site = \"site\""))
}

/// As [`by_column`] with simulated sites of these shares.
pub fn simulated(dir: &Path, n: usize, shares: &str) -> PathBuf {
    osteon_table::write(&dir.join("cohort.csv"), &patients(n)).expect("written");
    written(dir, &study("path = \"cohort.csv\"", &format!("sites = {shares}")))
}

/// So many equal shares, as [`simulated`] takes them.
pub fn equal_shares(sites: usize) -> String {
    format!("[{}]", vec![(1.0 / sites as f64).to_string(); sites].join(", "))
}

pub fn written(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("STUDY.toml");
    fs::write(&path, text).expect("a study");
    path
}
