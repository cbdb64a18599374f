//! What follows the pass: models over all slides, at one place or over sites.

use std::path::{Path, PathBuf};

use osteon_federate::{Comm, CommReduce, FederateError};
use osteon_pipeline::{Journal, journal_of};
use osteon_slides::{Fit, Level, Mixture, Pca, Projection, Prototypes, Scatter, SlidesError};

use super::batch::{SlideEntry, SlideFault, SlideVectors};
use super::clusters;
use super::gathered::{self, gathered_of};
use crate::error::ImagingError;

/// Components along which first prototypes are drawn where no PCA was asked for.
const DRAWN_ALONG: usize = 16;

/// What is made of the vectors.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// Components to fit.
    pub pca: Option<usize>,
    /// A PCA fitted before, used instead.
    pub model: Option<Pca>,
    /// Scores in standard deviations of the tiles.
    pub whiten: bool,
    /// Dimensions of a random projection.
    pub projection: Option<usize>,
    /// Prototypes.
    pub kmeans: Option<usize>,
    /// Most steps of k-means.
    pub iterations: usize,
    /// Components of a mixture to fit.
    pub gmm: Option<usize>,
    /// A mixture fitted before, used instead.
    pub gmm_model: Option<Mixture>,
    /// Whether the means of the components in each case are wanted beside their weights.
    pub gmm_means: bool,
    /// Most steps of the fit of a mixture.
    pub gmm_iterations: usize,
    /// Seed of the projection and of the first prototypes.
    pub seed: u64,
    /// Least slides of a site whose sums leave it.
    pub min_slides: u64,
    /// Data set of an HDF5 file.
    pub key: Option<String>,
}

/// What was fitted.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// Principal components, if asked for.
    pub pca: Option<Pca>,
    /// Whether scores are whitened.
    pub whiten: bool,
    /// The random projection.
    pub projection: Option<Projection>,
    /// Prototypes, and the tiles of each for every case.
    pub prototypes: Option<(Prototypes, Vec<Vec<u64>>)>,
    /// The mixture, and for every case the weights of its components and, if asked for, their means.
    pub mixture: Option<(Mixture, Vec<Components>)>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The components of a mixture in a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// Their weights `[K]`.
    pub weights: Vec<f64>,
    /// Their means `[K, D]`; empty where not asked for.
    pub means: Vec<f64>,
}

impl Finish {
    /// Whether sums of products are needed.
    pub fn needs_products(&self) -> bool {
        self.model.is_none() && (self.pca.is_some() || self.kmeans.is_some() || self.gmm.is_some())
    }
}

/// Width, encoder, and what rows stand for.
type Kind = (usize, Option<String>, String);

/// The kind of all cases with tiles; `None` if there are none.
fn kind(cases: &[&SlideVectors]) -> Result<Option<Kind>, SlidesError> {
    let mut kind: Option<(usize, Option<String>, Level)> = None;
    for case in cases.iter().filter(|c| c.tiles > 0) {
        let (width, encoder, level) =
            kind.get_or_insert_with(|| (case.width, case.encoder.clone(), case.level));
        if *width != case.width {
            let text = format!("slide {} has {} values a tile, others {width}", case.slide, case.width);
            return Err(SlidesError::Mixed(text));
        }
        if *level != case.level {
            let text =
                format!("slide {} holds {:?} vectors, others {level:?} vectors", case.slide, case.level);
            return Err(SlidesError::Mixed(text.to_lowercase()));
        }
        match (encoder.as_ref(), &case.encoder) {
            (Some(a), Some(b)) if a != b => {
                let text = format!("slide {} comes of the encoder {b}, others of {a}", case.slide);
                return Err(SlidesError::Mixed(text));
            }
            (None, Some(b)) => *encoder = Some(b.clone()),
            _ => {}
        }
    }
    Ok(kind.map(|(width, encoder, level)| (width, encoder, format!("{level:?}").to_lowercase())))
}

/// Fits what was asked for. `sites` holds, for each site of this rank, its name and sums; the models are those of
/// all sites together, on every rank the same bits. The cases are those of this rank.
///
/// # Errors
/// If slides are of several kinds, a site has fewer slides than allowed, or a model cannot be fitted. An error of one
/// rank ends all.
pub fn fit(
    cases: &[&SlideVectors],
    sites: Vec<(String, Option<Scatter>)>,
    finish: &Finish,
    comm: &Comm,
) -> Result<Models, ImagingError> {
    let own = comm.agree(shared(kind(cases)))?;
    let (width, encoder, level) = agreed(own, comm)?;
    let named = format!("{width} values, {level}, encoder {}", encoder.as_deref().unwrap_or("unknown"));
    let mut models = Models { whiten: finish.whiten, pca: finish.model.clone(), ..Models::default() };
    if let Some(model) = &finish.model {
        let fits = model.width == width
            && (model.encoder.is_none() || encoder.is_none() || model.encoder == encoder);
        let text = || {
            format!(
                "the PCA is of {} values and encoder {:?}, the slides of {named}",
                model.width, model.encoder
            )
        };
        comm.agree(shared(if fits { Ok(()) } else { Err(SlidesError::Model(text())) }))?;
    }
    if finish.needs_products() {
        let mut whole = Scatter::new(width);
        let federated = comm.size() > 1 || sites.len() > 1;
        let mut faults = Vec::new();
        for (name, scatter) in &sites {
            let (slides, tiles) = scatter.as_ref().map_or((0, 0), |s| (s.slides(), s.tiles()));
            if federated && slides < finish.min_slides {
                faults.push(format!(
                    "site {name} has {slides} slides to fit to, fewer than {}",
                    finish.min_slides
                ));
            }
            if federated && tiles <= width as u64 {
                models.warnings.push(format!(
                    "site {name} has {tiles} rows of {width} values: its sums of products span exactly their space and expose them"
                ));
            }
            if let Some(scatter) = scatter {
                whole.merge(scatter);
            }
        }
        let refused = if faults.is_empty() { Ok(()) } else { Err(SlidesError::Model(faults.join("; "))) };
        comm.agree(shared(refused))?;
        whole.reduce(&CommReduce(comm))?;
        let most = usize::try_from(whole.tiles().saturating_sub(1)).unwrap_or(usize::MAX).min(width);
        let components = finish.pca.unwrap_or(DRAWN_ALONG.min(most));
        models.pca = Some(Pca::fit(&whole, Fit { components }, encoder.clone())?);
    }
    let begun = |k: usize| {
        let pca = models.pca.as_ref();
        let pca = pca.ok_or_else(|| SlidesError::Model("prototypes need a PCA to begin".into()))?;
        Ok::<_, ImagingError>((pca.clone(), clusters::kmeans(k, pca, cases, finish, comm)?))
    };
    let prototypes = finish.kmeans.map(&begun).transpose()?;
    let mixture = match (&finish.gmm_model, finish.gmm) {
        (Some(mixture), _) => {
            let fits = mixture.width == width
                && (mixture.encoder.is_none() || encoder.is_none() || mixture.encoder == encoder);
            let of = (mixture.width, &mixture.encoder);
            let text =
                || format!("the mixture is of {} values and encoder {:?}, the slides of {named}", of.0, of.1);
            comm.agree(shared(if fits { Ok(()) } else { Err(SlidesError::Model(text())) }))?;
            Some(mixture.clone())
        }
        (None, Some(k)) => {
            let start = match &prototypes {
                Some(found) if finish.kmeans == Some(k) => found.clone(),
                _ => begun(k)?,
            };
            Some(clusters::mixture(&start.1, &start.0, cases, finish, comm)?)
        }
        (None, None) => None,
    };
    if let Some(mixture) = mixture {
        let described = clusters::described(&mixture, cases, finish, comm)?;
        models.mixture = Some((mixture, described));
    }
    models.prototypes = prototypes.map(|(_, found)| found);
    if finish.pca.is_none() && finish.model.is_none() {
        models.pca = None;
    }
    models.projection = finish.projection.map(|k| Projection::new(finish.seed, width, k));
    let all = comm.gather_metadata(&models.warnings.join("\n"))?;
    models.warnings = all.iter().flat_map(|t| t.lines()).map(ToOwned::to_owned).collect();
    Ok(models)
}

/// The kind of the embeddings of all ranks; one without slides learns it from the others.
fn agreed(own: Option<Kind>, comm: &Comm) -> Result<Kind, ImagingError> {
    let text =
        own.map(|(width, encoder, level)| format!("{width}\t{level}\t{}", encoder.unwrap_or_default()));
    let all = comm.gather_metadata(&text.unwrap_or_default())?;
    let mut kind: Option<Kind> = None;
    for text in all.iter().filter(|t| !t.is_empty()) {
        let mut parts = text.splitn(3, '\t');
        let width = parts.next().and_then(|w| w.parse().ok()).unwrap_or(0);
        let level = parts.next().unwrap_or_default().to_owned();
        let encoder = parts.next().filter(|e| !e.is_empty()).map(ToOwned::to_owned);
        let (whole, first, rows) = kind.get_or_insert((width, encoder.clone(), level.clone()));
        let other = matches!((&*first, &encoder), (Some(a), Some(b)) if a != b);
        if *whole != width || *rows != level || other {
            let text = format!("sites differ in their embeddings: {}", all.join("; ").replace('\t', " "));
            return Err(SlidesError::Mixed(text).into());
        }
        *first = first.take().or(encoder);
    }
    Ok(kind.ok_or_else(|| SlidesError::Model("no slide has tiles".into()))?)
}

/// An error of this rank in the form that all ranks are told.
pub(super) fn shared<T>(result: Result<T, SlidesError>) -> Result<T, FederateError> {
    result.map_err(|e| FederateError::from(ImagingError::from(e)))
}

/// The entries and, if there are any, the sums of the parts of a batch, each named by its table or its journal.
///
/// # Errors
/// If a journal or sums cannot be read, or are not of one batch, or a case is in none or in two.
pub fn merge(parts: &[PathBuf]) -> Result<(Vec<SlideEntry>, Option<Scatter>), ImagingError> {
    let table = |part: &PathBuf| match part.extension().is_some_and(|e| e == "journal") {
        true => part.with_extension(""),
        false => part.clone(),
    };
    let tables: Vec<PathBuf> = parts.iter().map(table).collect();
    let beside = |of: fn(&Path) -> PathBuf| tables.iter().map(|t| of(t)).collect::<Vec<_>>();
    let entries = Journal::<SlideVectors, SlideFault>::merge(&beside(journal_of))?;
    let sums = gathered::merge(&beside(gathered_of))?;
    if let Some((_, held)) = &sums {
        let done = |e: &&SlideEntry| match &e.outcome {
            osteon_pipeline::Outcome::Done(v) => v.fit && v.tiles > 0,
            osteon_pipeline::Outcome::Failed(_) => false,
        };
        let fitted = entries.iter().filter(done).count();
        if fitted != *held {
            let text = format!("the sums hold {held} slides and the journals {fitted}; run the parts again");
            return Err(SlidesError::Model(text).into());
        }
    }
    Ok((entries, sums.map(|(scatter, _)| scatter)))
}
