//! A file for readers that want a path, kept in memory where the system has such a folder.

use std::fs;
use std::path::{Path, PathBuf};

pub fn file(ending: &str, bytes: &[u8]) -> PathBuf {
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let path = folder.join(format!("osteon-fuzz-{}.{ending}", std::process::id()));
    fs::write(&path, bytes).expect("a file");
    path
}
