//! Checkpoints of a federation, and the model file at its end.
//!
//! - [`stored`]: named tensors in safetensors files,
//! - [`model`]: `model.safetensors`, `[B, ...]` tensors and a table of the problems,
//! - [`manifest`]: what a complete checkpoint consists of,
//! - this file: writing one in two phases and finding the newest that is whole.
//!
//! Phase one: every rank writes and syncs its own file. Phase two: once all ranks have said so, rank 0
//! renames the manifest into place. A checkpoint without manifest does not exist, so a kill at any moment
//! leaves the previous one. The two newest are kept. The directory must be shared by all ranks.

pub mod manifest;
pub mod model;
pub mod stored;

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Comm, FederateError};
use manifest::{Manifest, Part};

pub use model::{ModelFile, read_model, write_model};
pub use stored::{StoredTensor, Values};

/// Checkpoints kept.
const KEPT: usize = 2;

/// What a federation resumes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Rounds completed.
    pub round: u32,
    /// Global parameters, `[G, P]`.
    pub global: Vec<f32>,
    /// State of the strategy.
    pub server: Vec<StoredTensor>,
    /// State of the sites of this rank.
    pub sites: Vec<SiteState>,
}

/// Optimiser state of one site (`local_state = "keep"`). Stays with the rank that holds the site.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteState {
    /// Index of the site.
    pub site: usize,
    /// Its tensors.
    pub tensors: Vec<StoredTensor>,
}

/// A snapshot read back.
#[derive(Debug)]
pub struct Loaded {
    /// What was saved; the states of the wanted sites only.
    pub snapshot: Snapshot,
    /// Newer checkpoints that could not be used, and why (on rank 0).
    pub warnings: Vec<String>,
}

/// The directory of a run's checkpoints.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    dir: PathBuf,
    /// Identity of the run (SHA-256 of its resolved study); another run's checkpoints are refused.
    run: String,
}

impl Checkpoints {
    /// Checkpoints of the run `run` in `dir`, which is made at the first [`Self::save`].
    pub fn new(dir: impl Into<PathBuf>, run: impl Into<String>) -> Self {
        Self { dir: dir.into(), run: run.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a checkpoint; all ranks call it, with their own sites' states.
    ///
    /// # Errors
    /// On all ranks, if any rank cannot write; the previous checkpoint is then untouched.
    pub fn save(&self, comm: &Comm, snapshot: &Snapshot) -> Result<(), FederateError> {
        let written = self.write_part(comm.rank(), snapshot);
        let text =
            written.as_ref().ok().and_then(|part| serde_json::to_string(part).ok()).unwrap_or_default();
        comm.agree(written.map(|_| ()))?;
        let parts = comm.gather_metadata(&text)?;
        let committed = if comm.rank() == 0 { self.commit(snapshot.round, &parts) } else { Ok(()) };
        comm.agree(committed)
    }

    /// The newest whole checkpoint, or `None` if there is none yet; all ranks call it and get the same round.
    /// `wanted` are the sites whose state this rank takes over.
    ///
    /// # Errors
    /// On all ranks: checkpoints are there but none is whole, or they belong to another run.
    pub fn load(&self, comm: &Comm, wanted: &[usize]) -> Result<Option<Loaded>, FederateError> {
        let found = if comm.rank() == 0 { self.newest() } else { Ok((None, Vec::new())) };
        let (manifest, warnings) = comm.agree(found)?;
        // Rounds are told as round + 1, so that 0 means none.
        let round = match comm.decide(manifest.map_or(0, |m| u64::from(m.round) + 1))? {
            0 => return Ok(None),
            n => (n - 1) as u32,
        };
        let snapshot = comm.agree(self.read(round, wanted))?;
        Ok(Some(Loaded { snapshot, warnings }))
    }

    fn write_part(&self, rank: usize, snapshot: &Snapshot) -> Result<Option<Part>, FederateError> {
        fs::create_dir_all(&self.dir).map_err(|e| FederateError::file(&self.dir, e))?;
        let mut tensors = Vec::new();
        if rank == 0 {
            let shape = vec![snapshot.global.len()];
            tensors.push(StoredTensor::new("global", shape, Values::F32(snapshot.global.clone())));
            tensors.extend(snapshot.server.iter().map(|t| t.under("server")));
        }
        for site in &snapshot.sites {
            tensors.extend(site.tensors.iter().map(|t| t.under(&format!("site/{}", site.site))));
        }
        if tensors.is_empty() {
            return Ok(None);
        }
        let name = format!("{}.rank-{rank:04}.safetensors", stem(snapshot.round));
        let path = self.dir.join(&name);
        stored::write(&path, &tensors, None)?;
        Part::of(&self.dir, name).map(Some)
    }

    fn commit(&self, round: u32, parts: &[String]) -> Result<(), FederateError> {
        let path = self.manifest_path(round);
        let parts: Vec<Option<Part>> = parts
            .iter()
            .map(|p| serde_json::from_str(p).map_err(|e| FederateError::file(&path, e)))
            .collect::<Result<_, _>>()?;
        Manifest::new(&self.run, round, parts.into_iter().flatten().collect()).write(&path)?;
        self.prune()
    }

    /// Removes what no kept manifest names. Runs while the other ranks wait, so nobody else writes.
    fn prune(&self) -> Result<(), FederateError> {
        let rounds = self.rounds()?;
        let mut keep: Vec<String> = Vec::new();
        for &round in rounds.iter().take(KEPT) {
            keep.push(file_name(&self.manifest_path(round)));
            if let Ok(manifest) = Manifest::read(&self.manifest_path(round)) {
                keep.extend(manifest.parts.into_iter().map(|p| p.name));
            }
        }
        let mut stale: Vec<PathBuf> = self.files()?;
        stale.retain(|p| file_name(p).starts_with("round-") && !keep.contains(&file_name(p)));
        // Manifests first: a part must not vanish while its manifest stands.
        stale.sort_by_key(|p| p.extension().is_none_or(|e| e != "json"));
        stale.iter().try_for_each(|p| fs::remove_file(p).map_err(|e| FederateError::file(p, e)))
    }

    /// The newest whole checkpoint and what is wrong with those passed over.
    fn newest(&self) -> Result<(Option<Manifest>, Vec<String>), FederateError> {
        let mut faults: Vec<String> = Vec::new();
        for round in self.rounds()? {
            let path = self.manifest_path(round);
            match Manifest::read(&path).and_then(|m| m.verify(&self.dir).map(|()| m)) {
                Ok(manifest) if manifest.run != self.run => {
                    return Err(FederateError::file(path, "belongs to a run with another configuration"));
                }
                Ok(manifest) => return Ok((Some(manifest), faults)),
                Err(e) => faults.push(format!("checkpoint of round {round} is not whole, passed over: {e}")),
            }
        }
        match faults.is_empty() {
            true => Ok((None, faults)),
            false => Err(FederateError::file(&self.dir, faults.join("; "))),
        }
    }

    fn read(&self, round: u32, wanted: &[usize]) -> Result<Snapshot, FederateError> {
        let mut snapshot = Snapshot { round, ..Snapshot::default() };
        snapshot.sites = wanted.iter().map(|&site| SiteState { site, tensors: Vec::new() }).collect();
        for part in Manifest::read(&self.manifest_path(round))?.parts {
            for mut tensor in stored::read(&self.dir.join(&part.name))?.0 {
                if tensor.name == "global" {
                    if let Values::F32(values) = tensor.values {
                        snapshot.global = values;
                    }
                } else if let Some(name) = tensor.name.strip_prefix("server/") {
                    tensor.name = name.to_owned();
                    snapshot.server.push(tensor);
                } else if let Some((site, name)) = site_of(&tensor.name)
                    && let Some(state) = snapshot.sites.iter_mut().find(|s| s.site == site)
                {
                    state.tensors.push(StoredTensor { name, ..tensor });
                }
            }
        }
        snapshot.sites.retain(|s| !s.tensors.is_empty());
        Ok(snapshot)
    }

    /// Rounds with a manifest, newest first.
    fn rounds(&self) -> Result<Vec<u32>, FederateError> {
        let number = |p: &PathBuf| file_name(p).strip_prefix("round-")?.strip_suffix(".json")?.parse().ok();
        let mut rounds: Vec<u32> = self.files()?.iter().filter_map(number).collect();
        rounds.sort_unstable_by(|a, b| b.cmp(a));
        Ok(rounds)
    }

    fn files(&self) -> Result<Vec<PathBuf>, FederateError> {
        let fault = |e| FederateError::file(&self.dir, e);
        match fs::read_dir(&self.dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.map_err(fault)?.map(|e| e.map(|e| e.path()).map_err(fault)).collect(),
        }
    }

    fn manifest_path(&self, round: u32) -> PathBuf {
        self.dir.join(format!("{}.json", stem(round)))
    }
}

fn stem(round: u32) -> String {
    format!("round-{round:06}")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `site/3/adam.m` is tensor `adam.m` of site 3.
fn site_of(name: &str) -> Option<(usize, String)> {
    let (site, name) = name.strip_prefix("site/")?.split_once('/')?;
    Some((site.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
