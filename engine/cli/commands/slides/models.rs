//! What is made of the vectors, and how it is written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use osteon_core::ExitCode;
use osteon_core::files::write_atomic;
use osteon_imaging::slides::{
    Finish, Models, SlideEntry, SlideFault, SlideVectors, quality, write, write_faults,
};
use osteon_pipeline::Outcome;
use osteon_slides::{Mixture, Pca, SlidesError};
use osteon_study::watch::Watch;

use crate::failure::CommandError;
use crate::talk::Talk;

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Fit this many principal components to the tiles and add their scores
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub pca: Option<u32>,
    /// Use the PCA in this file (OUT.pca.json of an earlier run) instead of fitting one
    #[arg(long, value_name = "FILE", conflicts_with = "pca")]
    pub pca_model: Option<PathBuf>,
    /// Divide scores by the standard deviation of the tiles along their component
    #[arg(long)]
    pub whiten: bool,
    /// Add the share of tiles of each of K prototypes, found by k-means
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub kmeans: Option<u32>,
    /// Most steps of k-means, also of that with which a mixture begins; each reads the tiles once more
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub kmeans_steps: u32,
    /// Fit a mixture of K normal distributions with diagonal covariance to the tiles and add its weights in each slide
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub gmm: Option<u32>,
    /// Most steps of the mixture; each reads the tiles once more
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub gmm_steps: u32,
    /// Add also the means of the components in each slide, K times the width of an embedding
    #[arg(long)]
    pub gmm_means: bool,
    /// Use the mixture in this file (OUT.gmm.json of an earlier run) instead of fitting one
    #[arg(long, value_name = "FILE", conflicts_with = "gmm")]
    pub gmm_model: Option<PathBuf>,
    /// Add a random projection of the mean to this many dimensions
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub random_projection: Option<u32>,
    /// Seed of the random projection and of the first prototypes
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub seed: u64,
    /// Least slides of a site of a federation whose sums leave it
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub min_slides: u64,
    /// Data set of HDF5 files [default: features, feats, patch_embeddings or embeddings]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
}

impl ModelArgs {
    pub fn finish(&self) -> Result<Finish, SlidesError> {
        Ok(Finish {
            pca: self.pca.map(|k| k as usize),
            model: self.pca_model.as_deref().map(Pca::read).transpose()?,
            whiten: self.whiten,
            projection: self.random_projection.map(|k| k as usize),
            kmeans: self.kmeans.map(|k| k as usize),
            iterations: self.kmeans_steps as usize,
            gmm: self.gmm.map(|k| k as usize),
            gmm_model: self.gmm_model.as_deref().map(Mixture::read).transpose()?,
            gmm_means: self.gmm_means,
            gmm_iterations: self.gmm_steps as usize,
            seed: self.seed,
            min_slides: self.min_slides,
            key: self.key.clone(),
        })
    }
}

/// `slides.h5` and `pca.json` are `slides.pca.json`.
pub fn beside(out: &Path, name: &str) -> PathBuf {
    out.with_file_name(format!("{}.{name}", out.file_stem().unwrap_or_default().to_string_lossy()))
}

/// What came of the cases.
pub fn sorted(entries: Vec<SlideEntry>) -> (Vec<SlideVectors>, Vec<SlideFault>) {
    let (mut vectors, mut faults) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.outcome {
            Outcome::Done(v) => vectors.push(v),
            Outcome::Failed(f) => faults.push(f),
        }
    }
    (vectors, faults)
}

/// Writes the tables, the models and the quality report.
pub fn conclude(
    out: &Path,
    vectors: &[&SlideVectors],
    faults: &[SlideFault],
    models: &Models,
    talk: &Talk,
) -> Result<ExitCode, CommandError> {
    write(out, vectors, models)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| SlidesError::Io { path, source }
    };
    let found = quality(vectors, faults, models);
    let page = beside(out, "quality.html");
    write_atomic(&page, |file| file.write_all(found.page().as_bytes())).map_err(io(&page))?;
    let record = beside(out, "quality.json");
    write_atomic(&record, |file| Ok(serde_json::to_writer_pretty(file, &found)?)).map_err(io(&record))?;
    let groups = found.duplicates.len();
    if groups > 0 {
        talk.warn(&format!("{groups} groups of slides hold equal tiles, listed in {}", page.display()));
    }
    let failures = beside(out, "failures.csv");
    if faults.is_empty() {
        // That of an earlier run would now be wrong.
        let _ = fs::remove_file(&failures);
        return Ok(ExitCode::Ok);
    }
    write_faults(&failures, faults)?;
    talk.warn(&format!("{} without vectors, listed in {}", faults.len(), failures.display()));
    Ok(if vectors.is_empty() { ExitCode::Data } else { ExitCode::Partial })
}
