//! The table of a site: whether it is still the one that was read.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::StudyError;

/// A site's own files as they were when they were read. A site that withdraws one withdraws from the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    files: Vec<State>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl State {
    fn of(path: &Path) -> Result<Self, StudyError> {
        let data = std::fs::metadata(path).map_err(StudyError::io("read", path))?;
        Ok(Self { path: path.to_owned(), bytes: data.len(), modified: data.modified().ok() })
    }
}

impl Source {
    /// Describes files.
    ///
    /// # Errors
    /// If one is not there.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<Self, StudyError> {
        Ok(Self { files: paths.into_iter().map(State::of).collect::<Result<_, _>>()? })
    }

    /// Checks that the files are there and were not written to since.
    ///
    /// # Errors
    /// If one was removed or changed.
    pub fn check(&self) -> Result<(), StudyError> {
        for file in &self.files {
            let what = match State::of(&file.path) {
                Ok(now) if now == *file => continue,
                Ok(_) => "changed",
                Err(_) => "removed",
            };
            return Err(StudyError::SiteTable { path: file.path.clone(), what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_goes_or_grows_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.csv");
        let other = dir.path().join("b.csv");
        std::fs::write(&other, "y\n1\n").expect("written");
        let of = || Source::of([other.as_path(), path.as_path()]);
        assert!(of().is_err());
        std::fs::write(&path, "x\n1\n").expect("written");
        let source = of().expect("there");
        source.check().expect("unchanged");
        std::fs::write(&path, "x\n1\n2\n").expect("written");
        assert!(
            source.check().expect_err("grown").to_string().ends_with("a.csv was changed since it was read")
        );
        std::fs::remove_file(&path).expect("removed");
        assert!(
            source.check().expect_err("gone").to_string().ends_with("a.csv was removed since it was read")
        );
    }
}
