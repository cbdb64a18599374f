//! `osteon radiomics extract`.

use std::path::{Path, PathBuf};

use clap::Args;
use osteon_core::ExitCode;
use osteon_imaging::{Cases, Extraction, Grids, Need, Results};
use osteon_kernels::backend::Shared;
use osteon_pipeline::{Batch, Budget, Finished, Ran, Shard, journal_of, run};
use osteon_radiomics::Selection;
use osteon_study::stop::Stop;
use osteon_study::watch::Watch;

use super::maps::maps;
use super::wanted::Wanted;
use crate::args::Voice;
use crate::device::Device;
use crate::failure::CommandError;
use crate::launcher;
use crate::talk::Talk;

/// Part of the granted memory that cases may fill.
const FILL: f64 = 0.8;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["image", "cases"]))]
pub struct Extract {
    /// Image: .nii, .nii.gz, .nrrd, .nhdr, or a folder with a DICOM series
    #[arg(long, value_name = "FILE", requires = "mask")]
    pub image: Option<PathBuf>,
    /// Mask on the grid of the image: an image, 0 outside every region, or DICOM SEG or RTSTRUCT
    /// (FILE#NAME takes one of its regions)
    #[arg(long, value_name = "FILE", requires = "image")]
    pub mask: Option<PathBuf>,
    /// Table of many cases: columns Image, Mask and, if wanted, Label and ID
    #[arg(long, value_name = "FILE")]
    pub cases: Option<PathBuf>,
    /// Labels of the mask: all, or a list such as 1,5-9
    #[arg(long, value_name = "LABELS", default_value = "1")]
    pub labels: Selection,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Compute features round every voxel of the regions: -o names a folder, with an NRRD file per feature
    #[arg(long, conflicts_with_all = ["cases", "pet"])]
    pub voxel_based: bool,
    /// Table to write: .csv, .tsv, .parquet, .h5 or .json
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Put a mask on another grid onto that of the image, by nearest voxel
    #[arg(long, conflicts_with = "resample_image")]
    pub resample_mask: bool,
    /// Put the image onto the grid of a mask on another grid, by the parameter `interpolator`
    #[arg(long)]
    pub resample_image: bool,
    #[command(flatten)]
    pub many: Many,
    // Brackets are links to rustdoc, so this text is no doc comment.
    #[arg(
        long,
        help = "Where to find grey levels, their matrices and the form: auto, cpu, wgpu[:i] or cuda[:i]",
        value_name = "DEVICE",
        default_value = "cpu",
        env = "OSTEON_DEVICE",
        hide_env_values = true
    )]
    pub device: Device,
    /// Threads of this process [default: what Slurm, the affinity mask or the cgroup grants]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    #[command(flatten)]
    pub voice: Voice,
}

/// How many cases are worked through.
#[derive(Debug, Args)]
pub struct Many {
    /// Only part I of N of the cases, or auto: the rank among the ranks of mpirun or srun
    #[arg(long, value_name = "I/N", requires = "cases")]
    pub shard: Option<String>,
    /// Gigabytes that the cases at work may need together [default: 0.8 of what is granted]
    #[arg(long, value_name = "GB", requires = "cases")]
    pub memory: Option<f64>,
    /// Compare the contents of files, not their size and time, before a case is taken as finished
    #[arg(long, requires = "cases")]
    pub verify_inputs: bool,
    /// Forget what an earlier run has finished
    #[arg(long, requires = "cases")]
    pub restart: bool,
    /// Stop after the cases at work when this time has passed; the same command goes on
    #[arg(long, value_name = "HOURS", requires = "cases")]
    pub max_hours: Option<f64>,
}

impl Extract {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let params = self.wanted.params()?;
        let selection = Selection { whole: self.wanted.whole, ..self.labels.clone() };
        let threads = self.threads.map_or_else(|| osteon_core::threads::allotment().threads, |n| n as usize);
        let grids = match (self.resample_mask, self.resample_image) {
            (true, _) => Grids::ResampleMask,
            (_, true) => Grids::ResampleImage,
            _ if params.settings.correct_mask => Grids::ResampleMask,
            _ => Grids::Refuse,
        };
        let device = || {
            let found = self.device.or_processor(params.needs_processor(), talk)?;
            Ok::<_, CommandError>(found.map(|info| Shared::open(&info)).transpose()?)
        };
        match (&self.cases, &self.image, &self.mask) {
            (Some(table), ..) => {
                let cases = Cases::read(table, &selection, Need::Mask)?;
                let device = device()?;
                self.many(Extraction { cases, params, grids, device }, threads, talk)
            }
            (None, Some(image), Some(mask)) if self.voxel_based => {
                self.device.processor_only("radiomics extract --voxel-based")?;
                // Fails only where a pool exists already, which then has the size it has.
                let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
                maps(image, mask, &selection, &params, &self.out, talk)
            }
            (None, Some(image), Some(mask)) => {
                let cases = Cases::single(image, mask, selection);
                let device = device()?;
                self.single(&Extraction { cases, params, grids, device }, threads, talk)
            }
            _ => Ok(ExitCode::Usage),
        }
    }

    fn single(&self, extraction: &Extraction, threads: usize, talk: &Talk) -> Result<ExitCode, CommandError> {
        // Fails only where a pool exists already, which then has the size it has.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        let case = &extraction.cases.list[0];
        let loaded = extraction.load(case)?;
        loaded.notes.iter().for_each(|note| talk.say(&format!("{}: {note}", case.image)));
        let mut case = extraction.features(case, loaded)?;
        case.notes.clear();
        let mut faults = std::mem::take(&mut case.faults);
        if case.regions.is_empty() && faults.len() == 1 {
            let fault = faults.remove(0);
            let hint = Some(fault.hint).filter(|h| !h.is_empty());
            return Err(CommandError::Plain(fault.error, ExitCode::Data, hint));
        }
        conclude(&Results { cases: vec![case], faults }, &self.out, Shard::WHOLE, talk)
    }

    fn many(&self, extraction: Extraction, threads: usize, talk: &Talk) -> Result<ExitCode, CommandError> {
        let shard = self.many.shard()?;
        let out = if self.many.shard.as_deref() == Some("auto") {
            part(&self.out, shard)
        } else {
            self.out.clone()
        };
        let finished = work(&extraction, &journal_of(&out), &self.many, threads, talk)?;
        conclude(&finished.entries.into_iter().collect(), &out, shard, talk)
    }
}

/// Works through the cases of a batch within the budget, with progress, until done or stopped.
pub fn work<B: Batch>(
    batch: &B,
    journal: &Path,
    many: &Many,
    threads: usize,
    talk: &Talk,
) -> Result<Finished<B::Done, B::Failed>, CommandError> {
    let granted = osteon_core::memory::allotment().map(|m| (m.bytes as f64 * FILL) as u64);
    let memory = many.memory.map(|gb| (gb * 1e9) as u64).or(granted);
    let cannot =
        |e| CommandError::Plain(format!("cannot watch for signals: {e}"), ExitCode::Unexpected, None);
    let stop = Stop::watch(many.max_hours).map_err(cannot)?;
    let how = Ran {
        shard: many.shard()?,
        budget: Budget { threads, memory },
        verify_inputs: many.verify_inputs,
        restart: many.restart,
        stop: &|| stop.requested().is_some(),
        progress: &mut |done, all, failed| {
            talk.step(done as u64, all as u64, &format!("cases, {failed} failed"));
        },
    };
    let finished = run(batch, journal, how)?;
    if finished.kept > 0 {
        talk.say(&format!("{} cases were finished before", finished.kept));
    }
    if finished.left > 0 {
        let text = format!("stopped with {} cases left; the same command goes on", finished.left);
        return Err(CommandError::Plain(text, ExitCode::Resumable, None));
    }
    Ok(finished)
}

impl Many {
    /// The part of the cases that is this process's.
    pub fn shard(&self) -> Result<Shard, CommandError> {
        let launcher = launcher::detect().filter(|l| l.size.unwrap_or(1) > 1);
        match (self.shard.as_deref(), launcher) {
            (Some("auto"), Some(l)) => Ok(Shard::new(l.rank + 1, l.size.unwrap_or(1))?),
            (Some("auto"), None) => Ok(Shard::WHOLE),
            (Some(text), _) => Ok(text.parse()?),
            (None, None) => Ok(Shard::WHOLE),
            (None, Some(l)) => {
                let text = format!("{} ranks of {} would all do the same", l.size.unwrap_or(1), l.name);
                let hint = "--shard auto gives each rank its part; `osteon radiomics merge` joins them";
                Err(CommandError::Plain(text, ExitCode::Usage, Some(hint.into())))
            }
        }
    }
}

/// The name of a part's file: `features.2-of-8.csv`.
fn part(out: &Path, shard: Shard) -> PathBuf {
    if !shard.is_part() {
        return out.to_owned();
    }
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let extension = out.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
    out.with_file_name(format!("{stem}.{}{extension}", shard.file_part()))
}

/// Writes the tables and says what failed.
pub fn conclude(results: &Results, out: &Path, shard: Shard, talk: &Talk) -> Result<ExitCode, CommandError> {
    let rows = results.rows();
    for case in &results.cases {
        case.notes.iter().for_each(|note| talk.say(&format!("{}: {note}", case.image)));
    }
    if rows > 0 {
        results.write(out)?;
    }
    let failures = part(&out.with_file_name("failures.csv"), shard);
    if results.faults.is_empty() {
        // That of an earlier run would now be wrong.
        let _ = std::fs::remove_file(&failures);
        return Ok(ExitCode::Ok);
    }
    results.write_faults(&failures)?;
    talk.warn(&format!("{} without features, listed in {}", results.faults.len(), failures.display()));
    Ok(if rows == 0 { ExitCode::Data } else { ExitCode::Partial })
}
