//! `osteon slides merge`.

use std::path::PathBuf;

use clap::Args;
use osteon_core::ExitCode;
use osteon_federate::Comm;
use osteon_imaging::slides::{SlideVectors, fit, merge};

use super::models::{ModelArgs, conclude, sorted};
use super::reduce::save;
use crate::args::Voice;
use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct Merge {
    /// Tables of the shards; the .journal and .products beside each are what is read
    #[arg(value_name = "TABLE", required = true)]
    pub parts: Vec<PathBuf>,
    #[command(flatten)]
    pub models: ModelArgs,
    /// Table to write: .h5, .parquet, .csv, .tsv or .json
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub voice: Voice,
}

impl Merge {
    pub fn run(&self, talk: &Talk) -> Result<ExitCode, CommandError> {
        let (entries, scatter) = merge(&self.parts)?;
        let finish = self.models.finish()?;
        if finish.needs_products() && scatter.is_none() {
            let text = "the parts were reduced without sums of products, so no PCA can be fitted".to_owned();
            let hint = "give --pca, --kmeans or --gmm to `slides reduce --shard` too".to_owned();
            return Err(CommandError::Plain(text, ExitCode::Usage, Some(hint)));
        }
        let (vectors, faults) = sorted(entries);
        let vectors: Vec<&SlideVectors> = vectors.iter().collect();
        let models = fit(&vectors, vec![("all".to_owned(), scatter)], &finish, &Comm::solo())?;
        save(&self.out, &models, talk)?;
        conclude(&self.out, &vectors, &faults, &models, talk)
    }
}
