//! Files of embeddings and their names.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::SlidesError;

/// Extensions of embeddings.
const EXTENSIONS: [&str; 6] = ["h5", "hdf5", "npy", "pt", "pth", "parquet"];

fn is_known(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e))
}

/// The name of a slide: that of its file without the extension of embeddings.
pub fn slide_name(path: &Path) -> String {
    let name = if is_known(path) { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// Every file of embeddings among `inputs`, folders searched (not below), in the order of their names.
///
/// # Errors
/// If there is none, or a folder cannot be read.
pub fn slide_files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, SlidesError> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let io = |source| SlidesError::io(input, source);
        let inside = fs::read_dir(input).map_err(io)?.map(|e| e.map(|e| e.path()));
        let mut inside = inside.collect::<Result<Vec<_>, _>>().map_err(io)?;
        inside.retain(|f| is_known(f));
        inside.sort();
        files.extend(inside);
    }
    if files.is_empty() {
        return Err(SlidesError::Option("the inputs hold no embeddings".into()));
    }
    Ok(files)
}

/// Files by what a table may call them: the name of the file, with or without the extension.
#[derive(Debug, Clone, Default)]
pub struct Named(HashMap<String, PathBuf>);

impl Named {
    /// By the names of these files.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let full = |f: &Path| f.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = |f: PathBuf| [slide_name(&f), full(&f)].map(|name| (name, f.clone()));
        Self(files.into_iter().flat_map(names).collect())
    }

    /// The file of that name.
    pub fn get(&self, name: &str) -> Option<&PathBuf> {
        self.0.get(name).or_else(|| self.0.get(&slide_name(Path::new(name))))
    }
}
