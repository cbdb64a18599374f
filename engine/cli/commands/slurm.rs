//! `osteon slurm render`, `submit` and `usage`.

use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use clap::{Args, Subcommand};
use osteon_core::ExitCode;
use osteon_slurm::sweep::{self, ShardedCases, StudySweep};
use osteon_slurm::{Resources, Script, SlurmError, usage};
use osteon_study::watch::Watch;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Slurm {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the batch scripts of a study over node counts, or of images over shards
    Render(Render),
    /// Write the scripts and submit them
    Submit(Render),
    /// Core-hours, GPU-hours and memory of runs: from sacct, or from their own records
    Usage(Usage),
}

#[derive(Debug, Args)]
struct Render {
    /// Study file (.toml), or the run.json of an earlier run
    #[arg(value_name = "STUDY", required_unless_present = "cases", conflicts_with = "cases")]
    study: Option<PathBuf>,
    /// Folder for the scripts, the logs and the runs
    #[arg(short, long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    #[arg(help = "Set a key of the study, such as model.hidden=[64,32]; may be repeated")]
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "cases")]
    set: Vec<String>,
    /// Numbers of nodes to train on
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1", conflicts_with = "cases")]
    nodes: Vec<u32>,
    /// One job array for all numbers of nodes; each task is granted the largest
    #[arg(long, conflicts_with = "cases")]
    array: bool,
    /// Values of a key of the study: one task of a job array each
    #[arg(long, value_name = "KEY=V,V,...", conflicts_with = "cases")]
    each: Option<String>,
    /// Table of images and masks: extract radiomics instead of training a study
    #[arg(long, value_name = "CASES", requires_all = ["shards", "table"])]
    cases: Option<PathBuf>,
    /// Parts to split the cases into: one task of a job array each
    #[arg(long, value_name = "N", requires = "cases")]
    shards: Option<u32>,
    /// The joined table of features
    #[arg(long, value_name = "TABLE", requires = "cases")]
    table: Option<PathBuf>,
    #[command(flatten)]
    resources: Asked,
    /// Print the scripts, write and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// More arguments of `radiomics extract`, after --
    #[arg(last = true, value_name = "ARGUMENT", requires = "cases")]
    more: Vec<String>,
    #[command(flatten)]
    voice: Voice,
}

/// What a job asks Slurm for.
#[derive(Debug, Args)]
struct Asked {
    /// Partition
    #[arg(long, value_name = "P")]
    partition: Option<String>,
    /// Account to charge
    #[arg(long, value_name = "A")]
    account: Option<String>,
    /// Wall time, such as 4:00:00
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Ranks per node [default: 1, or one per GPU]
    #[arg(long, value_name = "N")]
    ntasks_per_node: Option<u32>,
    /// Cores per rank, which are its threads
    #[arg(long, value_name = "N")]
    cpus_per_task: Option<u32>,
    /// GPUs per node
    #[arg(long, value_name = "N", default_value_t = 0)]
    gpus: u32,
    /// How ranks are tied to GPUs, as srun takes it [default: single:1, or shared evenly]
    #[arg(long, value_name = "BIND", requires = "gpus")]
    gpu_bind: Option<String>,
    /// How srun starts MPI: pmix for Open MPI, pmi2 for MPICH, or what `srun --mpi=list` names
    #[arg(long, value_name = "TYPE", default_value = "pmix")]
    mpi: String,
    /// Seconds before the end of the wall time at which a run stops with a checkpoint
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    margin: u32,
    /// Times a job starts again, for its wall time or a failed node; never for an error
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_restarts: u32,
}

#[derive(Debug, Args)]
struct Usage {
    /// Run directory, or a folder of them
    #[arg(value_name = "RUN")]
    runs: PathBuf,
    #[command(flatten)]
    voice: Voice,
}

impl Slurm {
    pub fn voice(&self) -> Voice {
        match &self.verb {
            Verb::Render(c) | Verb::Submit(c) => c.voice,
            Verb::Usage(c) => c.voice,
        }
    }

    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        match &self.verb {
            Verb::Render(c) => c.run(talk, false)?,
            Verb::Submit(c) => c.run(talk, true)?,
            Verb::Usage(c) => {
                let all = usage::of_runs(&c.runs)?;
                talk.result(&all, &usage::table(&all))?;
            }
        }
        Ok(ExitCode::Ok)
    }
}

impl Render {
    fn run(&self, talk: &Talk, submit: bool) -> Result<(), CommandError> {
        let dir = self.out.as_deref().unwrap_or(Path::new("."));
        let scripts = self.scripts(dir, talk)?;
        if self.dry_run {
            return talk.print(&sweep::shown(&scripts));
        }
        for folder in ["logs", if self.cases.is_some() { "shards" } else { "runs" }] {
            let path = dir.join(folder);
            fs::create_dir_all(&path).map_err(|source| SlurmError::Io { action: "create", path, source })?;
        }
        for script in &scripts {
            script.write(dir)?;
        }
        let path = dir.join("submit.sh");
        if !submit {
            let record = serde_json::json!({ "submit": path });
            return talk.result(&record, &format!("{}\n", path.display()));
        }
        let out = Command::new("bash").arg(&path).output();
        let out = out.map_err(|e| SlurmError::Program { program: "bash", message: e.to_string() })?;
        let said = String::from_utf8_lossy(&out.stdout);
        if !out.status.success() {
            let message = String::from_utf8_lossy(&out.stderr).trim().to_owned();
            return Err(SlurmError::Program { program: "submit.sh", message }.into());
        }
        let jobs: Vec<&str> = said.lines().collect();
        talk.result(&serde_json::json!({ "jobs": jobs }), &said)
    }

    fn scripts(&self, dir: &Path, talk: &Talk) -> Result<Vec<Script>, CommandError> {
        let resources = self.resources.resolve();
        if let (Some(cases), Some(shards), Some(table)) = (&self.cases, self.shards, &self.table) {
            let seen = |path: &Path| -> Result<PathBuf, CommandError> {
                let whole = |path: &Path| {
                    absolute(path).map_err(|source| SlurmError::Io {
                        action: "resolve",
                        path: path.to_owned(),
                        source,
                    })
                };
                Ok(sweep::seen_from(&whole(dir)?, &whole(path)?))
            };
            let cases =
                ShardedCases { cases: seen(cases)?, shards, output: seen(table)?, more: self.more.clone() };
            return Ok(cases.render(&resources)?);
        }
        let study = self.study.as_deref().unwrap_or(Path::new("STUDY.toml"));
        let loaded = osteon_study::Loaded::read(study, &self.set)?;
        loaded.warnings.iter().for_each(|w| talk.warn(w));
        let each = self.each.as_deref().map(sweep::each).transpose()?;
        if let Some((key, values)) = &each {
            // A wrong key or value ends here, not in the queue.
            for value in values {
                let set = [&self.set[..], &[format!("{key}={value}")]].concat();
                osteon_study::Loaded::read(study, &set)?;
            }
        }
        let sweep =
            StudySweep { study: loaded.to_toml()?, nodes: self.nodes.clone(), array: self.array, each };
        Ok(sweep.render(&resources)?)
    }
}

impl Asked {
    fn resolve(&self) -> Resources {
        Resources {
            partition: self.partition.clone(),
            account: self.account.clone(),
            time: self.time.clone(),
            tasks_per_node: self.ntasks_per_node.unwrap_or(self.gpus.max(1)),
            cpus_per_task: self.cpus_per_task,
            gpus_per_node: self.gpus,
            gpu_bind: self.gpu_bind.clone(),
            mpi: self.mpi.clone(),
            margin_s: self.margin,
            max_restarts: self.max_restarts,
        }
    }
}
