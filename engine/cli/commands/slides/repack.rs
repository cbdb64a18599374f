//! `osteon slides repack`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use osteon_core::{ExitCode, Failure};
use osteon_imaging::slides::SlideCases;
use osteon_slides::{Slide, SlidesError, repack};
use osteon_study::watch::Watch;
use osteon_table::array::Number;

use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// As it is
    Keep,
    /// IEEE half precision; values that do not fit are an error
    F16,
    /// Single precision
    F32,
}

#[derive(Debug, Args)]
pub struct Repack {
    /// Files or folders: .h5, .npy, .pt, .parquet
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder to write into; files that are there already are left alone
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Type of the numbers
    #[arg(long = "type", value_enum, default_value_t = Type::Keep)]
    pub kind: Type,
    /// Data set of HDF5 files [default: features, feats, patch_embeddings or embeddings]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    #[command(flatten)]
    pub voice: Voice,
}

impl Repack {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let cases = SlideCases::of_files(&self.inputs)?;
        fs::create_dir_all(&self.out).map_err(|source| SlidesError::Io { path: self.out.clone(), source })?;
        let number = match self.kind {
            Type::Keep => None,
            Type::F16 => Some(Number::F16),
            Type::F32 => Some(Number::F32),
        };
        let (all, mut failed) = (cases.list.len() as u64, 0);
        for (done, case) in cases.list.iter().enumerate() {
            let to = self.out.join(format!("{}.h5", case.slide));
            for file in case.files.iter().filter(|_| !to.exists()) {
                let packed =
                    Slide::open(file, self.key.as_deref()).and_then(|slide| repack(&slide, &to, number));
                if let Err(error) = packed {
                    failed += 1;
                    talk.error(&error.to_string(), &[], error.hint().as_deref());
                }
            }
            talk.step(done as u64 + 1, all, &format!("slides, {failed} failed"));
        }
        Ok(match failed {
            0 => ExitCode::Ok,
            n if n == all => ExitCode::Data,
            _ => ExitCode::Partial,
        })
    }
}
