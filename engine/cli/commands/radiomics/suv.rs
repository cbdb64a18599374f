//! `osteon radiomics suv`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_radiomics::Suv as Converted;
use osteon_study::watch::Watch;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Suv {
    /// Folder with a PET series (FOLDER#SeriesInstanceUID if it holds several), or an enhanced file
    #[arg(long, value_name = "DIR")]
    pub dicom: PathBuf,
    /// Image to write: .nii or .nii.gz, single precision
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub voice: Voice,
}

impl Suv {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let suv = Converted::read(&self.dicom)?;
        suv.warnings.iter().for_each(|w| talk.warn(w));
        suv.image.write_nifti(&self.out)?;
        let record = &suv.record;
        let mut text = format!("{}: SUVbw up to {:.2}\n", self.out.display(), record.suv_max);
        let correction = record.decay_correction.as_deref().unwrap_or("not stated");
        let _ = writeln!(text, "  units {}, decay correction {correction}", record.units);
        if let (Some(minutes), Some(rule)) = (record.uptake_minutes, &record.scan_start_from) {
            let _ = writeln!(text, "  {minutes:.1} min from injection to scan ({rule})");
        }
        talk.result(record, &text)?;
        Ok(ExitCode::Ok)
    }
}
