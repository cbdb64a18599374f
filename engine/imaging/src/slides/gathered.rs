//! Sums of products of the slides that a PCA is fitted to, kept in a file beside the journal.
//!
//! A journal holds a line per slide; 9 MB of products per slide do not belong there. The file holds their sum, and
//! which slides are in it. It is written now and then, whole and under another name first; slides that finished after
//! it was last written are read again when a batch goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use osteon_core::files::{sha256_hex, write_atomic};
use osteon_pipeline::Stamp;
use osteon_slides::{Scatter, SlideProducts, SlidesError};
use serde::{Deserialize, Serialize};

use super::cases::SlideCases;

/// Time between two writes.
const EVERY: Duration = Duration::from_secs(60);
const FORMAT: u32 = 1;

/// The file beside a table: the same name and `.products`.
pub fn gathered_of(table: &Path) -> PathBuf {
    let mut name = table.file_name().unwrap_or_default().to_os_string();
    name.push(".products");
    table.with_file_name(name)
}

/// First line of the file; the sums follow as little-endian words.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    osteon_products: u32,
    parameters: String,
    width: usize,
    words: usize,
    sha256: String,
    slides: BTreeMap<String, Option<Stamp>>,
}

struct State {
    scatter: Option<Scatter>,
    slides: BTreeMap<String, Option<Stamp>>,
    written: Instant,
}

/// Sums over slides, shared by the threads of a batch.
pub struct Gathered {
    path: PathBuf,
    parameters: String,
    state: Mutex<State>,
}

impl Gathered {
    /// Takes up the file where it holds slides of `cases` that are to be fitted to and are as they were then;
    /// otherwise, or with `restart`, begins empty.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn open(
        path: &Path,
        parameters: &str,
        cases: &SlideCases,
        key: &dyn Fn(usize) -> String,
        restart: bool,
    ) -> Result<Self, SlidesError> {
        let parameters = sha256_hex(parameters.as_bytes());
        let mut state = State { scatter: None, slides: BTreeMap::new(), written: Instant::now() };
        if !restart && path.exists() {
            let files: BTreeMap<String, &Vec<PathBuf>> = cases
                .list
                .iter()
                .enumerate()
                .filter(|(_, c)| c.fit)
                .map(|(k, c)| (key(k), &c.files))
                .collect();
            let same = |(key, then): (&String, &Option<Stamp>)| {
                let now = files.get(key).and_then(|files| Stamp::of(files, false).ok());
                matches!((now, then), (Some(now), Some(then)) if now.matches(then))
            };
            if let Some((head, scatter)) = read(path)?
                && head.parameters == parameters
                && head.slides.iter().all(same)
            {
                (state.scatter, state.slides) = (Some(scatter), head.slides);
            }
        }
        Ok(Self { path: path.to_owned(), parameters, state: Mutex::new(state) })
    }

    /// Whether a slide is in the sums; one without tiles never is.
    pub fn holds(&self, key: &str) -> bool {
        self.lock().slides.contains_key(key)
    }

    /// Adds a slide.
    ///
    /// # Errors
    /// If it has another width than those before, or the file cannot be written.
    pub fn add(
        &self,
        key: String,
        stamp: Option<Stamp>,
        tiles: u64,
        products: &SlideProducts,
    ) -> Result<(), SlidesError> {
        let mut state = self.lock();
        let width = products.sum.len();
        let scatter = state.scatter.get_or_insert_with(|| Scatter::new(width));
        if scatter.width() != width {
            let text = format!("{width} values a tile where other slides have {}", scatter.width());
            return Err(SlidesError::Mixed(text));
        }
        scatter.add(tiles, products);
        state.slides.insert(key, stamp);
        if state.written.elapsed() >= EVERY {
            self.write(&mut state)?;
        }
        Ok(())
    }

    /// Writes the file and gives the sums; `None` where there were no tiles.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self) -> Result<Option<Scatter>, SlidesError> {
        let mut state = self.lock();
        self.write(&mut state)?;
        Ok(state.scatter.take())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State) -> Result<(), SlidesError> {
        let Some(scatter) = &state.scatter else { return Ok(()) };
        let words: Vec<u8> = scatter.to_words().iter().flat_map(|w| w.to_le_bytes()).collect();
        let head = Head {
            osteon_products: FORMAT,
            parameters: self.parameters.clone(),
            width: scatter.width(),
            words: words.len() / 8,
            sha256: sha256_hex(&words),
            slides: state.slides.clone(),
        };
        let write = |out: &mut std::io::BufWriter<fs::File>| {
            serde_json::to_writer(&mut *out, &head)?;
            out.write_all(b"\n")?;
            out.write_all(&words)
        };
        write_atomic(&self.path, write)
            .map_err(|source| SlidesError::Io { path: self.path.clone(), source })?;
        state.written = Instant::now();
        Ok(())
    }
}

/// The slides and sums of a file; `None` if it is damaged.
fn read(path: &Path) -> Result<Option<(Head, Scatter)>, SlidesError> {
    let bytes = fs::read(path).map_err(|source| SlidesError::Io { path: path.to_owned(), source })?;
    Ok((|| {
        let end = bytes.iter().position(|&b| b == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let words = &bytes[end + 1..];
        if head.osteon_products != FORMAT || words.len() != 8 * head.words || sha256_hex(words) != head.sha256
        {
            return None;
        }
        let words: Vec<u64> =
            words.chunks_exact(8).filter_map(|w| w.try_into().ok().map(u64::from_le_bytes)).collect();
        let scatter = Scatter::from_words(head.width, &words)?;
        Some((head, scatter))
    })())
}

/// The sums of the parts of a batch.
///
/// # Errors
/// If a file cannot be read, is damaged, or they are not of one batch.
pub(super) fn merge(paths: &[PathBuf]) -> Result<Option<(Scatter, usize)>, SlidesError> {
    let mut whole: Option<(Scatter, BTreeMap<String, Option<Stamp>>, String)> = None;
    for path in paths.iter().filter(|p| p.exists()) {
        let wrong = |reason: &str| SlidesError::Model(format!("{}: {reason}", path.display()));
        let (head, scatter) =
            read(path)?.ok_or_else(|| wrong("the sums are damaged; run this part again"))?;
        match &mut whole {
            None => whole = Some((scatter, head.slides, head.parameters)),
            Some((sums, slides, parameters)) => {
                if sums.width() != scatter.width() || *parameters != head.parameters {
                    return Err(wrong("its sums are of other parameters or another width"));
                }
                let before = slides.len() + head.slides.len();
                slides.extend(head.slides);
                if slides.len() != before {
                    return Err(wrong("a slide is in the sums of two parts"));
                }
                sums.merge(&scatter);
            }
        }
    }
    Ok(whole.map(|(scatter, slides, _)| (scatter, slides.len())))
}
