//! How the time of a study changes with the cores it is given: speed-up and efficiency of several runs.
//!
//! Strong scaling: the same work on more cores; efficiency is `t_1 c_1 / (t_n c_n)` for times `t` and cores
//! `c`. Weak scaling: work in proportion to the cores; efficiency is `t_1 / t_n`. The first point is the
//! least number of cores.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use osteon_core::files::sha256_hex;
use serde::{Deserialize, Serialize};

use crate::records::Summary;
use crate::status::{RunState, Status};
use crate::svg::{self, Chart, Join, Series};
use crate::{ReportError, json};

/// Which work the points share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// The same for every point.
    Strong,
    /// In proportion to the cores.
    Weak,
}

/// A run as a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Name of the run.
    pub run: String,
    /// Nodes.
    pub nodes: usize,
    /// Ranks.
    pub ranks: usize,
    /// Threads per rank.
    pub threads: usize,
    /// Sites of the federation.
    pub sites: usize,
    /// Wall time over all starts.
    pub wall_s: f64,
    /// Mean share of the ranks' time inside collectives: waiting for others, and sending.
    pub mpi_share: f64,
    /// Largest over mean computing time of the ranks.
    pub imbalance: Option<f64>,
    /// Cores times hours.
    pub core_hours: f64,
    /// Hash of the resolved study.
    pub study_sha256: String,
    /// Hash of the model.
    pub model_sha256: String,
}

impl Point {
    /// The point of a finished run directory.
    ///
    /// # Errors
    /// If its records cannot be read.
    pub fn of(run: &Path) -> Result<Self, ReportError> {
        let status: Status = json::read(&run.join(Status::FILE))?;
        let summary: Summary = json::read(&run.join("summary.json"))?;
        let record: serde_json::Value = json::read(&run.join("run.json"))?;
        let shares: Vec<f64> = summary.ranks.iter().map(|r| r.mpi_share()).collect();
        Ok(Self {
            run: run.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            nodes: status.nodes,
            ranks: status.ranks,
            threads: status.threads,
            sites: summary.sites.as_ref().map_or(1, Vec::len),
            wall_s: status.wall_s,
            mpi_share: shares.iter().sum::<f64>() / shares.len().max(1) as f64,
            imbalance: summary.imbalance(),
            core_hours: status.core_hours,
            study_sha256: sha256_hex(record["config"].to_string().as_bytes()),
            model_sha256: summary.model_sha256,
        })
    }

    fn cores(&self) -> usize {
        self.ranks * self.threads
    }
}

/// A row of the table: a point beside the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The run.
    #[serde(flatten)]
    pub point: Point,
    /// Time of the first point over time of this one; for weak scaling times the work.
    pub speedup: f64,
    /// Speed-up over the ratio of cores.
    pub efficiency: f64,
}

/// Points and what they show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Version of this record.
    pub schema: u32,
    /// Strong or weak.
    pub work: Work,
    /// Whether all runs of one study came to the same model.
    pub one_model: bool,
    /// By number of cores.
    pub rows: Vec<Row>,
}

impl Scaling {
    /// Compares points.
    pub fn of(work: Work, mut points: Vec<Point>) -> Self {
        points.sort_by(|a, b| (a.cores(), a.nodes, &a.run).cmp(&(b.cores(), b.nodes, &b.run)));
        let same =
            |a: &Point, b: &Point| a.study_sha256 != b.study_sha256 || a.model_sha256 == b.model_sha256;
        let one_model = points.iter().all(|a| points.iter().all(|b| same(a, b)));
        let first = points.first().map(|p| (p.wall_s, p.cores() as f64));
        let row = |point: Point| {
            let (first_s, first_cores) = first.unwrap_or((point.wall_s, point.cores() as f64));
            let cores = point.cores() as f64 / first_cores;
            let faster = first_s / point.wall_s;
            let (speedup, efficiency) = match work {
                Work::Strong => (faster, faster / cores),
                Work::Weak => (faster * cores, faster),
            };
            Row { point, speedup, efficiency }
        };
        Self { schema: crate::records::SCHEMA, work, one_model, rows: points.into_iter().map(row).collect() }
    }

    /// The finished runs in a folder, as strong scaling, and the names of those that are not finished.
    ///
    /// # Errors
    /// If the folder or a record cannot be read.
    pub fn of_folder(folder: &Path) -> Result<(Self, Vec<String>), ReportError> {
        let list = fs::read_dir(folder).map_err(ReportError::io("read", folder))?;
        let mut runs: Vec<_> = list.flatten().map(|e| e.path()).collect();
        runs.retain(|p| p.join(Status::FILE).exists());
        runs.sort();
        let (mut points, mut unfinished) = (Vec::new(), Vec::new());
        for run in runs {
            let status: Status = json::read(&run.join(Status::FILE))?;
            match status.state {
                RunState::Finished => points.push(Point::of(&run)?),
                _ => unfinished.push(run.file_name().unwrap_or_default().to_string_lossy().into_owned()),
            }
        }
        Ok((Self::of(Work::Strong, points), unfinished))
    }

    /// Writes `NAME.json` and `NAME.svg` into a folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(), ReportError> {
        json::write(&folder.join(format!("{name}.json")), self)?;
        svg::write(&folder.join(format!("{name}.svg")), self.chart())
    }

    /// Speed-up by cores beside the ideal.
    fn chart(&self) -> Option<String> {
        let first = self.rows.first()?.point.cores() as f64;
        let at = |row: &Row| row.point.cores() as f64;
        let series = |name: &str, y: &dyn Fn(&Row) -> f64| Series {
            name: name.to_owned(),
            points: self.rows.iter().map(|r| (at(r), y(r))).collect(),
        };
        let series = vec![series("measured", &|r| r.speedup), series("ideal", &|r| at(r) / first)];
        Chart {
            x_label: "cores",
            y_label: "speed-up",
            series,
            join: Join::Straight,
            y_range: None,
            at_risk: None,
        }
        .draw()
    }

    /// The table as text.
    pub fn table(&self) -> String {
        let work = match self.work {
            Work::Strong => "strong scaling: the same work",
            Work::Weak => "weak scaling: work in proportion to the cores",
        };
        let mut out = format!(
            "{work}\n{:<14} {:>5} {:>5} {:>7} {:>5} {:>10} {:>8} {:>10} {:>6} {:>9} {:>10}\n",
            "run",
            "nodes",
            "ranks",
            "threads",
            "sites",
            "wall s",
            "speed-up",
            "efficiency",
            "MPI %",
            "imbalance",
            "core-hours"
        );
        for Row { point: p, speedup, efficiency } in &self.rows {
            let imbalance = p.imbalance.map_or(String::new(), |i| format!("{i:.2}"));
            let _ = writeln!(
                out,
                "{:<14} {:>5} {:>5} {:>7} {:>5} {:>10.3} {speedup:>8.2} {efficiency:>10.2} {:>6.1} {imbalance:>9} {:>10.5}",
                p.run,
                p.nodes,
                p.ranks,
                p.threads,
                p.sites,
                p.wall_s,
                100.0 * p.mpi_share,
                p.core_hours
            );
        }
        let same =
            if self.one_model { "all runs of a study came to the same model" } else { "THE MODELS DIFFER" };
        let _ = writeln!(out, "{same}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(ranks: usize, wall_s: f64, model: &str) -> Point {
        Point {
            run: format!("nodes-{ranks}"),
            nodes: ranks,
            ranks,
            threads: 2,
            sites: 8,
            wall_s,
            mpi_share: 0.25,
            imbalance: Some(1.5),
            core_hours: 0.0,
            study_sha256: "s".to_owned(),
            model_sha256: model.to_owned(),
        }
    }

    #[test]
    fn efficiency_is_against_the_least_number_of_cores() {
        let points = || vec![point(4, 4.0, "a"), point(1, 10.0, "a")];
        let strong = Scaling::of(Work::Strong, points());
        assert_eq!((strong.rows[0].speedup, strong.rows[0].efficiency), (1.0, 1.0));
        assert_eq!((strong.rows[1].speedup, strong.rows[1].efficiency), (2.5, 0.625));
        let weak = Scaling::of(Work::Weak, points());
        assert_eq!((weak.rows[1].speedup, weak.rows[1].efficiency), (10.0, 2.5));
        assert!(strong.table().contains("same model"), "{}", strong.table());
        assert!(strong.chart().is_some_and(|svg| svg.contains("ideal")));
    }

    #[test]
    fn another_model_is_told() {
        let scaling = Scaling::of(Work::Strong, vec![point(1, 2.0, "a"), point(2, 1.0, "b")]);
        assert!(!scaling.one_model && scaling.table().contains("DIFFER"));
        let other = Point { study_sha256: "t".to_owned(), ..point(2, 1.0, "b") };
        assert!(Scaling::of(Work::Strong, vec![point(1, 2.0, "a"), other]).one_model);
        assert!(Scaling::of(Work::Strong, Vec::new()).chart().is_none());
    }
}
