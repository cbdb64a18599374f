//! The manifest of a checkpoint: its parts with their SHA-256, and its own.

use std::io::Write;
use std::path::Path;

use osteon_core::files::{sha256_file, sha256_hex, write_atomic};
use serde::{Deserialize, Serialize};

use crate::FederateError;

const SCHEMA: &str = "osteon.checkpoint/1";

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name in the directory of the manifest.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// What a complete checkpoint consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format of this file.
    pub schema: String,
    /// Identity of the run.
    pub run: String,
    /// Rounds completed.
    pub round: u32,
    /// Files of the ranks that had something to write.
    pub parts: Vec<Part>,
    /// SHA-256 of this manifest with this field empty.
    pub sha256: String,
}

impl Part {
    /// Measures a file just written.
    pub(super) fn of(dir: &Path, name: String) -> Result<Self, FederateError> {
        let path = dir.join(&name);
        let fault = |e| FederateError::file(&path, e);
        let bytes = std::fs::metadata(&path).map_err(fault)?.len();
        let sha256 = sha256_file(&path).map_err(fault)?;
        Ok(Self { name, bytes, sha256 })
    }
}

impl Manifest {
    pub(super) fn new(run: &str, round: u32, parts: Vec<Part>) -> Self {
        let mut manifest =
            Self { schema: SCHEMA.into(), run: run.into(), round, parts, sha256: String::new() };
        manifest.sha256 = manifest.digest();
        manifest
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), FederateError> {
        let write = |out: &mut std::io::BufWriter<std::fs::File>| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        };
        write_atomic::<std::io::Error>(path, write).map_err(|e| FederateError::file(path, e))
    }

    pub(super) fn read(path: &Path) -> Result<Self, FederateError> {
        let text = std::fs::read_to_string(path).map_err(|e| FederateError::file(path, e))?;
        let manifest: Self = serde_json::from_str(&text).map_err(|e| FederateError::file(path, e))?;
        if manifest.schema != SCHEMA {
            return Err(FederateError::file(path, format!("schema '{}' is not {SCHEMA}", manifest.schema)));
        }
        if manifest.sha256 != manifest.digest() {
            return Err(FederateError::file(path, "its SHA-256 does not match its content"));
        }
        Ok(manifest)
    }

    /// Checks that every part is there and unchanged.
    pub(super) fn verify(&self, dir: &Path) -> Result<(), FederateError> {
        for part in &self.parts {
            if Part::of(dir, part.name.clone())? != *part {
                return Err(FederateError::file(
                    dir.join(&part.name),
                    "its SHA-256 does not match the manifest",
                ));
            }
        }
        Ok(())
    }

    fn digest(&self) -> String {
        let bare = Self { sha256: String::new(), ..self.clone() };
        sha256_hex(&serde_json::to_vec(&bare).unwrap_or_default())
    }
}
