//! The table of a site: whether it is still the one that was read.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::StudyError;

/// A site's own file as it was when it was read. A site that withdraws its file withdraws from the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Source {
    /// Describes a file.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(path: &Path) -> Result<Self, StudyError> {
        let data = std::fs::metadata(path).map_err(StudyError::io("read", path))?;
        Ok(Self { path: path.to_owned(), bytes: data.len(), modified: data.modified().ok() })
    }

    /// Checks that the file is there and was not written to since.
    ///
    /// # Errors
    /// If it was removed or changed.
    pub fn check(&self) -> Result<(), StudyError> {
        let what = match Self::of(&self.path) {
            Ok(now) if now == *self => return Ok(()),
            Ok(_) => "changed",
            Err(_) => "removed",
        };
        Err(StudyError::SiteTable { path: self.path.clone(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_goes_or_grows_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.csv");
        assert!(Source::of(&path).is_err());
        std::fs::write(&path, "x\n1\n").expect("written");
        let source = Source::of(&path).expect("there");
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
