//! The command line. A flag is defined once and means the same after every verb.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::{
    bench, completions, config, data, demo, doctor, evaluate, predict, radiomics, report, slides, slurm,
    train,
};
use crate::device::Device;

/// Federated survival models on rare blood diseases, on CPUs and GPUs.
#[derive(Debug, Parser)]
#[command(name = "osteon", version = version(), propagate_version = false)]
#[command(after_help = "First steps: `osteon demo`, then `osteon train STUDY.toml -o RUN`.\n\
Exit codes: 0 ok, 1 unexpected, 2 usage or config, 3 some cases failed, 4 bad data, 5 device,\n\
6 MPI, 7 input or output, 75 stopped early but resumable, 100 a check failed.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a study: central, isolated or federated
    Train(train::Train),
    /// Predict risk scores with a finished run
    Predict(predict::Predict),
    /// Measure how well a risk score orders survival
    Evaluate(evaluate::Evaluate),
    /// Look at tables before a study uses them
    Data(data::Data),
    /// Features of images over labelled regions
    Radiomics(radiomics::Radiomics),
    /// Vectors of slides made of the embeddings of their tiles
    Slides(slides::Slides),
    /// Show or check a study file
    Config(config::Config),
    /// Write report.html of a finished run
    Report(report::Report),
    /// Write and submit batch scripts for Slurm
    Slurm(slurm::Slurm),
    /// Time the sums over ranks, and studies over numbers of ranks
    Bench(bench::Bench),
    /// Show devices, MPI, HDF5, threads and the Slurm allocation
    Doctor(doctor::Doctor),
    /// Train a federation on a synthetic cohort, end to end
    Demo(demo::Demo),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}

impl Command {
    /// How much the command was asked to say.
    pub fn voice(&self) -> Voice {
        match self {
            Self::Train(c) => c.voice,
            Self::Predict(c) => c.voice,
            Self::Evaluate(c) => c.voice,
            Self::Data(c) => c.voice(),
            Self::Radiomics(c) => c.voice(),
            Self::Slides(c) => c.voice(),
            Self::Config(c) => c.voice(),
            Self::Report(c) => c.voice,
            Self::Slurm(c) => c.voice(),
            Self::Bench(c) => c.voice(),
            Self::Doctor(c) => c.voice,
            Self::Demo(c) => c.voice,
            Self::Completions(_) => Voice::default(),
        }
    }
}

/// What is said on stderr, and how results are written on stdout.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Voice {
    /// Say less: errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more
    #[arg(short, long)]
    pub verbose: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a command computes on.
#[derive(Debug, Clone, Args)]
pub struct Compute {
    // Brackets are links to rustdoc, so this text is no doc comment.
    #[arg(
        long,
        help = "Where to compute: auto, cpu, wgpu[:i] or cuda[:i]",
        value_name = "DEVICE",
        default_value = "auto",
        env = "OSTEON_DEVICE",
        hide_env_values = true
    )]
    pub device: Device,
    /// Threads of this process [default: what Slurm, the affinity mask or the cgroup grants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
}

impl Compute {
    /// The threads to use.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(|| osteon_core::threads::allotment().threads, |n| n as usize)
    }
}

/// A study file and what is laid over it.
#[derive(Debug, Clone, Args)]
pub struct StudyFile {
    /// Study file (.toml), or the run.json of an earlier run
    #[arg(value_name = "STUDY")]
    pub study: PathBuf,
    #[arg(help = "Set a key of the study, such as model.hidden=[64,32]; may be repeated")]
    #[arg(long, value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub set: Vec<String>,
    /// First seed of the models: short for --set train.seed=SEED
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
}

impl StudyFile {
    /// Reads the study with everything that was laid over it.
    pub fn load(&self) -> Result<osteon_study::Loaded, osteon_study::StudyError> {
        let seed = self.seed.map(|s| format!("train.seed={s}"));
        let overrides: Vec<String> = self.set.iter().cloned().chain(seed).collect();
        osteon_study::Loaded::read(&self.study, &overrides)
    }
}

/// Version, commit and features of this binary.
fn version() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let build = osteon_core::provenance::Provenance::now();
        let features = features();
        let features = if features.is_empty() { "none".to_owned() } else { features.join(" ") };
        format!("{} (commit {}, features: {features})", build.version, build.commit)
    })
}

/// The optional parts this binary was built with.
pub fn features() -> Vec<&'static str> {
    [
        ("mpi", cfg!(feature = "mpi")),
        ("hdf5", cfg!(feature = "hdf5")),
        ("zstd", cfg!(feature = "zstd")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ]
    .into_iter()
    .filter_map(|(name, built)| built.then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        super::Cli::command().debug_assert();
    }
}
