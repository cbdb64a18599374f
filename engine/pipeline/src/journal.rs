//! What is finished, one line per case, kept beside the table that comes of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use osteon_core::files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::PipelineError;
use crate::shard::Shard;
use crate::stamp::Stamp;

/// Hexadecimal digits of SHA-256 before each line: a torn or altered line is as if not written.
const CHECK: usize = 16;

/// The journal of a table: the same name and `.journal`.
pub fn journal_of(table: &Path) -> PathBuf {
    let mut name = table.file_name().unwrap_or_default().to_os_string();
    name.push(".journal");
    table.with_file_name(name)
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome<D, F> {
    /// Its result.
    Done(D),
    /// Why there is none.
    Failed(F),
}

/// A case that was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry<D, F> {
    /// Its place in the table of cases, from 0.
    pub case: usize,
    /// What it is known by if the table of cases changes.
    pub key: String,
    /// Its inputs as they were.
    pub stamp: Option<Stamp>,
    /// What came of it.
    pub outcome: Outcome<D, F>,
}

/// First line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    osteon_journal: u32,
    /// Hash of everything but the inputs that results depend on.
    parameters: String,
    /// Cases of all shards.
    cases: usize,
    shard: Shard,
}

/// Version of the format.
const FORMAT: u32 = 1;

/// A journal that is being written; one process at a time.
pub struct Journal<D, F> {
    path: PathBuf,
    file: File,
    entries: PhantomData<fn(D, F)>,
}

impl<D, F> Journal<D, F>
where
    D: Serialize + DeserializeOwned,
    F: Serialize + DeserializeOwned,
{
    /// Opens the journal of a batch, and gives what it holds of the cases that `place` knows by
    /// their keys, at their present places. With `restart` it begins empty.
    ///
    /// # Errors
    /// If another process holds the journal, it belongs to other parameters, or it cannot be
    /// written.
    pub fn open(
        path: &Path,
        parameters: &str,
        place: &HashMap<String, usize>,
        cases: usize,
        shard: Shard,
        restart: bool,
    ) -> Result<(Self, Vec<Entry<D, F>>), PipelineError> {
        let io = |e| PipelineError::io(path, e);
        let old = File::options().read(true).append(true).create(true).open(path).map_err(io)?;
        lock(&old, path)?;
        let head = Head { osteon_journal: FORMAT, parameters: parameters.to_owned(), cases, shard };
        let mut kept = HashMap::new();
        let begun = old.metadata().map_err(io)?.len() > 0;
        if begun && !restart {
            let (found, entries) = read_lines::<D, F>(&old, path)?;
            if found.parameters != parameters {
                return Err(PipelineError::Changed { path: path.to_owned() });
            }
            // A case that failed and was computed again is there twice: the later line counts.
            kept.extend(entries.into_iter().filter_map(|mut entry| {
                entry.case = *place.get(&entry.key)?;
                shard.holds(entry.case).then_some((entry.case, entry))
            }));
        }
        let mut kept: Vec<Entry<D, F>> = kept.into_values().collect();
        kept.sort_by_key(|e| e.case);

        // Places may have moved and the last line may be torn: a fresh copy has neither.
        files::write_atomic::<io::Error>(path, |out| {
            out.write_all(&line(&head)?)?;
            kept.iter().try_for_each(|entry| out.write_all(&line(entry)?))
        })
        .map_err(io)?;
        let file = File::options().append(true).open(path).map_err(io)?;
        lock(&file, path)?;
        Ok((Self { path: path.to_owned(), file, entries: PhantomData }, kept))
    }

    /// Adds a case. The line survives the death of the process, not that of the machine.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, entry: &Entry<D, F>) -> Result<(), PipelineError> {
        let written = line(entry).and_then(|line| self.file.write_all(&line));
        written.map_err(|e| PipelineError::io(&self.path, e))
    }

    /// Makes what was added survive the death of the machine.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn sync(&self) -> Result<(), PipelineError> {
        self.file.sync_data().map_err(|e| PipelineError::io(&self.path, e))
    }

    /// Everything in the journals of the shards of one batch, in the order of the cases.
    ///
    /// # Errors
    /// If a journal cannot be read, they are not of one batch, or a case is in none or in two.
    pub fn merge(paths: &[PathBuf]) -> Result<Vec<Entry<D, F>>, PipelineError> {
        let mut heads: Option<Head> = None;
        let mut found: HashMap<usize, (Entry<D, F>, &Path)> = HashMap::new();
        for path in paths {
            let file = File::open(path).map_err(|e| PipelineError::io(path, e))?;
            let (head, entries) = read_lines::<D, F>(&file, path)?;
            let first = heads.get_or_insert_with(|| head.clone());
            if (&first.parameters, first.cases) != (&head.parameters, head.cases) {
                return Err(PipelineError::Changed { path: path.clone() });
            }
            for entry in entries {
                let case = entry.case;
                let before = found.insert(case, (entry, path));
                if let Some((_, other)) = before.filter(|(_, other)| other != path) {
                    let (first, second) = (other.to_owned(), path.clone());
                    return Err(PipelineError::Twice { case: case + 1, first, second });
                }
            }
        }
        let total = heads.map_or(0, |head| head.cases);
        if let Some(first) = (0..total).find(|case| !found.contains_key(case)) {
            let missing = total - found.len();
            return Err(PipelineError::Incomplete { missing, total, first: first + 1 });
        }
        let mut entries: Vec<_> = found.into_values().map(|(entry, _)| entry).collect();
        entries.sort_by_key(|e| e.case);
        Ok(entries)
    }
}

/// One writer at a time, where the file system knows locks.
fn lock(file: &File, path: &Path) -> Result<(), PipelineError> {
    let locked = || PipelineError::Locked { path: path.to_owned() };
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => return Err(locked()),
        Err(fs::TryLockError::Error(_)) | Ok(()) => {}
    }
    // Whoever held the lock before may have put another file in its place.
    let io = |e| PipelineError::io(path, e);
    let (here, there) = (file.metadata().map_err(io)?, fs::metadata(path).map_err(io)?);
    if (here.dev(), here.ino()) == (there.dev(), there.ino()) { Ok(()) } else { Err(locked()) }
}

fn line(record: &impl Serialize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(record)?;
    Ok(format!("{} {json}\n", &files::sha256_hex(json.as_bytes())[..CHECK]).into_bytes())
}

/// The record of a line that is as it was written.
fn record<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (check, json) = line.strip_suffix(b"\n")?.split_at_checked(CHECK)?;
    let json = json.strip_prefix(b" ")?;
    if files::sha256_hex(json).as_bytes()[..CHECK] != *check {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn read_lines<D, F>(file: &File, path: &Path) -> Result<(Head, Vec<Entry<D, F>>), PipelineError>
where
    D: DeserializeOwned,
    F: DeserializeOwned,
{
    let mut lines = BufReader::new(file);
    let mut next = || {
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line).map_err(|e| PipelineError::io(path, e))?;
        Ok((!line.is_empty()).then_some(line))
    };
    let head = next()?.and_then(|line| record::<Head>(&line)).filter(|head| head.osteon_journal == FORMAT);
    let head = head.ok_or_else(|| PipelineError::Foreign { path: path.to_owned() })?;
    let mut entries = Vec::new();
    while let Some(line) = next()? {
        entries.extend(record::<Entry<D, F>>(&line));
    }
    Ok((head, entries))
}
