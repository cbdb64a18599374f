//! The one pass over each file, as a batch.

use std::path::PathBuf;

use osteon_core::Failure;
use osteon_pipeline::{Batch, Entry, Stamp, bits};
use osteon_slides::{Level, Slide, SlidesError, Wanted, reduce};
use serde::{Deserialize, Serialize};

use super::cases::{SlideCase, SlideCases};
use super::gathered::Gathered;

/// Bytes of `f64` sums of products, packed blocks and accumulators of a case of 1536 columns, and of buffers.
const AT_WORK: u64 = 80 << 20;

/// The reduction of slides.
pub struct SlideBatch {
    /// The cases.
    pub cases: SlideCases,
    /// What is computed.
    pub wanted: Wanted,
    /// Where sums of products go, if a PCA is fitted.
    pub gathered: Option<Gathered>,
}

/// Vectors as they are in a journal: exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Values(#[serde(with = "bits")] pub Vec<f64>);

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlideVectors {
    /// Name of the slide.
    pub slide: String,
    /// The patient.
    pub patient: String,
    /// The site.
    pub site: Option<String>,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Whether models are fitted to it.
    pub fit: bool,
    /// Tiles.
    pub tiles: u64,
    /// Values of an embedding; 0 where an empty slide does not say.
    pub width: usize,
    /// What rows stand for.
    pub level: Level,
    /// The encoder, where a file says.
    pub encoder: Option<String>,
    /// Largest absolute value.
    pub largest: f64,
    /// Whether quantiles are those of a sample.
    pub sampled: bool,
    /// Equal for equal tiles, on one device.
    pub digest: String,
    /// What formed the sums.
    #[serde(default = "processor")]
    pub device: String,
    /// Names of the vectors.
    pub names: Vec<String>,
    /// Mean over tiles.
    pub mean: Values,
    /// The vectors.
    pub vectors: Vec<Values>,
}

/// The processor, in records that do not name a device.
fn processor() -> String {
    "cpu".to_owned()
}

/// A case without vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlideFault {
    /// Name of the slide.
    pub slide: String,
    /// The patient.
    pub patient: String,
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub hint: String,
}

/// A line of a journal.
pub type SlideEntry = Entry<SlideVectors, SlideFault>;

impl SlideFault {
    fn new(case: &SlideCase, error: String, hint: Option<String>) -> Self {
        let (slide, patient) = (case.slide.clone(), case.patient.clone());
        Self { slide, patient, error, hint: hint.unwrap_or_default() }
    }
}

impl SlideBatch {
    fn vectors(&self, at: usize) -> Result<SlideVectors, SlidesError> {
        let case = &self.cases.list[at];
        let open = |file: &PathBuf| Slide::open(file, self.wanted.key.as_deref());
        let slides = case.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let gathered = self.gathered.as_ref().filter(|g| case.fit && !g.holds(&self.key(at)));
        let wanted = Wanted { products: gathered.is_some(), ..self.wanted.clone() };
        let found = reduce(&slides, &wanted)?;
        if let (Some(gathered), Some(products)) = (gathered, &found.products) {
            let stamp = Stamp::of(&case.files, false).ok();
            gathered.add(self.key(at), stamp, found.tiles, products)?;
        }
        Ok(SlideVectors {
            slide: case.slide.clone(),
            patient: case.patient.clone(),
            site: case.site.clone(),
            files: case.files.clone(),
            fit: case.fit,
            tiles: found.tiles,
            width: found.width,
            level: found.level,
            encoder: found.encoder,
            largest: found.largest,
            sampled: found.sampled,
            digest: found.digest,
            device: self.wanted.device.as_ref().map_or_else(processor, ToString::to_string),
            names: self.wanted.pools.iter().map(ToString::to_string).collect(),
            mean: Values(found.mean),
            vectors: found.vectors.into_iter().map(Values).collect(),
        })
    }
}

impl Batch for SlideBatch {
    type Done = SlideVectors;
    type Failed = SlideFault;

    fn cases(&self) -> usize {
        self.cases.list.len()
    }

    fn parameters(&self) -> String {
        let Wanted { key, pools, precision, device, .. } = &self.wanted;
        // The sums of another device have other bits.
        let profile = device.as_ref().map_or(String::new(), |d| format!(" {}", d.profile()));
        format!("slides {} {key:?} {pools:?} {precision:?}{profile}", env!("CARGO_PKG_VERSION"))
    }

    fn key(&self, case: usize) -> String {
        let SlideCase { slide, patient, site, files, fit } = &self.cases.list[case];
        format!("{slide}|{patient}|{site:?}|{files:?}|{fit}")
    }

    fn inputs(&self, case: usize) -> Vec<PathBuf> {
        self.cases.list[case].files.clone()
    }

    fn settled(&self, case: usize) -> bool {
        let fit = self.cases.list[case].fit;
        self.gathered.as_ref().is_none_or(|g| !fit || g.holds(&self.key(case)))
    }

    fn memory(&self, _case: usize, bytes: u64) -> u64 {
        // A file may be one chunk, which is then decoded at once.
        AT_WORK + bytes.min(1 << 30)
    }

    fn compute(&self, case: usize) -> Result<SlideVectors, SlideFault> {
        let found = self.vectors(case);
        found.map_err(|e| SlideFault::new(&self.cases.list[case], e.to_string(), e.hint()))
    }

    fn crashed(&self, case: usize, message: String) -> SlideFault {
        let hint = "please report this line with the output of `osteon doctor --json`".to_owned();
        SlideFault::new(&self.cases.list[case], format!("internal fault: {message}"), Some(hint))
    }
}
