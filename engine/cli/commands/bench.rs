//! `osteon bench allreduce` and `osteon bench scaling`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand};
use osteon_core::ExitCode;
use osteon_federate::bench::{Size, allreduce};
use osteon_federate::{ConnectOptions, connect};
use osteon_report::scaling::{Point, Scaling, Work};
use osteon_report::svg::{Chart, Join, Series};
use osteon_study::scaling::Load;
use osteon_study::watch::Watch;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Time the exact aggregation beside the bare MPI_Allreduce; start it under mpirun or srun
    Allreduce(Allreduce),
    /// Time a federation over numbers of ranks and sites; starts the ranks itself
    Scaling(Scale),
}

#[derive(Debug, Args)]
struct Allreduce {
    /// Parameters of the models
    #[arg(long, value_name = "P,...", value_delimiter = ',')]
    #[arg(default_values_t = [1, 64, 1024, 6849, 65_536, 524_288, 2_500_000], hide_default_value = true)]
    params: Vec<u32>,
    /// Repetitions of a small size; large ones have fewer
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    iters: u32,
    /// Folder for allreduce.json and allreduce.svg
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    voice: Voice,
}

#[derive(Debug, Args)]
struct Scale {
    /// Numbers of ranks
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2,4")]
    ranks: Vec<u32>,
    /// Sites of the federation, for weak scaling of each rank
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_value = "12")]
    sites: Vec<u32>,
    /// Patients, for weak scaling of each rank
    #[arg(long, value_name = "N", default_value_t = 6000)]
    patients: u32,
    /// Rounds of the federation
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u32,
    /// What starts ranks, before their number
    #[arg(long, value_name = "WORDS", default_value = "mpirun -n")]
    launcher: String,
    /// Folder for the runs, scaling-*.json and scaling-*.svg
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    voice: Voice,
}

impl Bench {
    pub fn voice(&self) -> Voice {
        match &self.verb {
            Verb::Allreduce(c) => c.voice,
            Verb::Scaling(c) => c.voice,
        }
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        match &self.verb {
            Verb::Allreduce(c) => c.run(talk),
            Verb::Scaling(c) => c.run(talk),
        }
    }
}

impl Allreduce {
    fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let comm = connect(ConnectOptions::default())?;
        let mut sizes = Vec::new();
        for &params in &self.params {
            // About as long for every size.
            let iters = (self.iters as usize).min(50_000_000 / (params as usize + 1)).max(10);
            match allreduce(&comm, params as usize, iters) {
                Ok(size) => sizes.push(size),
                Err(error) => return Err(super::train::end_all(&comm, error.into(), talk)),
            }
        }
        let right = sizes.iter().all(|s| s.lines.iter().all(|l| l.check));
        let record = serde_json::json!({
            "schema": osteon_report::records::SCHEMA,
            "library": comm.library(),
            "ranks": comm.size(),
            "host": osteon_core::provenance::host_name(),
            "commit": osteon_core::provenance::Provenance::now().commit,
            "sizes": sizes,
        });
        if let (Some(dir), 0) = (&self.out, comm.rank()) {
            std::fs::create_dir_all(dir).map_err(osteon_report::ReportError::io("create", dir))?;
            osteon_report::json::write(&dir.join("allreduce.json"), &record)?;
            osteon_report::svg::write(&dir.join("allreduce.svg"), chart(&sizes))?;
        }
        talk.result(&record, &table(&sizes, &comm.library(), comm.size()))?;
        Ok(if right { ExitCode::Ok } else { ExitCode::CheckFailed })
    }
}

/// As nccl-tests print it: a line per sum and size.
fn table(sizes: &[Size], library: &str, ranks: usize) -> String {
    let mut out = format!(
        "# {ranks} rank{}, {library}; times of the slowest rank\n{:>10} {:>10} {:>5} {:>11} {:>11} {:>11} {:>11} \
         {:>11} {:>8} {:>8} {:>5}\n{:>10} {:>10} {:>5} {:>11} {:>11} {:>11} {:>11} {:>11} {:>8} {:>8}\n",
        if ranks == 1 { "" } else { "s" },
        "bytes",
        "count",
        "sum",
        "avg",
        "min",
        "median",
        "max",
        "p99",
        "algbw",
        "busbw",
        "check",
        "",
        "",
        "",
        "us",
        "us",
        "us",
        "us",
        "us",
        "GB/s",
        "GB/s"
    );
    for size in sizes {
        for line in &size.lines {
            let s = line.spread;
            let _ = writeln!(
                out,
                "{:>10} {:>10} {:>5} {:>11.2} {:>11.2} {:>11.2} {:>11.2} {:>11.2} {:>8.3} {:>8.3} {:>5}",
                line.bytes,
                line.count,
                line.sum.name(),
                s.avg_us,
                s.min_us,
                s.median_us,
                s.max_us,
                s.p99_us,
                line.algbw_gb_s,
                line.busbw_gb_s,
                if line.check { "ok" } else { "WRONG" }
            );
        }
        let _ = writeln!(
            out,
            "# {} parameters, {} times: exact / i64 {:.2} (medians)",
            size.params, size.iters, size.exact_over_i64
        );
    }
    out
}

/// Mean times by bytes, both as powers of ten.
fn chart(sizes: &[Size]) -> Option<String> {
    let series = |k: usize| Series {
        name: sizes[0].lines[k].sum.name().to_owned(),
        points: sizes
            .iter()
            .map(|s| ((s.lines[k].bytes as f64).log10(), s.lines[k].spread.avg_us.log10()))
            .collect(),
    };
    let series = if sizes.is_empty() { Vec::new() } else { (0..3).map(series).collect() };
    let (x_label, y_label) = ("log10 of bytes", "log10 of microseconds");
    Chart { x_label, y_label, series, join: Join::Straight, y_range: None, at_risk: None }.draw()
}

impl Scale {
    fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        if self.ranks.contains(&0) || self.sites.contains(&0) {
            let message = "--ranks and --sites count from 1".to_owned();
            return Err(CommandError::Plain(message, ExitCode::Usage, None));
        }
        let mut all = Vec::new();
        for &sites in &self.sites {
            let load = Load { patients: self.patients as usize, sites: sites as usize, rounds: self.rounds };
            for work in [Work::Strong, Work::Weak] {
                let name = format!("{}-{sites}", if work == Work::Strong { "strong" } else { "weak" });
                let folder = self.out.join(&name);
                let mut points = Vec::new();
                for &ranks in &self.ranks {
                    let home = folder.join(format!("ranks-{ranks}"));
                    // Strong: one study, read by all.
                    let study = if work == Work::Strong { folder.join("study") } else { home.join("study") };
                    let study = load.write(&study, ranks as usize, work)?;
                    talk.say(&format!("{name}: {ranks} ranks"));
                    self.start(ranks, &study, &home.join("run"))?;
                    points.push(Point { run: format!("ranks-{ranks}"), ..Point::of(&home.join("run"))? });
                }
                let scaling = Scaling::of(work, points);
                scaling.write(&self.out, &format!("scaling-{name}"))?;
                all.push(scaling);
            }
        }
        let text: Vec<String> = all.iter().map(Scaling::table).collect();
        talk.result(&all, &text.join("\n"))?;
        Ok(if all.iter().all(|s| s.one_model) { ExitCode::Ok } else { ExitCode::CheckFailed })
    }

    /// Trains a study on so many ranks, each with its share of the threads.
    fn start(&self, ranks: u32, study: &Path, run: &Path) -> Result<(), CommandError> {
        let failed = |message: String| CommandError::Plain(message, ExitCode::Mpi, None);
        let mut words = self.launcher.split_whitespace();
        let launcher = words.next().ok_or_else(|| failed("--launcher is empty".to_owned()))?;
        let own = std::env::current_exe().map_err(|e| failed(format!("this binary: {e}")))?;
        let out = Command::new(launcher)
            .args(words)
            .arg(ranks.to_string())
            .arg(own)
            .args(["train", "--quiet", "--threads", "1", "--restart"])
            .arg(study)
            .arg("-o")
            .arg(run)
            .output()
            .map_err(|e| failed(format!("{launcher}: {e}")))?;
        match out.status.success() {
            true => Ok(()),
            false => Err(failed(format!(
                "{} {ranks}: {}",
                self.launcher,
                String::from_utf8_lossy(&out.stderr).trim()
            ))),
        }
    }
}
