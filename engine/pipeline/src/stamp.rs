//! By what an input is known again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use osteon_core::files;
use serde::{Deserialize, Serialize};

/// Size and time of the inputs of a case; their content too where that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes of all inputs.
    pub bytes: u64,
    /// Number of files.
    files: u64,
    /// Times of last change, in nanoseconds since 1970, mixed with the sizes.
    times: String,
    /// SHA-256 of the contents.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    content: Option<String>,
}

impl Stamp {
    /// The stamp of files and folders (with the files in them). Contents are read only where
    /// `verify` asks for it.
    ///
    /// # Errors
    /// If an input is missing or cannot be read.
    pub fn of(inputs: &[PathBuf], verify: bool) -> io::Result<Self> {
        let mut all = Vec::new();
        for input in inputs {
            collect(input, &mut all)?;
        }
        let mut times = String::new();
        for (_, bytes, time) in &all {
            times.push_str(&format!("{bytes} {time}\n"));
        }
        let hashes = || all.iter().map(|(path, ..)| files::sha256_file(path)).collect::<io::Result<Vec<_>>>();
        let content = if verify { Some(files::sha256_hex(hashes()?.join("\n").as_bytes())) } else { None };
        Ok(Self {
            bytes: all.iter().map(|(_, bytes, _)| bytes).sum(),
            files: all.len() as u64,
            times: files::sha256_hex(times.as_bytes())[..16].to_owned(),
            content,
        })
    }

    /// Whether inputs that once had the stamp `old` are the same still. With contents at hand they
    /// decide alone, so that a copy with new times is known again.
    pub fn matches(&self, old: &Self) -> bool {
        match (&self.content, &old.content) {
            (Some(new), Some(old)) => new == old,
            (Some(_), None) => false,
            _ => (self.bytes, self.files, &self.times) == (old.bytes, old.files, &old.times),
        }
    }
}

/// Adds `path`, or the files in the folder `path` in the order of their names.
fn collect(path: &Path, all: &mut Vec<(PathBuf, u64, u128)>) -> io::Result<()> {
    let meta = fs::metadata(path)?;
    if meta.is_dir() {
        let mut inside = fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| collect(path, all));
    }
    let time = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    all.push((path.to_owned(), meta.len(), time));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_input_is_another() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("a");
        let inputs = [dir.path().to_owned()];
        let of = |verify| Stamp::of(&inputs, verify).expect("a stamp");
        fs::write(&path, b"one").expect("written");
        let (first, content) = (of(false), of(true));
        assert!(of(false).matches(&first));
        assert!(!of(true).matches(&first), "its content was never looked at");

        // The same size and time, another content.
        let time = fs::metadata(&path).and_then(|m| m.modified()).expect("a time");
        let touch = |time| fs::File::options().append(true).open(&path)?.set_modified(time);
        fs::write(&path, b"two").expect("written");
        touch(time).expect("a time");
        assert!(of(false).matches(&first));
        assert!(!of(true).matches(&content));

        // The same content, another time.
        fs::write(&path, b"one").expect("written");
        touch(UNIX_EPOCH).expect("a time");
        assert!(!of(false).matches(&first));
        assert!(of(true).matches(&content));
        assert!(Stamp::of(&[dir.path().join("absent")], false).is_err());
    }
}
