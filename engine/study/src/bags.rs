//! The tiles of the patients of a study, kept in memory as far as they fit.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use half::{bf16, f16};
use osteon_federate::{Comm, FederateError};
use osteon_kernels::ops::attention_pool::BLOCK;
use osteon_kernels::ops::pool::Rows;
use osteon_models::abmil::{self, EmptyBag};
use osteon_slides::{Level, Named, Slide, SlidesError, slide_files, slide_name};
use osteon_table::{ReadOptions, read};
use serde::{Deserialize, Serialize};

use crate::schema::missing;
use crate::{StudyError, config};

/// Tiles of a slide in the type of its file.
enum Held {
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Held {
    fn rows(&self) -> Rows<'_> {
        match self {
            Self::F16(v) => Rows::F16(v),
            Self::Bf16(v) => Rows::Bf16(v),
            Self::F32(v) => Rows::F32(v),
            Self::F64(v) => Rows::F64(v),
        }
    }

    fn append(held: &mut Option<Self>, rows: Rows) {
        match (held, rows) {
            (Some(Self::F16(held)), Rows::F16(v)) => held.extend_from_slice(v),
            (Some(Self::Bf16(held)), Rows::Bf16(v)) => held.extend_from_slice(v),
            (Some(Self::F32(held)), Rows::F32(v)) => held.extend_from_slice(v),
            (Some(Self::F64(held)), Rows::F64(v)) => held.extend_from_slice(v),
            (held, Rows::F16(v)) => *held = Some(Self::F16(v.to_vec())),
            (held, Rows::Bf16(v)) => *held = Some(Self::Bf16(v.to_vec())),
            (held, Rows::F32(v)) => *held = Some(Self::F32(v.to_vec())),
            (held, Rows::F64(v)) => *held = Some(Self::F64(v.to_vec())),
        }
    }
}

/// A slide, and its tiles once they were read, if there is room for them.
struct Opened {
    slide: Slide,
    keep: bool,
    held: OnceLock<Held>,
}

/// The bags of the patients held here.
pub struct Bags {
    slides: Vec<Vec<Opened>>,
    ids: Vec<String>,
    by_id: HashMap<String, usize>,
    width: usize,
    encoder: Option<String>,
    kept_bytes: usize,
}

/// What ranks tell each other of their slides.
#[derive(Serialize, Deserialize)]
struct Kind {
    width: usize,
    encoder: Option<String>,
}

impl Bags {
    /// Opens the slides of these patients, whose widths and encoders must be one; no tile is read yet.
    ///
    /// # Errors
    /// If a patient has no slide or no tile, or slides do not fit together.
    pub fn open<'i>(
        asked: &config::Bags,
        ids: impl IntoIterator<Item = &'i String>,
    ) -> Result<Self, StudyError> {
        let files = files(asked)?;
        let budget = match asked.memory_mb {
            Some(mb) => mb << 20,
            None => osteon_core::memory::allotment().map_or(1 << 30, |m| m.bytes / 2),
        };
        // Activations of a step need less than the tiles of all its epochs.
        let mut left = budget / 4 * 3;
        let mut bags = Self {
            slides: Vec::new(),
            ids: Vec::new(),
            by_id: HashMap::new(),
            width: 0,
            encoder: None,
            kept_bytes: usize::try_from(budget / 4).unwrap_or(usize::MAX),
        };
        let mut without: Vec<&str> = Vec::new();
        for id in ids {
            if bags.by_id.contains_key(id) {
                continue;
            }
            let mut slides = Vec::new();
            for path in files.get(id).into_iter().flatten() {
                let slide = Slide::open(path, asked.key.as_deref())?;
                if slide.tiles() == 0 {
                    continue;
                }
                bags.admit(&slide)?;
                let bytes = (slide.tiles() * slide.width() * slide.number().bytes()) as u64;
                let keep = bytes <= left;
                left -= if keep { bytes } else { 0 };
                slides.push(Opened { slide, keep, held: OnceLock::new() });
            }
            if slides.is_empty() {
                without.push(id);
            }
            bags.by_id.insert(id.clone(), bags.slides.len());
            bags.ids.push(id.clone());
            bags.slides.push(slides);
        }
        if let Some(first) = without.first() {
            return Err(StudyError::Bags {
                reason: format!(
                    "{} of {} patients have no tiles in {}; the first is \"{first}\"",
                    without.len(),
                    bags.slides.len(),
                    asked.folder.display()
                ),
                hint: "leave their rows out of the table of patients",
            });
        }
        Ok(bags)
    }

    /// The patients that have slides.
    ///
    /// # Errors
    /// If the folder or the table cannot be read.
    pub fn patients(asked: &config::Bags) -> Result<Vec<String>, StudyError> {
        Ok(files(asked)?.into_keys().collect())
    }

    /// Makes sure that a slide is of the kind of the others.
    fn admit(&mut self, slide: &Slide) -> Result<(), StudyError> {
        let wrong = |what: String| StudyError::Bags {
            reason: format!("{}: {what}", slide.path().display()),
            hint: "train on the slides of each encoder by themselves",
        };
        if slide.level() == Level::Slide {
            return Err(wrong("one vector of a whole slide, where tiles are pooled".to_owned()));
        }
        if self.width != 0 && slide.width() != self.width {
            return Err(wrong(format!("{} values per tile, {} in others", slide.width(), self.width)));
        }
        self.width = slide.width();
        match (&self.encoder, slide.encoder()) {
            (Some(known), Some(other)) if known != other => {
                return Err(wrong(format!("encoder \"{other}\", \"{known}\" in others")));
            }
            (None, Some(encoder)) => self.encoder = Some(encoder.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Makes sure that the slides of all ranks are of one kind, and learns their width.
    ///
    /// # Errors
    /// On all ranks, if they are not.
    pub fn agree(&mut self, comm: &Comm) -> Result<(), StudyError> {
        let mine = Kind { width: self.width, encoder: self.encoder.clone() };
        let all = comm.gather_metadata(&serde_json::to_string(&mine).unwrap_or_default())?;
        for text in &all {
            let kind: Kind = serde_json::from_str(text)
                .map_err(|e| FederateError::Lost(format!("slides of a rank: {e}")))?;
            let same = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
            if kind.width != 0 && self.width != 0 && kind.width != self.width
                || !same(&kind.encoder, &self.encoder)
            {
                return Err(StudyError::Bags {
                    reason: "the slides of sites differ in width or encoder".to_owned(),
                    hint: "train on the slides of each encoder by themselves",
                });
            }
            self.width = self.width.max(kind.width);
            self.encoder = self.encoder.take().or(kind.encoder);
        }
        Ok(())
    }

    /// Values of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of activations that a step may keep.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The numbers of the bags of patients.
    ///
    /// # Errors
    /// If one of them was not opened.
    pub fn of(&self, ids: &[String]) -> Result<Arc<Vec<usize>>, StudyError> {
        let bag = |id: &String| {
            self.by_id.get(id).copied().ok_or_else(|| StudyError::Bags {
                reason: format!("patient \"{id}\" has no bag"),
                hint: "each patient needs a slide",
            })
        };
        Ok(Arc::new(ids.iter().map(bag).collect::<Result<_, _>>()?))
    }

    /// The slides of a bag and their tiles.
    pub fn slides(&self, bag: usize) -> impl Iterator<Item = &Slide> {
        self.slides[bag].iter().map(|opened| &opened.slide)
    }
}

impl abmil::Bags for Bags {
    type Error = StudyError;

    fn visit(&self, bag: usize, visit: &mut dyn FnMut(Rows)) -> Result<(), StudyError> {
        for Opened { slide, keep, held } in &self.slides[bag] {
            let values = slide.width() * BLOCK;
            if let Some(held) = held.get() {
                let rows = held.rows();
                (0..rows.len())
                    .step_by(values)
                    .for_each(|at| visit(rows.part(at, rows.len().min(at + values))));
                continue;
            }
            let (mut new, mut first) = (None, 0);
            slide.stream(BLOCK, |rows| {
                finite(slide.path(), rows, slide.width(), first)?;
                first += rows.len() / slide.width();
                if *keep {
                    Held::append(&mut new, rows);
                }
                visit(rows);
                Ok(())
            })?;
            if let Some(new) = new {
                let _ = held.set(new);
            }
        }
        Ok(())
    }
}

impl From<EmptyBag> for StudyError {
    fn from(empty: EmptyBag) -> Self {
        Self::Bags { reason: empty.to_string(), hint: "each patient needs a slide with tiles" }
    }
}

fn finite(path: &Path, rows: Rows, width: usize, first: usize) -> Result<(), SlidesError> {
    let wrong = match rows {
        Rows::F16(v) => v.iter().position(|x| !x.is_finite()),
        Rows::Bf16(v) => v.iter().position(|x| !x.is_finite()),
        Rows::F32(v) => v.iter().position(|x| !x.is_finite()),
        Rows::F64(v) => v.iter().position(|x| !x.is_finite()),
    };
    match wrong {
        None => Ok(()),
        Some(at) => Err(SlidesError::Format {
            path: path.to_owned(),
            reason: format!("a value of tile {} is NaN or infinite", first + at / width),
        }),
    }
}

/// The files of each patient, in order of the table or of their names.
fn files(asked: &config::Bags) -> Result<BTreeMap<String, Vec<PathBuf>>, StudyError> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let named = slide_files(std::slice::from_ref(&asked.folder))?;
    let Some(path) = &asked.table else {
        named.into_iter().for_each(|path| found.entry(slide_name(&path)).or_default().push(path));
        return Ok(found);
    };
    let named = Named::new(named);
    let table = read(path, &ReadOptions::default())?;
    let need = |name: &str| table.find(name).ok_or_else(|| missing(&table, "bags.table", name));
    let slide = table.find("file").map_or_else(|| need("slide"), Ok)?;
    let patient = need("patient")?;
    for row in 0..table.rows() {
        let name = table.text(row, slide);
        let file = named.get(&name).ok_or_else(|| StudyError::Bags {
            reason: format!(
                "{}: {} has no file of the name \"{name}\"",
                table.locate(row, slide),
                asked.folder.display()
            ),
            hint: "a slide is named by its file, with or without the extension",
        })?;
        found.entry(table.text(row, patient)).or_default().push(file.clone());
    }
    Ok(found)
}
