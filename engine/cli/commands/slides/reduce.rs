//! `osteon slides reduce`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use osteon_core::ExitCode;
use osteon_federate::{Comm, ConnectOptions, connect, placement};
use osteon_imaging::ImagingError;
use osteon_imaging::slides::{
    FitOn, Gathered, Models, SlideBatch, SlideCases, SlideFault, SlideVectors, fit, gathered_of,
};
use osteon_kernels::PROFILE;
use osteon_kernels::backend::DeviceInfo;
use osteon_pipeline::{Batch, Budget, Ran, Shard, journal_of, run};
use osteon_slides::{Pooling, Precision, Scatter, Wanted};
use osteon_study::stop::Stop;
use osteon_study::watch::Watch;

use super::models::{ModelArgs, beside, conclude, sorted};
use crate::args::Voice;
use crate::device::Device;
use crate::failure::CommandError;
use crate::launcher;
use crate::talk::Talk;

/// Part of the granted memory that slides may fill.
const FILL: f64 = 0.8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// A row per slide
    Slide,
    /// A row per patient: the tiles of all slides together
    Patient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arithmetic {
    /// f32 within blocks, f64 across
    F32,
    /// f64 throughout
    F64,
}

#[derive(Debug, Args)]
pub struct Reduce {
    /// Files or folders: .h5, .npy, .pt, .parquet; with a table, where its slides are looked for
    #[arg(value_name = "INPUT", required_unless_present = "table")]
    pub inputs: Vec<PathBuf>,
    /// Table of slides: columns slide and, if wanted, patient and site
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Vectors: mean, std, max, min, q10 (per cent), topk or top5 (mean of the largest)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "mean")]
    pub pool: Vec<Pooling>,
    /// What a row is
    #[arg(long, value_enum, default_value_t = By::Slide, requires = "table")]
    pub by: By,
    /// Fit models only to the rows with this value in a column of the table
    #[arg(long, value_name = "COLUMN=VALUE", requires = "table")]
    pub fit_on: Option<FitOn>,
    #[command(flatten)]
    pub models: ModelArgs,
    /// Arithmetic of sums
    #[arg(long, value_enum, default_value_t = Arithmetic::F32)]
    pub precision: Arithmetic,
    // Brackets are links to rustdoc, so this text is no doc comment.
    #[arg(
        long,
        help = "Where moments and products of tiles are summed: cpu, auto, wgpu[:i] or cuda[:i]",
        value_name = "DEVICE",
        default_value = "cpu"
    )]
    pub device: Device,
    /// Column of sites: each rank opens the files of its sites alone, and only sums cross
    #[arg(long, value_name = "COLUMN", requires = "table", conflicts_with = "shard")]
    pub federate: Option<String>,
    /// Table to write: .h5, .parquet, .csv, .tsv or .json
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Only part I of N of the slides; `slides merge` joins the parts and fits the models
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Gigabytes that the slides at work may need together [default: 0.8 of what is granted]
    #[arg(long, value_name = "GB")]
    pub memory: Option<f64>,
    /// Compare the contents of files, not their size and time, before a slide is taken as finished
    #[arg(long)]
    pub verify_inputs: bool,
    /// Forget what an earlier run has finished
    #[arg(long)]
    pub restart: bool,
    /// Stop after the slides at work when this time has passed; the same command goes on
    #[arg(long, value_name = "HOURS")]
    pub max_hours: Option<f64>,
    /// Threads of this process [default: what Slurm, the affinity mask or the cgroup grants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub voice: Voice,
}

/// The slides of a site, reduced.
struct Site {
    name: String,
    out: PathBuf,
    vectors: Vec<SlideVectors>,
    faults: Vec<SlideFault>,
    scatter: Option<Scatter>,
}

impl Reduce {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let threads = self.threads.map_or_else(|| osteon_core::threads::allotment().threads, |n| n as usize);
        // Fails only where a pool exists already, which then has the size it has.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        let cases = match &self.table {
            Some(table) => SlideCases::of_table(
                table,
                &self.inputs,
                self.fit_on.as_ref(),
                self.federate.as_deref(),
                self.by == By::Patient,
            )?,
            None => SlideCases::of_files(&self.inputs)?,
        };
        let stop = Stop::watch(self.max_hours).map_err(|e| {
            CommandError::Plain(format!("cannot watch for signals: {e}"), ExitCode::Unexpected, None)
        })?;
        match (&self.federate, launcher::detect().filter(|l| l.size.unwrap_or(1) > 1)) {
            (Some(_), _) => self.federated(cases, threads, &stop, talk),
            (None, Some(l)) if self.shard.is_none() => {
                let text = format!("{} ranks of {} would all do the same", l.size.unwrap_or(1), l.name);
                let hint =
                    "--federate COLUMN gives each rank its sites; --shard I/N makes parts to be merged";
                Err(CommandError::Plain(text, ExitCode::Usage, Some(hint.into())))
            }
            (None, _) => self.central(cases, threads, &stop, talk),
        }
    }

    fn central(
        &self,
        cases: SlideCases,
        threads: usize,
        stop: &Stop,
        talk: &Talk,
    ) -> Result<ExitCode, CommandError> {
        let shard = self.shard.unwrap_or(Shard::WHOLE);
        let wanted = self.wanted(talk)?;
        let site = self.pass("all", self.out.clone(), cases, &wanted, shard, threads, stop, talk)?;
        let vectors: Vec<&SlideVectors> = site.vectors.iter().collect();
        if shard.is_part() {
            talk.say("models are fitted when the parts are merged");
            return conclude(&site.out, &vectors, &site.faults, &Models::default(), talk);
        }
        let sites = vec![(site.name, site.scatter)];
        let models = fit(&vectors, sites, &self.models.finish()?, &Comm::solo())?;
        self.save(&models, talk)?;
        conclude(&site.out, &vectors, &site.faults, &models, talk)
    }

    fn federated(
        &self,
        cases: SlideCases,
        threads: usize,
        stop: &Stop,
        talk: &Talk,
    ) -> Result<ExitCode, CommandError> {
        let comm = connect(ConnectOptions::default())?;
        let done = self.over_sites(cases, threads, stop, talk, &comm);
        match done {
            // An error that only this rank knows must end the others too, or they wait for it.
            Err(CommandError::Room(failure)) if comm.size() > 1 => {
                let code = failure.exit_code();
                let _ = CommandError::Room(failure).report(talk);
                comm.abort(i32::from(code as u8));
                Err(CommandError::Silent(code))
            }
            other => other,
        }
    }

    fn over_sites(
        &self,
        cases: SlideCases,
        threads: usize,
        stop: &Stop,
        talk: &Talk,
        comm: &Comm,
    ) -> Result<ExitCode, CommandError> {
        let mut names: Vec<String> = cases.list.iter().filter_map(|c| c.site.clone()).collect();
        names.sort();
        names.dedup();
        comm.require_same("the sites", &names.join("\n"))?;
        let wanted = self.wanted(talk)?;
        let profile = wanted.device.as_ref().map_or(PROFILE.to_owned(), DeviceInfo::profile);
        comm.require_same("the device", &profile)?;
        let rank_of = placement::place(&vec![1; names.len()], comm.size());
        let mut sites = Vec::new();
        for (name, _) in names.iter().zip(&rank_of).filter(|(_, rank)| **rank == comm.rank()) {
            let list = cases.list.iter().filter(|c| c.site.as_ref() == Some(name)).cloned().collect();
            let extension = self.out.extension().unwrap_or_default().to_string_lossy().into_owned();
            let out = beside(&self.out, &format!("{}.{extension}", file_name(name)));
            let cases = SlideCases { list };
            sites.push(self.pass(name, out, cases, &wanted, Shard::WHOLE, threads, stop, talk)?);
        }
        let vectors: Vec<&SlideVectors> = sites.iter().flat_map(|s| &s.vectors).collect();
        let sums = sites.iter().map(|s| (s.name.clone(), s.scatter.clone())).collect();
        let mut models = fit(&vectors, sums, &self.models.finish()?, comm)?;
        if comm.rank() == 0 {
            self.save(&models, talk)?;
        }
        let mut worst = ExitCode::Ok;
        let shares = models.prototypes.take();
        let mut first = 0;
        for site in &sites {
            let own: Vec<&SlideVectors> = site.vectors.iter().collect();
            models.prototypes =
                shares.as_ref().map(|(p, counts)| (p.clone(), counts[first..first + own.len()].to_vec()));
            first += own.len();
            let code = conclude(&site.out, &own, &site.faults, &models, talk)?;
            worst = if code as u8 > worst as u8 { code } else { worst };
        }
        Ok(worst)
    }

    /// What a pass computes, and where.
    fn wanted(&self, talk: &Talk) -> Result<Wanted, CommandError> {
        let finish = self.models.finish()?;
        let (precision, forced) = match self.precision {
            Arithmetic::F32 => (Precision::Single, None),
            Arithmetic::F64 => (Precision::Double, Some("f64 sums are formed on the processor")),
        };
        let device = self.device.or_processor(forced, talk)?;
        let products = finish.needs_products();
        Ok(Wanted { key: finish.key, pools: self.pool.clone(), products, precision, device })
    }

    /// One pass over the files of the cases.
    fn pass(
        &self,
        name: &str,
        out: PathBuf,
        cases: SlideCases,
        wanted: &Wanted,
        shard: Shard,
        threads: usize,
        stop: &Stop,
        talk: &Talk,
    ) -> Result<Site, CommandError> {
        let mut batch = SlideBatch { cases, wanted: wanted.clone(), gathered: None };
        if wanted.products {
            let keys: Vec<String> = (0..batch.cases()).map(|case| batch.key(case)).collect();
            let (path, parameters) = (gathered_of(&out), batch.parameters());
            let key = |case: usize| keys[case].clone();
            batch.gathered = Some(Gathered::open(&path, &parameters, &batch.cases, &key, self.restart)?);
        }
        let granted = osteon_core::memory::allotment().map(|m| (m.bytes as f64 * FILL) as u64);
        let memory = self.memory.map(|gb| (gb * 1e9) as u64).or(granted);
        let how = Ran {
            shard,
            budget: Budget { threads, memory },
            verify_inputs: self.verify_inputs,
            restart: self.restart,
            stop: &|| stop.requested().is_some(),
            progress: &mut |done, all, failed| {
                talk.step(done as u64, all as u64, &format!("slides, {failed} failed"));
            },
        };
        let finished = run(&batch, &journal_of(&out), how).map_err(ImagingError::from)?;
        let scatter = batch.gathered.map(Gathered::finish).transpose()?.flatten();
        if finished.kept > 0 {
            talk.say(&format!("{} slides were finished before", finished.kept));
        }
        if finished.left > 0 {
            let text = format!("stopped with {} slides left; the same command goes on", finished.left);
            return Err(CommandError::Plain(text, ExitCode::Resumable, None));
        }
        let (vectors, faults) = sorted(finished.entries);
        Ok(Site { name: name.to_owned(), out, vectors, faults, scatter })
    }

    fn save(&self, models: &Models, talk: &Talk) -> Result<(), CommandError> {
        save(&self.out, models, talk)
    }
}

/// Writes a fitted PCA beside the table, and says what there is to say.
pub fn save(out: &Path, models: &Models, talk: &Talk) -> Result<(), CommandError> {
    models.warnings.iter().for_each(|w| talk.warn(w));
    if let Some(pca) = &models.pca {
        pca.write(&beside(out, "pca.json"))?;
        let whole: f64 = pca.explained.iter().sum();
        let text = format!(
            "{} components explain {:.1} % of the variance of {} tiles of {} slides",
            pca.components.len(),
            100.0 * whole,
            pca.tiles,
            pca.slides
        );
        talk.say(&text);
    }
    Ok(())
}

/// The name of a site in a file name.
fn file_name(site: &str) -> String {
    site.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
